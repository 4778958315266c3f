"""Every thread's stack and its guard, as the thread's own struct pthread says through libc's debug info."""

from __future__ import annotations

import json

import pytest

from support.programs import build

LOOK = """
import json
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.process.threads.thread_pointers import find_thread_pointers
from gdbheap.process.threads.thread_stacks import stack_blocks

process = gdb_process.gather()
pointers = find_thread_pointers(process)
lwps = {pointer: lwp for lwp, pointer in pointers.items()}
told = {lwps[block.control]: [block.start, block.end - block.start, block.guard] for block in stack_blocks(process,
pointers)}
expected = {}
for lwp, pointer in pointers.items():
    members = [f"((struct pthread *){pointer})->{name}" for name in ("stackblock", "stackblock_size", "guardsize")]
    values = [int(gdb.parse_and_eval(f"(unsigned long)({each})")) for each in members]
    if values[0]:
        expected[lwp] = values
print("told", json.dumps([len(process.threads), len(pointers), told == expected, len(told),
sorted({v[2] for v in told.values()})]))
"""


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["plain", "i386"])
def test_stacks_are_where_struct_pthread_says(gdb, flags):
    look = f"python exec({LOOK!r})"
    said = gdb(build("threads", *flags), "break inspected", "run", look)
    assert json.loads(said[look].partition("told ")[2]) == [5, 5, True, 4, [4096]], said.text
