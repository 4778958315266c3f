"""What an instruction accesses, by AT&T's text as gdb writes it: the size beside the one that Intel's syntax names,
over all of this system's libc, in both word sizes; and by what died."""

from __future__ import annotations

import re
import subprocess

import pytest

from gdbheap.machine.x86.operand import decode
from support.programs import build

# Each flavour's text of an instruction by its address, once for each form: numbers and the choice of a register tell
# nothing new.
_NUMBERS = re.compile(r"-?0x[0-9a-f]+|\d+|<.*|#.*")
_GENERAL = re.compile(r"%([re]?)(?:[a-d]x|[sd]i|bp)\b")


def disassembled(path, flavour):
    words = ["objdump", "-d", "--no-show-raw-insn", "-M", flavour, path]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = (re.match(r" *([0-9a-f]+):\t(.*\S)", line) for line in lines)
    return {int(pair[1], 16): pair[2] for pair in pairs if pair and "(bad)" not in pair[2]}


def libc_of(program):
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.search(r"libc\.so\.6 => (\S+)", listed)[1]


@pytest.mark.parametrize(("flags", "word"), [((), 8), (("-m32",), 4)], ids=["x86-64", "i386"])
def test_sizes_of_operands_are_those_that_the_other_syntax_names(flags, word):
    libc = libc_of(build("wild", *flags))
    theirs = disassembled(libc, "intel")
    forms = {}
    for address, text in disassembled(libc, "att").items():
        forms.setdefault(_GENERAL.sub(r"%\1ax", _NUMBERS.sub("N", text)), (text, theirs[address]))
    assert len(forms) > 2000
    wrong = []
    for text, other in forms.values():
        ours, named = ([(each.access, each.size) for each in decode(each, {}, word).memory] for each in (text, other))
        if sorted(ours) != sorted(named):
            wrong.append((text, ours, other, named))
    assert wrong == []
