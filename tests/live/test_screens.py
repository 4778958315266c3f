"""What fits a terminal of 80 columns: in a real gdb, which would break a longer line wherever its 80th column is."""

from __future__ import annotations

import re

import pytest

from gdbheap.report.printable import display_width
from support.programs import build
from support.terminal import typed

COMMANDS = (
    "heap",
    "heap chunks --count 30",
    "vmmap",
    "heap arenas",
    "heap bins",
    "heap check",
    "heap leaks",
    "heap sizes",
    "heap params",
    "heap rss",
    "explain $sp",
    "heap types",
)
WIDTHS = (80, 240, 0)


@pytest.fixture(scope="module")
def said():
    """What each command says, by it and the width (0: unlimited)."""
    lines = [
        "set confirm off",
        "set style enabled off",
        f"file {build('threads')}",
        "break inspected",
        "run 3 > /dev/null",
    ]
    for width in WIDTHS:
        lines.append(f"set width {width}")
        for command in COMMANDS:
            lines += [f"echo \\n=== {width} {command}\\n", command]
    text = re.sub(r"\r[^\n]*\r", "", typed(*lines))  # how far a slow machine has come
    parts = text.split("\n=== ")[1:]
    heads = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    return {(command, width): heads[f"{width} {command}"] for width in WIDTHS for command in COMMANDS}


def numbers(text):
    """The numbers with their units; none of what is visibly cut (…)."""
    return set(re.findall(r"(?<![…\w.])(?:0x[0-9a-f]+|\d[\d,.]*(?: [KMGT]iB| B)?)(?![\w…])", text))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_number_is_broken_in_two(said, command):
    """Every number on a narrow terminal is one of those that a wide one shows, whole with its unit."""
    whole = numbers(said[command, 0])
    assert len(whole) > 1
    for width in (80, 240):
        narrow = said[command, width]
        assert numbers(narrow) <= whole | {"80", "240"}, narrow
        assert max(map(display_width, narrow.split("\n"))) <= width, narrow
        # gdb adds an empty line behind one that fills the terminal.
        assert narrow.count("\n\n") <= said[command, 0].count("\n\n"), narrow


def test_a_wide_terminal_is_used(said):
    """240 columns hold all that vmmap has to say of a mapping: nothing gives way."""
    assert "offset" in said["vmmap", 240].split("\n")[0]
    assert "no room for" not in said["vmmap", 240] and "no room for offset" in said["vmmap", 80]
    headings = said["heap chunks --count 30", 240].split("\n")[0].split()
    assert {"address", "mem", "size", "state", "arena", "flags", "place"} <= {*headings}
