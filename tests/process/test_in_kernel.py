"""What /proc tells of what the kernel holds, on this very process."""

from __future__ import annotations

import os
import select

from gdbheap.process.live.in_kernel import InKernel, read_in_kernel


def test_epolls_data_are_told_with_the_descriptors_that_they_wait_for():
    reader, writer = os.pipe()
    with select.epoll() as poll:
        poll.register(reader)
        # (Python has the descriptor itself for data, in the lower half: it leaves the upper one as it was.)
        data = {name: word & 0xFFFF_FFFF for name, word in read_in_kernel(os.getpid()).words}
        assert data[f"epoll {poll.fileno()} for descriptor {reader}"] == reader
    os.close(reader)
    os.close(writer)


def test_nothing_is_told_of_a_process_that_is_none():
    assert read_in_kernel(1 << 30) == InKernel()
