"""What is said of a core whose blocks the kernel may have held: where a thread waits for epoll, or an io_uring is
mapped, and nowhere else."""

from __future__ import annotations

from gdbheap.machine.x86.machines import I386, X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread
from gdbheap.session.kernel_notes import notes_on_kernel

RING = VMA(0x7F00_0000_0000, 0x7F00_0000_1000, "rw-?", path="anon_inode:[io_uring]")


def notes(system_calls: list[int], machine=X86_64, vmas=()) -> list[str]:
    name = "orig_rax" if machine is X86_64 else "orig_eax"
    threads = [Thread(at, at, "", {name: number}, 0, 0, None) for at, number in enumerate(system_calls, 1)]
    return list(notes_on_kernel(Process("core", machine, ImageMemory([]), AddressSpace(vmas), tuple(threads))))


def test_threads_that_wait_for_epoll_are_told():
    (note,) = notes([0, 232])
    assert note.startswith("thread 2 waits for epoll")
    (note,) = notes([281, 441, 202])
    assert note.startswith("2 threads wait for epoll")
    assert notes([256], I386) != []
    assert notes([256]) == notes([0, (1 << 64) - 1]) == []


def test_an_io_uring_that_was_mapped_is_told():
    (note,) = notes([0], vmas=[RING])
    assert "io_uring" in note
