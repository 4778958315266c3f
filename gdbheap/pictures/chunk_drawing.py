"""A chunk drawn as it lies in memory: its header with the flags taken apart, its links, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.glibc.chunk_table import IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, Chunk
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import flag_letters
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line

_FLAGS = (("A", NON_MAIN_ARENA), ("M", IS_MMAPPED), ("P", PREV_INUSE))


def chunk_lines(
    view: HeapView, chunk: Chunk, header: Sequence[int], links: Sequence[tuple[str, int]], after: Chunk | None
) -> Iterator[Line]:
    """Yield the lines; `header` are its two words (prev_size, size and flags), `links` the words of the user's part
    that malloc keeps a list in, by name, with where each leads (0: nowhere), `after` the chunk that follows."""
    word = view.layout.pointer_size
    width = len(f"{chunk.end:#x}")
    prev_size, raw = header
    of_before = "" if raw & (PREV_INUSE | IS_MMAPPED) == 0 else ": the data of the chunk before"
    if chunk.is_mmapped:
        of_before = ""
    yield _line(width, chunk.address, "┌", "prev_size", f"{prev_size:#x}{of_before}")
    bits = " ".join(f"{letter}={int(bool(raw & bit))}" for letter, bit in _FLAGS)
    yield _line(width, chunk.address + word, "├", "size", f"{raw & ~7:#x} ({human_size(raw & ~7)}), flags {bits}")
    mem = chunk.address + view.layout.header
    if not links:
        yield _line(width, mem, "│", "mem", f"{chunk.state.label.replace('_', ' ')}, {flag_letters(raw)}")
    for number, (name, link) in enumerate(links):
        leads = f"→ {link:#x}" if link else "→ the end of its list"
        yield _line(width, mem + number * word, "│", name, leads)
    follows = "nothing more" if after is None else f"{after.size:#x} {after.state.label.replace('_', ' ')}"
    yield _line(width, chunk.end, "└", "after", follows)


def _line(width: int, address: int, sign: str, name: str, text: str) -> Line:
    return Line((("address", f"{address:>#{width}x} "), ("dim", f"{sign} "), ("heading", f"{name:<11} "), ("", text)))
