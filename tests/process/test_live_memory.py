"""Reading another process leaves no trace in it: what it never touched stays so."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.live.live_memory import LiveMemory, is_private_anonymous
from gdbheap.process.live.proc_maps import read_maps
from gdbheap.process.memory import ImageMemory, readable_pieces
from support.kernels import kernels as kernels
from support.sparse_process import PAGE, sparse_process

MIB = 1 << 20
NOTHING = ImageMemory([])


def expected_page(index: int, step: int) -> bytes:
    """Return the page as the child wrote it, or zeros."""
    if index % step:
        return bytes(PAGE)
    return (index * PAGE).to_bytes(8, "little") + bytes(PAGE - 9) + b"\xee"


def state(child):
    return child.resident_pages(), child.status("VmRSS"), child.status("VmPTE")


def test_wide_reads_map_nothing_in_the_process():
    with sparse_process(24 * MIB, step=7) as child:
        before = state(child)
        memory = LiveMemory(child.pid, NOTHING, read_maps(child.pid))
        found = b"".join(
            bytes(piece) for _, piece in readable_pieces(memory, child.address, child.address + child.size)
        )
        assert state(child) == before
        assert found == b"".join(expected_page(index, 7) for index in range(24 * MIB // PAGE))


def test_words_far_apart_are_read_at_once_and_map_nothing():
    with sparse_process(24 * MIB, step=3) as child:
        before = state(child)
        memory = LiveMemory(child.pid, NOTHING, read_maps(child.pid))
        random_one = random.Random(7)
        places = sorted(random_one.sample(range(0, 24 * MIB - 64, 8), 2500))
        places += [24 * MIB - 8, 24 * MIB + PAGE]  # not all of it is there, or nothing
        addresses = np.array([child.address + place for place in places], np.uint64)
        if memory.read_rows(addresses, np.zeros((len(addresses), 32), np.uint8)) is not None:
            assert state(child) == before
        whole = b"".join(expected_page(index, 3) for index in range(24 * MIB // PAGE))
        words, known = gather_known(memory, 8, addresses, 4)
        assert state(child) == before
        for place, row, is_known in zip(places, words.tolist(), known.tolist()):
            inside = place + 32 <= 24 * MIB
            assert not inside or is_known
            if inside:
                assert row == [int.from_bytes(whole[at : at + 8], "little") for at in range(place, place + 32, 8)]


def test_without_the_address_space_untouched_pages_do_get_mapped():
    """The experiment that shows what is avoided."""
    with sparse_process(4 * MIB, step=0) as child:
        assert child.resident_pages() == set()
        assert LiveMemory(child.pid, NOTHING).read(child.address, PAGE) == bytes(PAGE)
        assert child.resident_pages() == {0}


def test_small_reads_map_nothing_either():
    with sparse_process(4 * MIB, step=3) as child:
        before = state(child)
        memory = LiveMemory(child.pid, NOTHING, read_maps(child.pid))
        for index in range(0, 4 * MIB // PAGE, 5):
            page = expected_page(index, 3)
            assert memory.read(child.address + index * PAGE, 16) == page[:16]
            assert memory.read(child.address + index * PAGE + PAGE - 16, 16) == page[-16:]
        assert state(child) == before


def test_reads_of_any_place_and_size_agree_with_what_the_child_wrote():
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    with sparse_process(6 * MIB, step=5) as child:
        whole = b"".join(expected_page(index, 5) for index in range(6 * MIB // PAGE))
        memory = LiveMemory(child.pid, NOTHING, read_maps(child.pid))
        for _ in range(300):
            start = chance.randrange(len(whole))
            size = min(chance.choice((1, 8, 100, PAGE, 3 * PAGE + 7, 3 * MIB)), len(whole) - start)
            assert memory.read(child.address + start, size) == whole[start : start + size], f"seed {seed}"


@pytest.mark.parametrize("sharing", ["private", "shared"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_mapped_file_is_read_without_being_mapped_further(tmp_path, sharing, deleted):
    content = bytes(range(256)) * 160 + b"the last page ends early"
    path = tmp_path / "a file"
    path.write_bytes(content)
    with sparse_process(4 * MIB, step=0, file=path, sharing=sharing) as child:
        if deleted:
            path.unlink()
        before = state(child)
        space = read_maps(child.pid)
        assert space.find(child.address).shared == (sharing == "shared")
        memory = LiveMemory(child.pid, NOTHING, space)
        whole = content + bytes(-len(content) % PAGE)
        assert memory.read(child.address, len(whole)) == whole
        assert memory.read(child.address + 0x1003, 40) == content[0x1003 : 0x1003 + 40]
        assert memory.read(child.address + len(content) - 5, 8) == b"early\0\0\0"
        for address, size in (
            (child.address + len(whole) - 1, 2),
            (child.address + len(whole), 1),
            (child.address, MIB),
        ):
            with pytest.raises(MemoryFault):
                memory.read(address, size)
        assert state(child) == before
        assert before[0] == set()


def test_a_page_that_the_process_changed_in_its_copy_of_a_file_is_the_changed_one(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"f" * 4 * MIB)
    with sparse_process(4 * MIB, step=512, file=path, sharing="private") as child:
        memory = LiveMemory(child.pid, NOTHING, read_maps(child.pid))
        assert memory.read(child.address + 2 * MIB, 8) == (2 * MIB).to_bytes(8, "little")
        assert memory.read(child.address + 2 * MIB - 4, 4) == b"ffff"


def test_a_read_beyond_the_end_is_a_fault_that_names_the_whole_range():
    with sparse_process(4 * MIB, step=1) as child:
        space = read_maps(child.pid)
        end = max(vma.end for vma in space if vma.start <= child.address + child.size <= vma.end)
        while space.find(end) is not None:
            end = space.find(end).end
        memory = LiveMemory(child.pid, NOTHING, space)
        with pytest.raises(MemoryFault) as caught:
            memory.read(end - 100, 200)
        assert (caught.value.address, caught.value.size) == (end - 100, 200)
        for address in (0, 16, 1 << 63, (1 << 64) - 8):
            with pytest.raises(MemoryFault):
                memory.read(address, 8)


def test_thousands_of_mappings_side_by_side_are_read_in_a_few_pieces(monkeypatch):
    with sparse_process(4 * MIB, step=1) as child:
        pages = range(child.address, child.address + child.size, PAGE)
        cut = [VMA(at, at + PAGE, ("rw-p", "r--p")[at // PAGE % 2]) for at in pages]
        memory = LiveMemory(child.pid, NOTHING, AddressSpace(cut))
        reads, real = [], os.preadv
        monkeypatch.setattr(os, "preadv", lambda *asked: reads.append(asked) or real(*asked))
        data = memory.read(child.address, child.size)
        assert data == b"".join(expected_page(index, 1) for index in range(len(pages)))
        assert len(reads) <= child.size // (2 * MIB) + 1


def test_a_closed_process_is_read_through_the_fallback():
    memory = LiveMemory(2**22 + 1, ImageMemory([(0x1000, b"by the debugger")]), AddressSpace([]))
    assert memory.read(0x1003, 3) == b"the"


def test_mappings_that_the_space_does_not_know_are_read_as_they_are():
    data = b"written just now" * PAGE
    memory = LiveMemory(os.getpid(), NOTHING, AddressSpace([]))
    address = id(data) + bytes.__basicsize__ - 1
    assert memory.read(address, len(data)) == data


@pytest.mark.parametrize(
    ("vma", "zeros"),
    [
        (VMA(0, 1, "rw-p"), True),
        (VMA(0, 1, "---p"), True),
        (VMA(0, 1, "rw-p", path="[heap]"), True),
        (VMA(0, 1, "rw-p", path="[stack]"), True),
        (VMA(0, 1, "rw-p", path="[anon:pool]"), True),
        (VMA(0, 1, "rw-s", path="[anon_shmem:pool]"), False),
        (VMA(0, 1, "rw-s", inode=9, path="/dev/zero (deleted)"), False),
        (VMA(0, 1, "rw-p", inode=9, path="/lib/x"), False),
        (VMA(0, 1, "r--p", path="[vvar]"), False),
        (VMA(0, 1, "r-xp", path="[vdso]"), False),
        (VMA(0, 1, "rw-?"), False),
    ],
)
def test_which_untouched_pages_are_zeros(vma, zeros):
    assert is_private_anonymous(vma) is zeros
