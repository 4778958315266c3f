"""What a process has written is copied as it was, whatever the kernel offers for it, and stays so while it runs on.
(The process is this one: what its memory holds is known without reading it.)"""

from __future__ import annotations

import ctypes
import mmap
import os
import random

import pytest

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.live import copied_memory, copy_room, pages
from gdbheap.process.live.copied_memory import CopiedMemory
from gdbheap.process.live.copy_room import CopyRoom, room_for_copy
from gdbheap.process.live.kernel_page import KERNEL_PAGE
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.touched_pages import TouchedPages

PAGES = 700
WRITTEN = b"\x5a"


@pytest.fixture(name="mapped")
def mapping():
    """Yield a mapping of ours, its start, and what it holds: every page untouched, written or read only."""
    memory = mmap.mmap(-1, PAGES * KERNEL_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(15)  # MADV_NOHUGEPAGE: what is not touched stays so
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    random_ = random.Random(18)
    truth = bytearray(len(memory))
    for at in range(0, len(memory), KERNEL_PAGE):
        kind = random_.choice(("untouched", "written", "written", "read"))
        if kind == "written":
            truth[at : at + KERNEL_PAGE] = memory[at : at + KERNEL_PAGE] = random_.randbytes(KERNEL_PAGE)
        elif kind == "read":
            assert memory[at] == 0
    return memory, start, bytes(truth)


@pytest.mark.parametrize("offered", ["all", "no PAGEMAP_SCAN", "no process_vm_readv", "no pagemap"])
def test_the_copy_is_what_was_there(mapped, monkeypatch, offered):
    memory, start, truth = mapped
    if offered == "no PAGEMAP_SCAN":
        monkeypatch.setattr(pages.PageScan, "_try", lambda self, guard: False)
    elif offered == "no process_vm_readv":
        monkeypatch.setattr(copied_memory, "read_spans", lambda pid, spans, view: 0)
    elif offered == "no pagemap":
        monkeypatch.setattr(TouchedPages, "of", lambda self, vma: None)
    copied = copy_of(start, len(memory), CopyRoom(len(memory)))
    memory[:] = WRITTEN * len(memory)
    assert copied.read(start, len(memory)) == truth
    for at in range(0, len(memory) - 3 * KERNEL_PAGE, 1009):
        size = at % (3 * KERNEL_PAGE)
        assert copied.read(start + at, size) == truth[at : at + size]
    held = bytearray(len(memory))
    for low, high in copied.data_spans(start + 1, start + len(memory) - 1):
        held[low - start : high - start] = truth[low - start : high - start]
    assert bytes(held[1:-1]) == truth[1:-1]


def test_what_cannot_be_copied_is_read_as_before():
    libc, size, hole = ctypes.CDLL(None), 9 * KERNEL_PAGE, 4 * KERNEL_PAGE
    libc.mmap.restype = ctypes.c_void_p
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = libc.mmap(None, ctypes.c_size_t(size), 3, flags, -1, ctypes.c_size_t(0))
    ctypes.memset(start, WRITTEN[0], size)
    assert libc.munmap(ctypes.c_void_p(start + hole), ctypes.c_size_t(KERNEL_PAGE)) == 0
    copied = copy_of(start, size, CopyRoom(size))
    for low, high in ((0, hole), (hole + KERNEL_PAGE, size)):
        assert copied.read(start + low, high - low) == WRITTEN * (high - low)


def test_there_may_be_no_room(mapped, monkeypatch):
    memory, start, truth = mapped
    assert copy_of(start, len(memory), CopyRoom(KERNEL_PAGE)) is None
    monkeypatch.setattr(copy_room, "free_memory", lambda: 0)
    space = AddressSpace([VMA(start, start + len(memory), "rw-p")])
    room = room_for_copy(os.getpid(), space)
    assert room is not None and copy_of(start, len(memory), room).read(start, len(memory)) == truth
    full = os.statvfs("/")
    monkeypatch.setattr(copy_room.os, "fstatvfs", lambda file: os.statvfs_result((*full[:4], 1, *full[5:])))
    assert room_for_copy(os.getpid(), space) is None


def test_memory_is_free_only_as_far_as_control_groups_allow(monkeypatch):
    texts = {
        "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n",
        "/proc/self/cgroup": "4:memory:/a/b\n3:cpu:/\n0::/x/y\n",
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000000\n",
        "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000000\n",
        "/sys/fs/cgroup/x/memory.max": "max\n",
    }
    monkeypatch.setattr(copy_room, "_text", lambda path: texts.get(path, ""))
    assert copy_room.free_memory() == 4_000_000
    texts["/sys/fs/cgroup/memory.max"], texts["/sys/fs/cgroup/memory.current"] = "300\n", "400\n"
    assert copy_room.free_memory() == 0
    texts["/proc/self/cgroup"] = ""
    assert copy_room.free_memory() == 0
    del texts["/sys/fs/cgroup/memory.max"]
    assert copy_room.free_memory() == 8000 << 10


def copy_of(start, size, room):
    """Return a copy of a private anonymous mapping of ours, None where there was no room."""
    space = AddressSpace([VMA(start, start + size, "rw-p")])
    copied = CopiedMemory(os.getpid(), LiveMemory(os.getpid(), None, space))
    return copied if copied.copy(space, room) else None


def test_beyond_the_copy_is_what_is_behind(mapped):
    memory, start, _ = mapped
    copied = copy_of(start, len(memory), CopyRoom(len(memory)))
    place = ctypes.create_string_buffer(b"behind")
    assert copied.read(ctypes.addressof(place), 6) == b"behind"
    with pytest.raises(MemoryFault):
        copied.read(8, 8)
