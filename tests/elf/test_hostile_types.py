"""Debug information that is damaged, or was made to keep its reader busy: the scanner ends, in bounded time and memory,
says what it could not read, and gives numbers that can be followed."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.types.scan import Scan
from gdbheap.elf.types.sections import DebugSections, read_sections
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind

ROOT = Path(__file__).parents[2]
SOURCE = r"""
#include <map>
#include <string>
#include <vector>
namespace n {
struct Base { virtual ~Base() {} int a; };
template <class T> struct Box : virtual Base { T *t; int b[2][3]; };
}
std::map<std::string, n::Box<int>> boxes;
thread_local int mine;
int main() { static std::vector<n::Box<long>> kept; return kept.size() + boxes.size() + mine; }
"""


def scanned(sections: dict[str, bytes], data=((0x1000, 0x100000),)):
    return Scan(DebugSections("made", sections, 8, tuple(data)), DebugSearch(())).catalogue()


def check(catalogue) -> None:
    """Every number is one that a catalogue promises."""
    count = len(catalogue.types)
    for each in catalogue.types:
        assert 0 <= each.size < 1 << 31
        assert NONE <= each.target < count
        assert NONE <= each.count < 1 << 31
        assert all(NONE <= number < count for number in each.arguments)
        for member in each.members:
            assert NONE <= member.type < count
            assert member.kind == MemberKind.VIRTUAL_BASE or 0 <= member.offset <= each.size
    assert all(NONE <= each.type < count for each in catalogue.variables)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The sections of a real program of C++."""
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "real.cc").write_text(SOURCE)
    subprocess.run(["g++", "-g", str(directory / "real.cc"), "-o", str(directory / "real")], check=True)
    return read_sections(str(directory / "real"))


def test_flipped_bytes_are_survived(real):
    seed = random.Random(13)
    told = 0
    for turn in range(60):
        sections = dict(real.sections)
        for _ in range(seed.choice([1, 3, 30])):
            name = seed.choice(["info", "info", "abbrev", "str"])
            if name in sections:
                changed = bytearray(sections[name])
                changed[seed.randrange(len(changed))] = seed.randrange(256)
                sections[name] = bytes(changed)
        catalogue = scanned(sections, real.data)
        if turn % 6 == 0:
            check(catalogue)
        told += bool(catalogue.problems)
    assert told > 10


def test_cut_sections_are_survived(real):
    seed = random.Random(13)
    for _ in range(20):
        sections = dict(real.sections)
        name = seed.choice(sorted(sections))
        sections[name] = sections[name][: seed.randrange(len(sections[name]))]
        scanned(sections, real.data)


# A table of abbreviations: (code, tag, children, attributes and forms).
UNIT, STRUCT, MEMBER, POINTER, CONST, ARRAY, SUBRANGE, TYPEDEF, NAMESPACE = range(1, 10)
TABLE = [
    (UNIT, 0x11, 1, [(0x13, 0x0B)]),
    (STRUCT, 0x13, 1, [(0x03, 0x08), (0x0B, 0x07)]),
    (MEMBER, 0x0D, 0, [(0x03, 0x08), (0x38, 0x07), (0x49, 0x13)]),
    (POINTER, 0x0F, 0, [(0x49, 0x13)]),
    (CONST, 0x26, 0, [(0x49, 0x13)]),
    (ARRAY, 0x01, 1, [(0x49, 0x13)]),
    (SUBRANGE, 0x21, 0, [(0x2F, 0x07)]),
    (TYPEDEF, 0x16, 0, [(0x03, 0x08), (0x49, 0x13)]),
    (NAMESPACE, 0x39, 1, [(0x03, 0x08)]),
]
TEXTUAL = 10
FIRST = 12  # where the first entry of a unit of DWARF 5 is


def table(abbreviations) -> bytes:
    found = b""
    for code, tag, children, attributes in abbreviations:
        found += bytes([code, tag, children]) + b"".join(bytes(each) for each in attributes) + b"\0\0"
    return found + b"\0"


def unit(entries: bytes) -> dict[str, bytes]:
    body = struct.pack("<HBBI", 5, 1, 8, 0) + bytes([UNIT, 0x0C]) + entries + b"\0"
    return {"info": struct.pack("<I", len(body)) + body, "abbrev": table(TABLE)}


def ref(place: int) -> bytes:
    return struct.pack("<I", FIRST + 2 + place)


def test_types_that_are_of_themselves_have_no_end_and_end():
    entries = bytes([CONST]) + ref(5) + bytes([CONST]) + ref(0)  # const of const
    entries += bytes([TYPEDEF]) + b"t\0" + ref(10)  # a typedef of itself
    entries += bytes([ARRAY]) + ref(17) + bytes([SUBRANGE]) + struct.pack("<Q", 3) + b"\0"  # an array of itself
    entries += bytes([STRUCT]) + b"s\0" + struct.pack("<Q", 16)
    entries += bytes([MEMBER]) + b"m\0" + struct.pack("<Q", 0) + ref(32) + b"\0"  # a struct in itself
    catalogue = scanned(unit(entries))
    check(catalogue)
    assert catalogue.problems == ()


def test_sizes_and_offsets_beyond_all_bounds_are_no_sizes():
    entries = bytes([STRUCT]) + b"s\0" + struct.pack("<Q", 1 << 63)
    entries += bytes([MEMBER]) + b"m\0" + struct.pack("<Q", 1 << 62) + ref(0) + b"\0"
    entries += bytes([STRUCT]) + b"small\0" + struct.pack("<Q", 8)
    entries += bytes([MEMBER]) + b"far\0" + struct.pack("<Q", 100) + ref(0) + b"\0"
    entries += bytes([ARRAY]) + ref(0) + bytes([SUBRANGE]) + struct.pack("<Q", (1 << 63) - 1) + b"\0"
    catalogue = scanned(unit(entries))
    check(catalogue)
    assert [(each.name, each.size, each.members) for each in catalogue.types if each.name] == [
        ("s", 0, ()),
        ("small", 8, ()),
    ]
    assert [each.count for each in catalogue.types if each.kind == TypeKind.ARRAY] == [NONE]


def test_entries_deep_in_one_another_are_said():
    catalogue = scanned(unit((bytes([NAMESPACE]) + b"n\0") * 5000))
    assert catalogue.problems == (
        "the unit at 0x0 in made cannot be read to its end: its entries lie too deep in one another",
    )


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
sys.path[:0] = ["tests", "."]
from elf.test_hostile_types import *
from gdbheap.elf.types import rows
kind = sys.argv[1]
member = bytes([MEMBER]) + b"m\\0" + struct.pack("<Q", 0) + ref(0)
if kind == "members":
    sections = unit(bytes([STRUCT]) + b"s\\0" + struct.pack("<Q", 16) + member * 2_100_000 + b"\\0")
elif kind == "types":
    sections = unit((bytes([CONST]) + ref(0)) * 1_600_000)
catalogue = scanned(sections)
print(catalogue.problems[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, len(catalogue.types))
"""


@pytest.mark.parametrize("kind", ["members", "types"])
def test_millions_of_entries_are_bounded_and_said(kind):
    words = [sys.executable, "-c", BOMB, kind]
    result = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert f"it has too many {kind}" in result.stdout


def test_texts_within_texts_are_bounded_and_said():
    """Every name begins one byte further on in the same long text."""
    names = [(TEXTUAL, 0x24, 0, [(0x03, 0x0E)])]
    entries = b"".join(bytes([TEXTUAL]) + struct.pack("<I", place) for place in range(20_000))
    sections = unit(entries)
    sections["abbrev"] = table([*TABLE, *names])
    sections["str"] = b"x" * 65_000 + b"\0"
    tracemalloc.start()
    catalogue = scanned(sections)
    assert tracemalloc.get_traced_memory()[1] < 300 << 20
    tracemalloc.stop()
    assert catalogue.problems == ("the unit at 0x0 in made cannot be read to its end: it has too many names",)
