"""Texts in a libc's code: as its file has them, or for a libc whose file cannot be opened as it is in memory."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.glibc.locate.find_libc import Libc
from gdbheap.lazy import regex
from gdbheap.process.images.elf_headers import PF_W, PT_LOAD
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process

_BANNER = regex(rb"(?:stable|development) release version (\d+\.\d+)")
_MALLOC_TEXT = b"malloc(): "
MAX_SEGMENT = 64 << 20


def holds_text(process: Process, libc: Libc, text: str) -> bool | None:
    """Return whether the module holds one of the texts that its file is searched for; None where neither the file
    nor the memory with malloc's texts can be read (a core leaves it out)."""
    if libc.symbols.texts is not None:
        return text in libc.symbols.texts
    readable = False
    for piece in _read_only(process, libc):
        if text.encode() in piece:
            return True
        readable = readable or _MALLOC_TEXT in piece
    return False if readable else None


def read_version(process: Process, libc: Libc) -> str:
    """Return the version in glibc's banner ("2.36"), "" where there is none to be read."""
    for piece in _read_only(process, libc):
        banner = _BANNER.search(piece)
        if banner is not None:
            return banner[1].decode()
    return ""


def _read_only(process: Process, libc: Libc) -> Iterator[bytes]:
    """Yield the readable parts of the module's segments that are not written to."""
    for segment in libc.image.segments if libc.image is not None else ():
        if segment.kind == PT_LOAD and not segment.flags & PF_W and segment.size <= MAX_SEGMENT:
            for start, end in process.address_space.parts(segment.address, segment.address + segment.size):
                yield from (bytes(piece) for _, piece in readable_pieces(process.memory, start, end, MAX_SEGMENT))
