"""gdb's texts whatever the locale. gdb decodes what it hands to Python, and encodes what it is handed, strictly in
its host character set (ASCII in a container without a locale); a file's name is bytes, of no set at all."""

from __future__ import annotations

import os

import gdb

TYPE_CHECKING = False  # as gdb's start wants it: without typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _Text = TypeVar("_Text", str, "str | None")


_STREAM = '~"'


def host_charset() -> str:
    """Return the set that gdb encodes and decodes in now: the locale's unless one was set."""
    # It is "auto; currently UTF-8", in the quotes too.
    _, quote, rest = output_of("show host-charset").partition('"')
    quoted, end, _ = rest.partition('"')
    return quoted.rpartition("auto; currently ")[2] if quote and end else "ascii"


def text_of(read: Callable[[], _Text]) -> _Text:
    """Return the text that this asks of gdb as Python keeps file names: os.fsencode() has the bytes again."""
    try:
        return read()
    except UnicodeDecodeError as error:
        return os.fsdecode(error.object)  # all that was to be decoded


def output_of(command: str) -> str:
    """Return what the gdb command says; gdb.error where it fails.

    Under MI gdb 18 hands out what it would write there, each piece in `~"..."`; by way of its console it does not.
    """
    text = text_of(lambda: gdb.execute(command, to_string=True))
    if text.startswith(_STREAM) or f"\n{_STREAM}" in text:
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        text = text_of(lambda: gdb.execute(f'interpreter-exec console "{quoted}"', to_string=True))
    return text


def spelled(text: str) -> str:
    """Return the text in the characters that gdb can write."""
    if text.isascii():
        return text
    from gdbheap.report.charset import in_charset  # for the few that need it at gdb's start

    return in_charset(text, host_charset())


def write(text: str) -> None:
    """Write the text where gdb writes."""
    gdb.write(spelled(text))
