"""Compressed cores: each kind is the core again, bombs and damaged ones are one line in bounded memory."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import os
import random
import struct
import tracemalloc
import zlib

import lz4.frame
import pytest
import zstandard

from gdbheap.errors import HeapError
from gdbheap.without_gdb.packed_core import unpacked

_PAGE = 4096


def core_bytes(pages: list[bytes], claimed: int | None = None) -> bytes:
    """Return a core (x86-64) with one segment of these pages; it claims to have so many bytes of it."""
    size = len(pages) * _PAGE if claimed is None else claimed
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 6, _PAGE, 0x10000, 0, size, size, _PAGE)
    return header.ljust(_PAGE, b"\0") + b"".join(pages)


CORE = core_bytes([random.Random(each).randbytes(_PAGE) if each % 3 else bytes(_PAGE) for each in range(300)])


def report(data: bytes) -> bytes:
    """Return a report as apport's problem_report.py writes it: a compressed file in lines, each in base64."""
    lines = [b" " + base64.b64encode(data[at : at + 1000]) for at in range(0, len(data), 1000)]
    return b"ProblemType: Crash\nArchitecture: amd64\nCoreDump: base64\n" + b"\n".join(lines) + b"\nUname: Linux\n"


KINDS = {
    "gzip": gzip.compress(CORE),
    "gzip of two members": gzip.compress(CORE[:70000]) + gzip.compress(CORE[70000:]),
    "bzip2": bz2.compress(CORE),
    "xz": lzma.compress(CORE),
    "zstd": zstandard.compress(CORE),
    "zstd of two frames": zstandard.compress(CORE[:70000]) + zstandard.compress(CORE[70000:]),
    "lz4": lz4.frame.compress(CORE),
    "apport, gzip": report(gzip.compress(CORE)),
    "apport, zstd": report(zstandard.compress(CORE)),
}


def contents(path) -> bytes:
    packed = unpacked(str(path))
    assert packed is not None
    with packed.file as file:
        return os.pread(file.fileno(), 1 << 30, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_core_again(tmp_path, kind):
    path = tmp_path / "core"
    path.write_bytes(KINDS[kind])
    packed = unpacked(str(path))
    assert packed is not None and packed.kind == kind.partition(" of")[0]
    with packed.file as file:
        assert os.pread(file.fileno(), 1 << 30, 0) == CORE
        # Pages of zeros were not written.
        assert packed.stored < len(CORE) - 90 * _PAGE
    if kind != "bzip2":  # (all of it is one block)
        path.write_bytes(KINDS[kind][:-20000])
        cut = contents(path)
        assert cut and CORE.startswith(cut)


def test_what_is_not_packed_is_left_alone(tmp_path):
    path = tmp_path / "core"
    path.write_bytes(CORE)
    assert unpacked(str(path)) is None


def bomb(kind: str) -> bytes:
    """Return 2 GiB of a page that is no zeros, packed behind a core's header that claims one MiB."""
    piece = b"\xaa" * (1 << 20)
    head = core_bytes([], 1 << 20)
    if kind == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return packer.compress(head) + b"".join(packer.compress(piece) for _ in range(256)) + packer.flush()
    maker = zstandard.ZstdCompressor().compressobj()
    return maker.compress(head) + b"".join(maker.compress(piece) for _ in range(256)) + maker.flush()


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_is_unpacked_no_further_than_the_core_claims(tmp_path, kind):
    path = tmp_path / "core"
    path.write_bytes(bomb(kind))
    tracemalloc.start()
    try:
        packed = unpacked(str(path))
        assert packed is not None
        with packed.file:
            assert packed.stored <= (1 << 20) + 2 * _PAGE
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b"no core at all" * 100), "is no core"),
        (gzip.compress(CORE)[:30] + b"\xff" * 400, "damaged"),
        (lzma.compress(CORE)[:40] + b"\xff" * 400, "damaged"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 400, "damaged"),
        (b"\x04\x22\x4d\x18" + b"\xff" * 400, "damaged"),
        (b"ProblemType: Crash\nPackage: x\n", "without a core"),
        (b"ProblemType: Crash\nCoreDump: base64\n !!!\nX: y\n", "damaged"),
        (b"\x1f\x8b", "no core"),
    ],
)
def test_what_holds_no_core_is_one_line(tmp_path, data, said):
    path = tmp_path / "core"
    path.write_bytes(data)
    with pytest.raises(HeapError, match=said) as error:
        unpacked(str(path))
    assert "\n" not in str(error.value)
