"""What sampled blocks hold, seen in a process that runs: here our own."""

from __future__ import annotations

import ctypes
import os

from gdbheap.inside_gdb.freed_samples import FreedSamples
from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.process.recording import Sample

# prev_size, size with PREV_INUSE, three words of a block, the next chunk's size with PREV_INUSE.
CHUNK = (0, 0x21, 0xA0, 0xB0, 0xC0, 0x21)


def test_a_block_is_rewritten_if_less_than_half_of_its_first_words_are_the_same():
    chunks = [(ctypes.c_uint64 * len(CHUNK))(*CHUNK) for _ in range(4)]
    same, one_new, two_new, freed = chunks
    samples = [Sample(ctypes.addressof(each) + 16, 0x18, "malloc", 1, ()) for each in chunks]
    memory = RunningMemory(os.getpid(), 8)
    watched = FreedSamples(memory, 8, frozenset([0x7777]))
    watched.get_ready(samples)
    one_new[2] = 0xA1
    two_new[2], two_new[3] = 0xA2, 0
    freed[2], freed[3] = 0, 0x7777
    watched.look(samples)
    assert same[2] == 0xA0
    assert (watched.rewritten(samples), watched.freed) == ({2}, {3})
    memory.close()
