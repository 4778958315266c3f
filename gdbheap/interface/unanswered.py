"""What a shell's user and a program are told where there is no answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from gdbheap.errors import Refused
from gdbheap.interface.words import Misused, done_in_json, own_words
from gdbheap.report.failure import failure_of
from gdbheap.report.json import error_line


def say_why(words: Sequence[str], command: str, error: BaseException, as_json: bool) -> None:
    """Say on standard error why `words`, which name `command`, have no answer, and to a program in JSON where the
    answer would be."""
    message = "there is not enough memory for this" if isinstance(error, MemoryError) else str(error)
    program, text = f"gdbheap {command}", f"gdbheap: {message}"
    if isinstance(error, Misused):
        program, text = error.program, f"{error.usage}{error.program}: error: {message}"
    failure = failure_of(error, message, f"python3 -m {program} --help")
    for each in [command] if as_json else done_in_json(words):
        print(error_line(each, failure), end="", file=_answers_go_to(own_words(words)))
    if sys.stderr is not None:
        print(text, file=sys.stderr)
        for remedy in error.next if isinstance(error, Refused) else ():
            print(f"  try: {remedy}", file=sys.stderr)


def _answers_go_to(words: Sequence[str]) -> TextIO:
    """Return the stream of answers: of `leaks`, whose program writes to standard output, that is standard error."""
    to_output = "--output=-" in words or ("--output", "-") in zip(words, words[1:])
    aside = words[:1] == ["leaks"] and not to_output and sys.stderr is not None
    return sys.stderr if aside else sys.stdout
