"""Blocks whose name is not in their first word (reports/names_beyond_the_first_word): heap leaks tells it, as the
program that made them does."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support.gdb_runs import ask
from support.programs import build

EVERY = "heap leaks --blocks --kind all"
UNSAID = r"^(likely |perhaps )?(closure of )?|(?<=\[)\d+(?=\]$)"
LOST = re.compile(r"^lost (0x[0-9a-f]+) ?(.*)$", re.M)


def told(answers):
    """Return what the program calls each block, by its address."""
    return {int(address, 16): name for address, name in LOST.findall(answers.text)}


def called(answers):
    """Return what gdbheap calls each block, by its address, however sure, and however many objects it has."""
    return {int(row["example"], 16): re.sub(UNSAID, "", row["what"]) for row in answers[EVERY]["rows"]}


@pytest.mark.parametrize("flags", [("-O0",), ("-O2", "-g0")], ids=["O0", "O2-g0"])
def test_what_a_block_is_is_found_behind_its_first_word(flags):
    answers = ask([str(build("names_beyond", *flags))], (EVERY,), get_there=("break inspected", "run"))
    names, found = told(answers), called(answers)
    assert len(names) == 28
    wrong = {
        hex(address): (name, found.get(address))
        for address, name in names.items()
        if (found.get(address) != re.sub(UNSAID, "", name) if name else "lambda" in found[address])
    }
    assert not wrong


# Each object has one reference too many, and is told by its address.
SCRIPT = """\
import ctypes, datetime, gc, os, signal
increment = ctypes.pythonapi.Py_IncRef
increment.argtypes = [ctypes.py_object]
class Session: pass
class Slotted: __slots__ = ("a", "b")
makers = [
    lambda i: "session %d" % (10000 + i),
    lambda i: (i, str(i) * 3, i * 1000000),
    lambda i: {"key%d" % i: i * 77777},
    lambda i: [i, i + 300],
    lambda i: i + 0.5,
    lambda i: Session(),
    lambda i: Slotted(),
    lambda i: b"bytes %d" % i,
    lambda i: {i, i + 500},
    lambda i: 10**40 + i,
    lambda i: bytearray(b"%d" % i),
    lambda i: datetime.datetime.fromtimestamp(i),
    lambda i: datetime.datetime.fromtimestamp(i, datetime.timezone.utc),
    lambda i: datetime.time(i % 24),
]
told = []
for make in makers:
    for i in range(40):
        lost = make(i)
        increment(lost)
        module = type(lost).__module__
        name = type(lost).__name__ if module in ("builtins", "__main__") else module + "." + type(lost).__name__
        told.append("lost %#x %s" % (id(lost), name))
del lost
os.write(1, ("\\n" + "\\n".join(told) + "\\n").encode())
os.kill(os.getpid(), signal.SIGUSR1)
"""
# What may lie in front of an object in its block.
HEADERS = (0, 16, 32)


def test_objects_of_cpython_have_their_types_names(tmp_path):
    (tmp_path / "lose.py").write_text(SCRIPT)
    answers = ask(
        ["--args", "/usr/bin/python3", str(tmp_path / "lose.py")],
        (EVERY,),
        get_there=("run",),
        environment={"PYTHONMALLOC": "malloc"},
    )
    names, found = told(answers), called(answers)
    # (A small int, or an empty string, is a static object; of what is told, nothing is.)
    calls = Counter()
    for address, name in names.items():
        what = next((found[address - each] for each in HEADERS if address - each in found), "")
        calls[name, what] += 1
    expected = Counter(names.values())
    assert calls == {(name, f"Python {name}"): count for name, count in expected.items()} and len(expected) == 13
