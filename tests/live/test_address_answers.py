"""`explain` begins with what the address is, in one sentence: ten kinds, each of a variable that the program sets."""

from __future__ import annotations

import re

from support.programs import build

# The first line by expression; \d and \h stand for numbers that differ.
SAID = {
    "block": r"the start of a live block.*",
    "past": r"one past the end of the live block at 0xh \(40 bytes\): the next header",
    "freed": r"the start of a free block \(chunk of 0xbc0, .*\)",
    "member": r"the variable limits\.high \(struct limits\)",
    "&literal": r'the variable literal \(.*char \*\), which holds 0xh .*"a literal of the program\'s"',
    "literal": r'the text "a literal of the program\'s", in program rodata',
    "local_of_main": r"the local variable local of frame 1 main, thread 1",
    "code": r"code: main in ten_kinds.*",
    "stream": r"stdout, a FILE of the C library's",
    "null_member": r"NULL \+ 0x18: no pointer, but what comes of using a NULL one",
    "wild": r"no address at all: not a pointer, or a corrupted one",
    "behind": r"in no mapping: one past the end of anonymous",
}


def test_the_first_line_says_what_each_of_ten_kinds_of_address_is(gdb):
    lines = {name: f"explain {name}" for name in SAID}
    said = gdb(build("ten_kinds"), "break inspected", "run", "up", *lines.values())
    for name, pattern in SAID.items():
        first = re.sub(r"0x[0-9a-f]{5,}", "0xh", said[lines[name]].splitlines()[0])
        assert re.fullmatch(pattern, first), f"{name}: {first}"
    assert "null_member holds 0x18; next: explain &null_member\n" in said["explain null_member"]
    # Where between its bounds it lies: of the variable's eight bytes it is the fifth.
    assert re.search(r"\|(-+)\^\1\|", said["explain member"].splitlines()[1])
