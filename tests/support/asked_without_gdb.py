"""Many questions about one core without gdb: it is opened once, as gdb opens it once."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gdbheap.commands import command_named
from gdbheap.errors import HeapError
from gdbheap.interface.arguments import parse
from gdbheap.interface.limit import limited, rows_wanted
from gdbheap.report.json import json_lines
from gdbheap.session.target import Target
from gdbheap.without_gdb.command_line import reader_of

# "heap leaks --blocks" is the command "heap leaks" and what follows.
_OF_TWO_WORDS = "heap"


class AskedCore:
    """A core; `asked` are the answers by question: as JSON has them, or the message that there is none."""

    def __init__(self, core: Path) -> None:
        options = Namespace(core=str(core), pid=None, program=None, sysroot="", debug_dir=[])
        with ExitStack() as hold:
            self._reader = reader_of(options, hold)
        self._target = Target(self._reader)
        self._target.begin()
        self.asked: dict[str, dict[str, Any] | str] = {}

    def ask(self, questions: Iterable[str]) -> None:
        for question in questions:
            try:
                self.asked[question] = self._answer(question)
            except HeapError as error:
                self.asked[question] = str(error)

    def snapshot(self, file: Path) -> None:
        """Take a snapshot into the file, where there is a heap."""
        command = command_named("heap snapshot")
        with suppress(HeapError):
            command.run(self._target, parse(command, f"--output {file}", self._target.evaluate))

    def _answer(self, question: str) -> dict[str, Any]:
        words = question.split()
        many = 2 if words[0] == _OF_TWO_WORDS and len(words) > 1 and words[1].isalpha() else 1
        command = command_named(" ".join(words[:many]))
        arguments = parse(command, " ".join([*words[many:], "--json"]), self._target.evaluate)
        report = command.run(self._target, arguments)
        report = limited(replace(report, notes=(*report.notes, *self._reader.remarks)), rows_wanted(command, arguments))
        answer: dict[str, Any] = json.loads("".join(json_lines(report)))
        return answer
