"""Cores whose headers claim what no core has: what is read of them is bounded, and the rest is said or left out.

Their kinds go by the names of the reports that they are from: undumped, manynotes, manythreads, manyfiles, sparse.
"""

from __future__ import annotations

import struct
import time

import pytest

from gdbheap.elf.core_file import open_core
from gdbheap.errors import MemoryFault
from gdbheap.process.memory import readable_pieces
from gdbheap.process.remarks import SegmentsUnread
from support.made_core import Load, make_core, make_elf, note, nt_file, prstatus64

PAGE = 4096


@pytest.fixture
def core(tmp_path):
    """Return a function that writes a core and opens it."""

    def write(data: bytes):
        path = tmp_path / "core"
        path.write_bytes(data)
        return open_core(str(path))

    return write


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "lib.so"
    path.write_bytes(make_elf(b"\x01" * 20, b"program text"))
    return path


def test_what_nothing_holds_is_passed_over_at_once(core):
    """undumped: 1 TiB that is reserved and not in the core, 1 TiB that is cut off, and what lies beside them."""
    far = 1 << 40
    loads = [
        Load(0x10000, b"a" * PAGE, far, flags=6),
        Load(0x20000 + far, b"b" * PAGE),
        Load(0x30000 + far, b"c" * 2 * PAGE, far),
    ]
    memory = core(make_core(loads)[:-PAGE]).memory
    before = time.process_time()
    for load, held in zip(loads, (b"a" * PAGE, b"b" * PAGE, b"c" * PAGE)):
        end = load.start + max(load.size, PAGE)
        pieces = [(address, bytes(data)) for address, data in readable_pieces(memory, load.start, end)]
        assert pieces == [(load.start, held)]
    assert time.process_time() - before < 1
    # That the rest is not there is not lost sight of.
    assert sum(high - low for low, high in memory.data_spans(0x10000, 0x10000 + far)) == far


def test_words_behind_a_gap_are_where_they_belong_in_an_odd_core(core):
    memory = core(make_core([Load(0x10000, b"a" * 8), Load(0x10103, b"b" * 64)])).memory
    assert [(address, len(data)) for address, data in readable_pieces(memory, 0x10000, 0x11000)] == [
        (0x10000, 8),
        (0x10110, 51),
    ]


@pytest.mark.parametrize("offset", [2**64 - PAGE, 2**63, 2**63 - 1])
def test_an_offset_beyond_all_files_is_memory_that_is_not_there(core, offset):
    notes = note(0x46494C45, nt_file([(0x10000, 0x11000, 0, "/bin/prog"), (0x11000, 0x12000, offset, "/bin/prog")], 1))
    whole = bytearray(make_core([Load(0x10000, make_elf(b"\x01" * 20)[:PAGE]), Load(0x20000, b"x" * PAGE)], notes))
    struct.pack_into("<Q", whole, 64 + 56 + 8, offset)
    opened = core(bytes(whole))
    assert opened.process().modules == ()
    with pytest.raises(MemoryFault):
        opened.memory.read(0x10000, 1)
    assert opened.missing[0] == (0x10000, 0x11000)


def test_many_notes_that_name_one_note_are_read_once(core):
    """manynotes: 20,000 note segments on one NT_FILE of 800 entries; manythreads: the same on 1,000 threads."""
    entries = [(0x400000 + i * PAGE, 0x401000 + i * PAGE, 0, "/a") for i in range(800)]
    body = note(0x46494C45, nt_file(entries)) + note(1, prstatus64(7)) * 1000
    headers = 20_000
    at = 64 + 56 * (headers + 1)
    table = struct.pack("<IIQQQQQQ", 4, 0, at, 0, 0, len(body), 0, 1) * headers
    table += struct.pack("<IIQQQQQQ", 1, 6, at + len(body), 0x400000, 0, PAGE, PAGE, 1)
    head = (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, headers + 1, 0, 0, 0)
    )
    before = time.process_time()
    opened = core(head + table + body + bytes(PAGE))
    assert (len(opened.files), len(opened.threads)) == (800, 1000)
    assert time.process_time() - before < 5


def test_many_mappings_of_one_file_are_looked_up_once(core, library):
    """manyfiles: 50,000 entries of one path outside of all segments; as many program headers as are believed."""
    table = b"".join(struct.pack("<IIQQQQQQ", 1, 5, 0, i * PAGE, 0, PAGE, PAGE, 1) for i in range(250))
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 250, 0, 0, 0)
    entries = [(0x400000, 0x404000, 0, str(library))]
    entries += [(0x10000000 + i * 0x2000, 0x10001000 + i * 0x2000, PAGE, str(library)) for i in range(50_000)]
    before = time.process_time()
    loads = [Load(0x400000, (header + table).ljust(4 * PAGE, b"\0"))]
    process = core(make_core(loads, note(0x46494C45, nt_file(entries)))).process()
    assert len(process.address_space) == 50_001
    assert time.process_time() - before < 5


def test_a_table_of_headers_over_a_hole_is_not_read_whole(tmp_path):
    """sparse: a file of 8 GiB, all hole, that claims 2^31 program headers."""
    end = 1 << 33
    header = (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, PAGE, end, 0, 64, 56, 0xFFFF, 64, 1, 0)
    )
    with open(tmp_path / "core", "wb") as file:
        file.write(header.ljust(PAGE, b"\0") + struct.pack("<IIQQQQQQ", 1, 6, 0, 0x400000, 0, PAGE, PAGE, 1))
        file.seek(end)
        file.write(bytes(44) + struct.pack("<I", 0x7FFFFFFF) + bytes(16))
    opened = open_core(str(tmp_path / "core"))
    assert len(opened.address_space) == 1
    assert opened.notes[-1] == SegmentsUnread(2146435071, 2147483647, cut_off=False)


def test_mappings_are_apart_and_of_a_process_whatever_a_core_claims(core):
    loads = [Load(0x10000, b"a" * PAGE, 1 << 60), Load(0x20000, b"b" * PAGE), Load(0x30000, b"c" * PAGE, 2**64 - 1)]
    space = core(make_core(loads)).address_space
    assert [(vma.start, vma.end) for vma in space] == [(0x10000, 0x20000), (0x20000, 0x21000), (0x30000, 1 << 56)]
