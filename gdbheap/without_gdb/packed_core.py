"""Cores that are compressed (gzip, bzip2, xz, zstd, lz4), or lie in a crash report of apport's, unpacked into a file
without a name: piece by piece, no more than the core itself claims, pages of zeros as holes."""

from __future__ import annotations

import base64
import binascii
import bz2
import importlib
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.files import open_regular, open_unnamed
from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import ET_CORE, HEADER_SIZE, parse_elf_header, parse_program_headers
from gdbheap.process.memory import SMALLEST_PAGE

_PIECE = 1 << 18
_ZEROS = bytes(SMALLEST_PAGE)
# What xz and zstd may take to unpack: what their largest usual settings do.
_MOST_MEMORY = 256 << 20
_MOST_WINDOW = 1 << 27
# A core is not larger than a process can be, and its table of segments is at its start.
_MOST_CORE = 1 << 44
_MOST_TABLE = 64 << 20
_LONGEST_LINE = 4 << 20
# So much of the disk stays free.
_LEFT = 256 << 20
_REPORT = b"ProblemType:"
_DUMP = b"CoreDump: base64"


@dataclass(frozen=True)
class Packed:
    """A core that was packed: `file` holds it, `kind` says how it was, `stored` how many bytes it takes there."""

    file: FileIO
    kind: str
    stored: int

    @property
    def path(self) -> str:
        """A name by which this process can open the file."""
        return f"/proc/self/fd/{self.file.fileno()}"


def unpacked(path: str) -> Packed | None:
    """Return the core that a file holds in packed form; None where the file is not packed. HeapError where it cannot be
    unpacked, or holds no core."""
    try:
        with open_regular(path) as file:
            head = file.read(16)
            kind, pieces = _pieces(file, head, path)
            # (Some steps of unpacking give nothing yet.)
            return None if pieces is None else _kept(filter(None, pieces), kind, path)
    except OSError as error:
        raise HeapError(f"cannot read {path}: {error.strerror}") from error


def _pieces(file: FileIO, head: bytes, path: str) -> tuple[str, Iterator[bytes] | None]:
    """Return how a file is packed, and what gives its contents piece by piece; None where it is not."""
    if head.startswith(_REPORT):
        file.seek(0)
        data = _report_data(file, path)
        first = next(data, b"")
        kind = _kind(first)
        if kind is None:
            raise HeapError(f"{path} is a report of apport's without a core in it")
        return f"apport, {kind}", _unpack(_chain(first, data), kind, path)
    kind = _kind(head)
    if kind is None:
        return "", None
    file.seek(0)
    return kind, _unpack(iter(lambda: file.read(_PIECE), b""), kind, path)


def _kind(head: bytes) -> str | None:
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _report_data(file: FileIO, path: str) -> Iterator[bytes]:
    """Yield the bytes of the core in a report of apport's: lines in base64, each by itself."""
    reader = io.BufferedReader(file)
    inside = False
    while line := reader.readline(_LONGEST_LINE):
        if inside and not (line.startswith(b" ") and line.endswith(b"\n")):
            return  # (a line without an end is cut off)
        if inside:
            try:
                yield base64.b64decode(line.strip(), validate=True)
            except binascii.Error as error:
                raise HeapError(f"{path}: its core is damaged ({error})") from error
        inside = inside or line.startswith(_DUMP)


def _unpack(data: Iterator[bytes], kind: str, path: str) -> Iterator[bytes]:
    """Yield what compressed data holds, in pieces of bounded size; HeapError where it is damaged."""
    try:
        if kind == "gzip":
            yield from _inflated(data)
        elif kind in ("bzip2", "xz"):
            make: Callable[[], Any] = bz2.BZ2Decompressor if kind == "bzip2" else _xz
            yield from _decompressed(data, make)
        elif kind == "zstd":
            yield from _zstd(data, path)
        else:
            yield from _lz4(data, path)
    except (zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError, OSError) as error:
        raise HeapError(f"{path} is compressed ({kind}) and damaged: {str(error)[:200]}") from error


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_MOST_MEMORY)


def _inflated(data: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what gzip's members hold."""
    reader = zlib.decompressobj(31)
    for piece in data:
        while piece:
            yield reader.decompress(piece, _PIECE)
            piece = reader.unconsumed_tail
            if reader.eof:
                piece = reader.unused_data
                reader = zlib.decompressobj(31)


def _decompressed(data: Iterator[bytes], make: Callable[[], Any]) -> Iterator[bytes]:
    """Yield what streams hold, one after the other."""
    reader = make()
    for piece in data:
        while piece or not reader.needs_input:
            yield reader.decompress(piece, _PIECE)
            piece = b""
            if reader.eof:
                piece = reader.unused_data
                reader = make()


class _Stream(io.RawIOBase):
    """Pieces as a file to read from."""

    def __init__(self, data: Iterator[bytes]) -> None:
        self._data, self._left = data, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._data, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


def _zstd(data: Iterator[bytes], path: str) -> Iterator[bytes]:
    own = _module("compression.zstd")
    if own is not None:
        options = {own.DecompressionParameter.window_log_max: _MOST_WINDOW.bit_length() - 1}
        try:
            yield from _decompressed(data, lambda: own.ZstdDecompressor(options=options))
        except own.ZstdError as error:
            raise ValueError(str(error)) from error
        return
    zstandard = _module("zstandard")
    if zstandard is None:
        raise _missing(path, "zstd", "zstandard")
    reader = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW)
    stream = reader.stream_reader(io.BufferedReader(_Stream(data)), read_across_frames=True)
    try:
        while piece := stream.read(_PIECE):
            yield piece
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _lz4(data: Iterator[bytes], path: str) -> Iterator[bytes]:
    frame = _module("lz4.frame")
    if frame is None:
        raise _missing(path, "lz4", "lz4")
    yield from _decompressed(data, frame.LZ4FrameDecompressor)


def _module(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _missing(path: str, kind: str, package: str) -> HeapError:
    return HeapError(
        f"{path} is compressed with {kind}, which takes a package: pip install {package}, or {kind} -d {path}"
    )


def _kept(pieces: Iterator[bytes], kind: str, path: str) -> Packed:
    """Return what the pieces are, in a file; HeapError where they are no core, or the disk has no room for it."""
    file = open_unnamed()
    try:
        space = os.fstatvfs(file.fileno())
        room = space.f_bavail * space.f_frsize - _LEFT
        head = b""
        while len(head) < HEADER_SIZE and (piece := next(pieces, b"")):
            head += piece
        header = parse_elf_header(head)
        if header is None or header.kind != ET_CORE:
            raise HeapError(f"{path} is compressed ({kind}), and what it holds is no core")
        end = header.table + header.entry * header.count
        while len(head) < end <= _MOST_TABLE and (piece := next(pieces, b"")):
            head += piece
        table = parse_program_headers(header, head[header.table : end])
        # (One that has more segments than the header can count has its table's size in a section at the very end.)
        largest = [_MOST_CORE] if header.count == 0xFFFF else [each.offset + each.file_size for each in table]
        most = min(max([*largest, len(head)]), _MOST_CORE)
        stored = _write(file, _chain(head, pieces), most, room, path)
        return Packed(file, kind, stored)
    except BaseException:
        file.close()
        raise


def _write(file: FileIO, pieces: Iterator[bytes], most: int, room: int, path: str) -> int:
    """Write the pieces up to `most` bytes, and pages of zeros not at all; return how many were written."""
    at = stored = 0
    held = b""
    for piece in pieces:
        held += piece[: max(0, most - at - len(held))]
        whole = len(held) - len(held) % SMALLEST_PAGE if at + len(held) < most else len(held)
        for start in range(0, whole, SMALLEST_PAGE):
            page = held[start : start + SMALLEST_PAGE]
            if page != _ZEROS[: len(page)]:
                stored += os.pwrite(file.fileno(), page, at + start)
        at, held = at + whole, held[whole:]
        if stored > room:
            raise HeapError(f"{path} does not fit unpacked on the disk of {_where()} (TMPDIR names another)")
        if at >= most:
            break
    if held:
        stored += os.pwrite(file.fileno(), held, at)
    os.ftruncate(file.fileno(), at + len(held))
    return stored


def _where() -> str:
    return os.environ.get("TMPDIR") or "/var/tmp"
