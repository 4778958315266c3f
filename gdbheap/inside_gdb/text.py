"""gdb's texts whatever the locale. gdb decodes what it hands to Python, and encodes what it is handed, strictly in
its host character set (ASCII in a container without a locale); a file's name is bytes, of no set at all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

import gdb

# The host character set is "auto; currently UTF-8".
_HOST_CHARSET = re.compile(r'"(?:auto; currently )?([^"]+)"')
_Text = TypeVar("_Text", str, "str | None")


def host_charset() -> str:
    """Return the set that gdb encodes and decodes in now: the locale's unless one was set."""
    match = _HOST_CHARSET.search(gdb.execute("show host-charset", to_string=True))
    return match[1] if match else "ascii"


def text_of(read: Callable[[], _Text]) -> _Text:
    """Return the text that this asks of gdb as Python keeps file names: os.fsencode() has the bytes again."""
    try:
        return read()
    except UnicodeDecodeError as error:
        return os.fsdecode(error.object)  # all that was to be decoded


def output_of(command: str) -> str:
    """Return what the gdb command says; gdb.error where it fails."""
    return text_of(lambda: gdb.execute(command, to_string=True))
