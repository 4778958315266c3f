"""The one palette, and how a terminal paints by it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

# Text of a kind (a column's or a Line's token), as it goes to the terminal.
Paint = Callable[[str, str], str]

# Each kind of thing, in pygments' style words. Colours are the terminal's own sixteen.
PALETTE = {
    "heading": "bold",
    "address": "ansiblue",
    "mem": "ansicyan",
    "size": "",
    "state": "",
    "state.in_use": "bold",
    "state.tcache": "ansigreen",
    "state.fastbin": "ansigreen",
    "state.unsorted": "ansiyellow",
    "state.small": "ansiyellow",
    "state.large": "ansiyellow",
    "state.top": "ansimagenta",
    "state.fencepost": "ansibrightblack",
    "state.malloc_owned": "ansibrightblack",
    "state.unknown": "ansired",
    "mapping.code": "ansired",
    "mapping.read-only data": "ansigreen",
    "mapping.data": "ansiyellow",
    "mapping.heap": "ansiblue",
    "mapping.stack": "ansimagenta",
    "mapping.anonymous": "ansicyan",
    "mapping.other": "",
    "path": "ansigreen",
    "permissions": "ansiyellow",
    "preview": "ansibrightblack",
    "symbol": "ansiyellow",
    "type": "ansigreen",
    "command": "bold",
    "later": "bold",  # a command for another run of the program
    "dim": "ansibrightblack",
    "total": "bold",
    "note": "ansiyellow",
    "fault": "bold ansired",
    "chunk.0": "ansicyan",
    "chunk.1": "ansimagenta",
    "chunk.2": "ansigreen",
    "chunk.3": "ansiyellow",
}


def plain(token: str, text: str) -> str:
    """Return the text as it is: the Paint for files and pipes."""
    return text


def terminal_paint() -> Paint:
    """Return the Paint that colours by PALETTE for a terminal; `plain` where pygments is not installed."""
    try:
        # Kept out of gdb's start: pygments is loaded when the first coloured line is drawn.
        from pygments.formatters.terminal256 import Terminal256Formatter
        from pygments.style import Style
        from pygments.token import Token
    except ModuleNotFoundError:
        return plain
    tokens = {name: getattr(Token.Gdbheap, "".join(map(str.capitalize, re.split(r"\W|_", name)))) for name in PALETTE}
    style = type("HeapStyle", (Style,), {"styles": {tokens[name]: words for name, words in PALETTE.items()}})
    formatter = Terminal256Formatter(style=style)
    around: dict[str, tuple[str, str]] = {}
    for name, token in tokens.items():
        out = io.StringIO()
        formatter.format([(token, "\0")], out)
        before, _, after = out.getvalue().partition("\0")
        around[name] = before, after

    def paint(token: str, text: str) -> str:
        before, after = around.get(token, ("", ""))
        return f"{before}{text}{after}" if text else text

    return paint
