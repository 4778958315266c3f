"""The words that start gdbheap from a shell: what reads them, and how it says that they are off: to people as argparse
does, to programs in JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from gdbheap.errors import UsageError
from gdbheap.interface.arguments import JSON, JSON_LINES, suggest, wants_json

# What shells and argparse answer to words that are off.
MISUSED = 2
# These run a program: from its name on, the words are its own.
_WITH_PROGRAM = {
    "run": ("--gdb-option",),
    "leaks": ("--suppressions", "--errors-for-leak-kinds", "--output"),
}


class Misused(UsageError):
    """The words are off; `usage` is how they go, `program` whose they are ("gdbheap diff")."""

    def __init__(self, text: str, program: str, usage: str) -> None:
        super().__init__(text)
        self.program = program
        self.usage = usage


class ShellWords(argparse.ArgumentParser):
    """An ArgumentParser that raises Misused instead of ending Python, and knows which of its own options was meant;
    `others_follow`: what it does not know is another's."""

    def __init__(self, *words: Any, others_follow: bool = False, **named: Any) -> None:
        self._others_follow = others_follow
        self._options: list[str] = []
        super().__init__(*words, **named)

    def add_argument(self, *names: Any, **named: Any) -> argparse.Action:
        """As its base does."""
        action = super().add_argument(*names, **named)
        self._options += action.option_strings
        return action

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As its base does; a word that is none of its own is an error, unless others follow."""
        values, rest = super().parse_known_args(args, namespace)
        if rest and not self._others_follow:
            name = rest[0].partition("=")[0]
            if name.startswith("-"):
                self.error(f"there is no option {name}{suggest(name, self._options)}")
            self.error(f"unexpected argument {rest[0]!r}")
        return values, rest

    def error(self, message: str) -> NoReturn:
        """Raise Misused."""
        raise Misused(message, self.prog, self.format_usage())


def own_words(words: Sequence[str]) -> list[str]:
    """Return the words without those of a program that is to be run."""
    return list(words[: _program_at(words)] if words and words[0] in _WITH_PROGRAM else words)


def asks_json(words: Sequence[str]) -> bool:
    """Whether words that may be off ask for an answer in JSON."""
    own = own_words(words)
    return any(f"{dash}{each.name[2:]}" in own for each in (JSON, JSON_LINES) for dash in ("-", "--"))


def done_in_json(words: Sequence[str]) -> list[str]:
    """Return the names of the commands that `--do` asks to answer in JSON."""
    own = own_words(words)
    lines = [
        line if option == "--do" else line.partition("=")[2]
        for option, line in zip(["", *own], own)
        if option == "--do" or line.startswith("--do=")
    ]
    return [line.partition(" -")[0].strip() for line in lines if wants_json(line)]


def _program_at(words: Sequence[str]) -> int:
    """Return where the program stands that is to be run."""
    takes_value = _WITH_PROGRAM[words[0]]
    at = 1
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in takes_value else 1
    return at
