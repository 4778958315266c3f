from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

import pytest

from gdbheap.errors import HeapError, NoProcess
from gdbheap.process.address_space import VMA
from gdbheap.process.live.proc_maps import (
    ResidentBytes,
    parse_maps,
    parse_resident,
    parse_smaps,
    read_maps,
    read_resident,
    read_smaps,
)

RECORDED = Path(__file__).parents[2] / "fixtures" / "maps"
MIB = 1 << 20


def recorded(name: str) -> str:
    return (RECORDED / name).read_bytes().decode("utf-8", "surrogateescape")


def as_text(vma: VMA) -> str:
    """Write the line as the kernel does: the path in column 73, a newline in it escaped."""
    line = f"{vma.start:08x}-{vma.end:08x} {vma.permissions} {vma.offset:08x} {vma.device} {vma.inode} "
    path = vma.path.replace("\n", "\\012")
    return (line.ljust(73) + path if path else line) + "\n"


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.glob("*.maps.txt")))
def test_every_recorded_line_survives_being_read_and_written(name):
    text = recorded(name)
    assert "".join(as_text(vma) for vma in parse_maps(text)) == text


def test_a_line_has_all_its_fields():
    (vma,) = parse_maps("7f0000001000-7f0000003000 r-xp 0000a000 fe:1f 16040912                   /usr/lib/libx.so.1\n")
    assert vma == VMA(0x7F0000001000, 0x7F0000003000, "r-xp", 0xA000, "fe:1f", 16040912, "/usr/lib/libx.so.1")
    assert (vma.readable, vma.writable, vma.executable, vma.shared, vma.is_file) == (True, False, True, False, True)


def test_anonymous_lines_have_no_path():
    (vma,) = parse_maps("f7f8f000-f7f99000 rw-p 00000000 00:00 0 \n")
    assert (vma.path, vma.is_file, vma.size) == ("", False, 0xA000)


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/two  blanks and trailing ",
        "/tmp/gone (deleted)",
        "/tmp/carriage\rreturn\x0b\x1c\u2028ends",
        "/tmp/7f00-7f01 rw-p 00000000 00:00 0",
        "/tmp/latin-\udce9",
        "[anon:a pool of things]",
        "//anon",
    ],
)
def test_hostile_paths_stay_whole(path):
    (vma,) = parse_maps(f"7f0000001000-7f0000003000 rw-s 00000000 00:01 7 {path}\n")
    assert vma.path == path


def test_an_escaped_newline_in_a_path_is_a_newline_again():
    space = parse_maps("1000-2000 rw-p 00000000 00:01 7 /tmp/a\\0121000-2000 rwxp\n3000-4000 r--p 00000000 00:00 0 \n")
    assert [vma.path for vma in space] == ["/tmp/a\n1000-2000 rwxp", ""]


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "1000-2000",
        "2000-1000 rw-p 00000000 00:00 0 ",
        "1000-1000 rw-p 00000000 00:00 0 ",
        "1000-2000 rwzp 00000000 00:00 0 ",
        "11111111111111111-22222222222222222 rw-p 00000000 00:00 0 ",
        "1000-2000 rw-p 00000000 00:00 " + "9" * 5000,
    ],
)
def test_a_line_that_is_none_is_an_error_that_quotes_it(line):
    with pytest.raises(HeapError) as caught:
        parse_maps(f"1000-2000 rw-p 00000000 00:00 0 \n{line}\n")
    assert str(caught.value).startswith("line 2 of the maps ")
    assert len(str(caught.value)) < 200


def test_smaps_give_sizes_in_bytes_and_flags():
    usages = parse_smaps(recorded("threads.smaps.txt"))
    assert [usage.vma for usage in usages] == list(parse_maps(recorded("threads.maps.txt")))
    heap = next(usage for usage in usages if usage.vma.path == "[heap]")
    assert heap.sizes["Size"] == heap.vma.size
    assert heap.sizes["Rss"] == 8192
    assert heap.flags == {"rd", "wr", "mr", "mw", "me", "ac"}


def test_this_very_process_is_read():
    space = read_maps(os.getpid())
    here = space.find(id(space))
    assert here is not None and here.writable
    assert {"[stack]", "[vdso]"} <= {vma.path for vma in space}
    assert {usage.vma.start for usage in read_smaps(os.getpid())} & {vma.start for vma in space}


def test_resident_sizes_alone_are_those_of_smaps(tmp_path):
    # Lines of a file's name can look like smaps' own.
    path = tmp_path / "a\nRss:     4 kB\n1000-2000 rw-p"
    path.write_bytes(b"x" * 8192)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 8192, access=mmap.ACCESS_READ) as area:
        assert area[5000] == ord("x")
        resident = read_resident(os.getpid())
        usages = {usage.vma.start: usage for usage in read_smaps(os.getpid())}
    (mapped,) = [usage for usage in usages.values() if usage.vma.path == str(path)]
    assert resident[mapped.vma.start].all == mapped.sizes["Rss"] > 0
    assert len(resident) >= len(usages) - 2


def test_huge_pages_are_counted_with_the_mapping_that_has_them():
    text = (
        "1000-2000 rw-p 00000000 00:00 0 \nSize: 4 kB\nRss:                   4 kB\nAnonHugePages:         0 kB\n"
        "200000-800000 rw-p 00000000 00:00 0 \nSize: 4 kB\nRss:                6144 kB\nAnonHugePages:      4096 kB\n"
        "ShmemPmdMapped:        0 kB\nFilePmdMapped:      2048 kB\n"
        "900000-901000 rw-p 00000000 00:00 0 \nSize: 4 kB\nRss:                   0 kB\nAnonHugePages:         0 kB\n"
    )
    assert parse_resident(text) == {
        0x1000: ResidentBytes(4096, 0),
        0x200000: ResidentBytes(6 << 20, 6 << 20),
        0x900000: ResidentBytes(0, 0),
    }


def test_what_lies_in_hugetlbfs_is_resident_though_rss_leaves_it_out():
    text = (
        "200000-600000 rw-s 00000000 00:0f 17 /dev/hugepages/x\nSize: 4 kB\nRss:                   0 kB\n"
        "Shared_Hugetlb:     2048 kB\nPrivate_Hugetlb:    2048 kB\n"
        "900000-901000 rw-p 00000000 00:00 0 \nSize: 4 kB\nRss:                   4 kB\nPrivate_Hugetlb:         0 kB\n"
    )
    assert parse_resident(text) == {0x200000: ResidentBytes(4 << 20, 4 << 20), 0x900000: ResidentBytes(4096, 0)}


def test_a_process_that_is_not_there_is_said_so():
    with pytest.raises(NoProcess) as caught:
        read_maps(2**22 + 1)
    assert str(caught.value) == "cannot read /proc/4194305/maps: No such file or directory"


def test_a_hundred_thousand_lines_are_read_in_a_moment():
    line = "{:012x}-{:012x} rw-p 00000000 fe:00 16040184                   /usr/lib/x86_64-linux-gnu/libc.so.6\n"
    text = "".join(line.format(0x7F0000000000 + i * 8192, 0x7F0000000000 + i * 8192 + 4096) for i in range(100_000))
    start = time.process_time()
    space = parse_maps(text)
    assert time.process_time() - start < 3
    assert len(space) == 100_000
    assert space.find(0x7F0000000000 + 8192 * 99_999) is space.vmas[-1]
