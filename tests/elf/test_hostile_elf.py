"""ELF files and debug info that were made to keep their reader busy, or to fill its memory: what is read of them is
bounded.

elfbomb: a section of 4 GiB of zeros, compressed; the others go round in circles, or claim what no file has.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHF_COMPRESSED = 0x800
# Reads a file within 1 GiB and 15 seconds, and prints what is said of it and which structs are found.
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (15, 15))
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import read_elf
from gdbheap.elf.thread_locals import thread_locals
from gdbheap.process.process import Module
contents = read_elf(sys.argv[1], DebugSearch(()))
thread_locals(Module("x", sys.argv[1], 0), DebugSearch(()))
print(contents.problem, "|", *sorted(contents.structs), *sorted(contents.symbols))
"""


def read_within_bounds(path) -> str:
    words = [sys.executable, "-c", READ, str(path)]
    result = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    assert result.returncode == 0, f"exit code {result.returncode}\n{result.stderr}"
    return result.stdout.strip()


def compressed(claimed: int, zeros: int) -> bytes:
    """Return the contents of a compressed section that claims one size and is inflated to another."""
    packer = zlib.compressobj(9)
    # Behind a full flush the same MiB is the same bytes again: nothing has to be compressed two thousand times.
    first, second = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return struct.pack("<IIQQ", 1, 0, claimed, 1) + first + second * ((zeros >> 20) - 1)


def make_elf(sections, *, count: int | None = None, size: int = 64, names: int | None = None) -> bytes:
    """Return an ELF64 file of these sections: (name, type, flags, data, link, size of an entry); the rest is what
    its header claims."""
    sections = [("", 0, 0, b"", 0, 0), *sections, (".shstrtab", 3, 0, b"", 0, 0)]
    texts, places = b"\0", []
    for name, *_ in sections:
        places.append(len(texts))
        texts += name.encode() + b"\0"
    headers, bodies = b"", b""
    for place, (name, kind, flags, data, link, entry) in zip(places, sections):
        data = texts if name == ".shstrtab" else data
        headers += struct.pack("<IIQQQQIIQQ", place, kind, flags, 0, 64 + len(bodies), len(data), link, 0, 1, entry)
        bodies += data
    count = len(sections) if count is None else count
    last = len(sections) - 1 if names is None else names
    fixed = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, 64 + len(bodies), 0, 64, 0, 0, size, count, last)
    return b"\x7fELF\2\1\1" + bytes(9) + fixed + bodies + headers


DEBUG = [(".debug_info", 1, 0, bytes(32), 0, 0), (".debug_abbrev", 1, 0, bytes(8), 0, 0)]
GIB = 1 << 30
BOMBS = {
    "strtab": [
        (".strtab", 3, SHF_COMPRESSED, compressed(4 * GIB, 256 << 20), 0, 0),
        (".symtab", 2, 0, bytes(96), 1, 24),
    ],
    "strtab of none": [
        (".strtab", 3, SHF_COMPRESSED, compressed(0, 2 * GIB), 0, 0),
        (".symtab", 2, 0, bytes(96), 1, 24),
    ],
    "symtab": [
        (".strtab", 3, 0, b"\0x\0", 0, 0),
        (".symtab", 2, SHF_COMPRESSED, compressed(24 << 28, 256 << 20), 1, 24),
    ],
    "debug": [*DEBUG, (".debug_str", 1, SHF_COMPRESSED, compressed(4 * GIB, 256 << 20), 0, 0)],
    "debug of none": [*DEBUG, (".debug_str", 1, SHF_COMPRESSED, compressed(0, 2 * GIB), 0, 0)],
    "many": [
        *DEBUG,
        *[(f".debug_{n}", 1, SHF_COMPRESSED, compressed(GIB // 4, 0), 0, 0) for n in ("str", "line", "loc")],
    ],
    "link": [(".gnu_debuglink", 1, SHF_COMPRESSED, compressed(4 * GIB, 0), 0, 0)],
    "old": [
        *DEBUG,
        (".zdebug_info", 1, 0, b"ZLIB" + (4 * GIB).to_bytes(8, "big") + compressed(0, GIB // 4)[24:], 0, 0),
    ],
    "notes": [(".note.gnu.build-id", 7, 0, struct.pack("<III", 4, 0xFFFFFFFF, 3) + b"GNU\0", 0, 0)],
    "own link": [(".symtab", 2, 0, bytes(96), 1, 24)],
    "names": [(".strtab", 3, 0, b"\0" + b"malloc\0" * 500_000, 0, 0), (".symtab", 2, 0, bytes(96), 1, 24)],
    "hash": [(".hash", 5, 0, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + bytes(1 << 20), 0, 4)],
}


# What each is told as: the size that it would take, or what is wrong with it; None: what it claims is passed over.
TOLD = {
    "strtab": ".strtab takes 4294967296 bytes",
    "strtab of none": ".strtab is compressed and empty",
    "symtab": "'.symtab'",
    "debug": "debug info takes 4096 MiB",
    "debug of none": ".debug_str is compressed and empty",
    "many": "debug info takes 768 MiB",
    "link": ".gnu_debuglink takes 4294967296 bytes",
    "old": "compressed in the format used before 2013",
    "notes": None,
    "own link": "points at section 1 of type SHT_SYMTAB",
    "names": None,
    "hash": "points at section 0 of type SHT_NULL",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_elfbomb_is_not_inflated(tmp_path, kind):
    (tmp_path / "file").write_bytes(make_elf(BOMBS[kind]))
    said = read_within_bounds(tmp_path / "file")
    wrong = TOLD[kind]
    assert said == "|" if wrong is None else "cannot be read: " in said and wrong in said


@pytest.mark.parametrize(
    "claims",
    [{"size": 0}, {"size": 65535}, {"count": 0xFFFF}, {"names": 0xFFFF}, {"names": 0}, {"count": 0}],
    ids=str,
)
def test_a_table_of_sections_that_is_none(tmp_path, claims):
    whole = bytearray(make_elf(BOMBS["own link"], **claims))
    if claims == {"count": 0}:
        # The number is that of section 0 then.
        struct.pack_into("<Q", whole, len(whole) - 3 * 64 + 32, 1 << 40)
    (tmp_path / "file").write_bytes(whole)
    os.truncate(tmp_path / "file", 1 << 26)
    read_within_bounds(tmp_path / "file")


# A unit named malloc.c, whose DIEs are to follow; DW_TAG_compile_unit and what the structs below are made of.
UNIT = """
.text
_int_malloc: ret
.data
.type main_arena, @object
main_arena: .quad 0
.size main_arena, 8
.section .debug_abbrev
.uleb128 1, 0x11; .byte 1; .uleb128 0x03, 0x08, 0, 0  # compile_unit: name
.uleb128 2, 0x13; .byte 1; .uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0  # structure_type: name, byte_size
.uleb128 3, 0x0d; .byte 0; .uleb128 0x49, 0x13, 0x38, 0x0b, 0, 0  # member without a name: type, location
.uleb128 4, 0x0d; .byte 0; .uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0  # member: name, type, location
.uleb128 5, 0x16; .byte 0; .uleb128 0x49, 0x13, 0, 0  # typedef: type
.uleb128 6, 0x13; .byte 1; .uleb128 0x01, 0x13, 0, 0  # structure_type: sibling
.uleb128 7, 0x13; .byte 1; .uleb128 0x03, 0x08, 0x0b, 0x07, 0, 0  # structure_type: name, byte_size of 8 bytes
.uleb128 8, 0x01; .byte 1; .uleb128 0x49, 0x13, 0, 0  # array_type: type
.uleb128 9, 0x21; .byte 0; .uleb128 0x37, 0x07, 0, 0  # subrange_type: count
.uleb128 10, 0x24; .byte 0; .uleb128 0x0b, 0x0b, 0, 0  # base_type: byte_size
.uleb128 11, 0x3d; .byte 0; .uleb128 0x18, 0x10, 0, 0  # imported_unit: import, by DW_FORM_ref_addr
.uleb128 12, 0x13; .byte 0
.rept 20000
.uleb128 0x2000 + (. - .debug_abbrev), 0x21; .sleb128 1  # in the abbreviation itself (DW_FORM_implicit_const)
.endr
.uleb128 0, 0
.byte 0
.section .debug_info
0: .long 2f - 1f
1: .value 5; .byte 1, 8; .long 0
.uleb128 1; .string "malloc.c"
{dies}
.byte 0
2:
"""
DIES = {
    "sound": '.uleb128 2; .string "malloc_state"; .byte 8; .uleb128 4; .string "flags"; .long 3f - 0b; .byte 0; '
    ".byte 0; 3: .uleb128 10; .byte 4",
    "nested in itself": '3: .uleb128 2; .string "malloc_state"; .byte 8\n.rept 300\n.uleb128 3; .long 3b - 0b; .byte '
    "0\n.endr\n.byte 0",
    "a typedef of itself": '.uleb128 2; .string "malloc_state"; .byte 8; .uleb128 4; .string "flags"; .long 3f - 0b; '
    ".byte 0; .byte 0\n"
    "3: .uleb128 5; .long 3b - 0b",
    "siblings in a circle": "3: .uleb128 6; .long 4f - 0b\n.byte 0\n4: .uleb128 6; .long 3b - 0b\n.byte 0",
    "siblings in a circle below": '.uleb128 2; .string "outer"; .byte 8\n3: .uleb128 6; .long 4f - 0b; .byte 0\n'
    '4: .uleb128 6; .long 3b - 0b; .byte 0\n.byte 0\n.uleb128 2; .string "malloc_state"; .byte 8; .byte 0',
    "a sibling beyond the end": ".uleb128 6; .long 0x7fffffff\n.byte 0",
    "a struct of 2^62 bytes": '.uleb128 7; .string "malloc_state"; .quad 1 << 62; .byte 0',
    "arrays of arrays": '.uleb128 2; .string "malloc_state"; .byte 8; .uleb128 4; .string "flags"; .long 3f - 0b; '
    ".byte 0; .byte 0\n"
    "3: .uleb128 8; .long 3b - 0b\n.rept 8\n.uleb128 9; .quad (1 << 63) - 1\n.endr\n.byte 0",
    "an import of itself": ".uleb128 11; .long 0",
    "deep": ".rept 20000\n.uleb128 6; .long 0\n.endr\n.rept 20000\n.byte 0\n.endr",
    "attributes": ".rept 60000\n.uleb128 12\n.endr",
    "no abbreviation": ".uleb128 99",
}

FOUND = ("sound", "a typedef of itself", "siblings in a circle below", "arrays of arrays")


@pytest.mark.parametrize("kind", DIES)
def test_debug_info_that_leads_nowhere_comes_to_an_end(tmp_path, kind):
    (tmp_path / "source.s").write_text(UNIT.replace("{dies}", DIES[kind]))
    words = ["gcc", "-shared", "-nostdlib", tmp_path / "source.s", "-o", tmp_path / "file"]
    subprocess.run(words, check=True, timeout=240)
    said = read_within_bounds(tmp_path / "file")
    assert ("malloc_state" in said.split()) is (kind in FOUND), said
    assert said.endswith("_int_malloc main_arena")
