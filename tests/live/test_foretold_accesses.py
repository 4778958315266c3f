"""What `explain` foretells of reads, writes and executes, and what then becomes of them: children of the program do
each, and die or not."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from gdbheap.analysis.addresses.explain import page_state
from gdbheap.analysis.mappings.accesses import UNKNOWN, accesses
from gdbheap.machine.machines import machine_of_size
from gdbheap.process.live.proc_maps import read_maps
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from support.mappings import mappings

LETTERS = {"read": "r", "write": "w", "execute": "x"}
CODES = {"SEGV_MAPERR": 1, "SEGV_ACCERR": 2, "SEGV_PKUERR": 4, "BUS_ADRERR": 2, "SI_KERNEL": 0x80}


def as_signal(result):
    """Return a result in the words of siginfo."""
    if result == "allowed":
        return 0, 0
    name, code = result.split()
    return int(signal.Signals[name]), CODES[code]


def places(space, word):
    """Yield addresses in and between all mappings, and those that no process has."""
    for vma in space:
        yield from (vma.start - 1, vma.start, vma.start + vma.size // 2, vma.end - 1, vma.end)
    stack = next(vma for vma in space if vma.path == "[stack]")
    yield from (0, 8, 0xFFF, 0x10000, stack.start - 4096, stack.start - (1 << 20), stack.end - (9 << 20))
    if word == 8:
        yield from (1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - (1 << 47), (1 << 64) - 1, 0xFFFFFFFFFF600400)
    else:
        yield from ((1 << 32) - 1, 0xFFFFE000, 0xC0000000)


@pytest.mark.parametrize("word", [8, 4])
def test_each_access_ends_as_was_foretold(tmp_path, word):
    seen: Counter[str] = Counter()
    with mappings(tmp_path, *(["-m32"] if word == 4 else []), mode="touch") as program:
        space = read_maps(program.pid)
        process = Process("live", machine_of_size(word), ImageMemory([]), space, (), program.pid)
        runnable = program.facts["return_at_once"][0]
        for address in sorted({runnable, *places(space, word)}):
            for access in accesses(process, address, page_state(process, address)):
                # What runs there, nobody knows, but for one function.
                if access.name == "execute" and access.result == "allowed" and address != runnable:
                    continue
                seen[access.result] += 1
                if access.result != UNKNOWN:
                    ended = program.touch(LETTERS[access.name], address)
                    assert ended == as_signal(access.result), (hex(address), access, space.find(address))
        beyond = sum(program.facts["beyond_its_file"]) // 2
        assert [each.result for each in accesses(process, beyond, None)][:2] == ["SIGBUS BUS_ADRERR"] * 2
    print(f"word {word}: {dict(seen)}")
    assert sum(seen.values()) - seen[UNKNOWN] >= 400
    assert {"allowed", "SIGSEGV SEGV_MAPERR", "SIGSEGV SEGV_ACCERR", "SIGBUS BUS_ADRERR"} <= set(seen)
