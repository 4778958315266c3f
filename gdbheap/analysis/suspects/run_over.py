"""How far a block was written past its end, by the text or the fill that runs over it; and whether it was a stack
that came down from above."""

from __future__ import annotations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.memory import SMALLEST_PAGE

# How much of the block below is looked at, and how far behind its end a text or a fill is followed.
_BEFORE, _BEHIND = 256, 1 << 16
_SHORTEST_TEXT = 4
_SHORTEST_FILL = 8
# So much of a text is shown on either side of the block's end.
_SHOWN = 60
# Within so many bytes so many return addresses are those of a stack.
_STACK_WINDOW, _FEWEST_RETURNS = 2048, 2


@dataclass(frozen=True)
class OverrunContent:
    """What runs over a block's end: `text` in quotes, "" where it is a fill; `fill` the byte, None where it is a
    text; `length` of it lies behind the end; `is_whole`: it ends there in a NUL, or the fill ends."""

    text: str
    fill: int | None
    length: int
    is_whole: bool


def run_across(heap: CheckedHeap, mem: int, end: int) -> OverrunContent | None:
    """Return the text or the fill that crosses the end of the block at `mem`; None where what crosses it is neither."""
    start = max(mem, end - _BEFORE)
    data = _readable(heap, start, end)
    edge = end - start
    if len(data) <= edge:
        return None
    byte = data[edge]
    first, after = edge, edge
    while first > 0 and data[first - 1] == byte:
        first -= 1
    while after < len(data) and data[after] == byte:
        after += 1
    is_printable = 0x20 <= byte < 0x7F
    if byte and not is_printable and edge - first >= _SHORTEST_FILL:
        return OverrunContent("", byte, after - edge, after < len(data))
    return _text_across(data, edge, start > mem) if is_printable else _closing_nul(data, edge, start > mem)


def below_start(heap: CheckedHeap, header: int) -> int | None:
    """Return where a text or fill begins that covers the header's size field and goes on in its own block, and that
    the block below knows nothing of; None where there is none."""
    word = heap.layout.pointer_size
    mem = header + heap.layout.header
    try:
        data = heap.process.memory.read(header - word, heap.layout.header + 2 * word)
    except MemoryFault:
        return None
    own, size = data[-word:], data[2 * word : 3 * word]
    is_fill = len(set(size + own)) == 1 and own[0] != 0
    is_text = all(0x20 <= byte < 0x7F for byte in size + own)
    if not (is_fill or is_text):
        return None
    first = 2 * word
    while first > 0 and (data[first - 1] == own[0] if is_fill else 0x20 <= data[first - 1] < 0x7F):
        first -= 1
    return header - word + first if word <= first and header - word + first < mem else None


def _text_across(data: bytes, edge: int, is_cut: bool) -> OverrunContent | None:
    first, after = edge, edge
    while first > 0 and 0x20 <= data[first - 1] < 0x7F:
        first -= 1
    while after < len(data) and 0x20 <= data[after] < 0x7F:
        after += 1
    if edge - first < _SHORTEST_TEXT:
        return None
    shown = data[max(first, edge - _SHOWN) : min(after, edge + _SHOWN)].decode("ascii")
    before = "…" if first < edge - _SHOWN or (first == 0 and is_cut) else ""
    closed = "…" if after > edge + _SHOWN else ""
    # Of one character over and over, as memset writes it, the zero behind need not be the end.
    is_string = after == edge or len(set(data[first:after])) > 1
    ends = is_string and after < len(data) and data[after] == 0
    return OverrunContent(f'"{before}{shown}{closed}"', None, after - edge + ends, ends)


def _closing_nul(data: bytes, edge: int, is_cut: bool) -> OverrunContent | None:
    """A text that fills the block to its last byte, so that its NUL is behind that."""
    return _text_across(data, edge, is_cut) if data[edge] == 0 else None


def _readable(heap: CheckedHeap, start: int, end: int) -> bytes:
    """Return what can be read from `start` on, to some way behind `end`."""
    data = b""
    last = end + _BEHIND
    while start + len(data) < last:
        at = start + len(data)
        try:
            data += heap.process.memory.read(at, min(-at % SMALLEST_PAGE or SMALLEST_PAGE, last - at))
        except MemoryFault:
            break
    return data


def stack_from_above(heap: CheckedHeap, header: int) -> tuple[int, ...]:
    """Return the return addresses in the words from a broken header on, where they are so many that a stack must
    have come down over it; () where it looks like none."""
    found = _return_addresses(heap, header, header + _STACK_WINDOW)
    return tuple(dict.fromkeys(found)) if len(found) >= _FEWEST_RETURNS else ()


def overflowed_stack(heap: CheckedHeap, mem: int) -> tuple[int, ...]:
    """Return the return addresses that lie in the block at `mem` and on below its start, where both are; () where it
    is no stack that overflowed."""
    inside = _return_addresses(heap, mem, mem + _STACK_WINDOW)
    below = _return_addresses(heap, mem - _STACK_WINDOW, mem - heap.layout.header)
    return tuple(dict.fromkeys((*inside, *below))) if inside and below else ()


def _return_addresses(heap: CheckedHeap, start: int, end: int) -> list[int]:
    word = heap.layout.pointer_size
    try:
        words = map(heap.process.without_signature, heap.words.read_many(start, (end - start) // word).tolist())
    except MemoryFault:
        return []
    return [each for each in words if _is_return_address(heap, each)]


def _is_return_address(heap: CheckedHeap, address: int) -> bool:
    vma, longest = heap.process.address_space.find(address), max(heap.process.machine.calls)
    if vma is None or not vma.executable or address - vma.start < longest:
        return False
    try:
        return heap.process.machine.code.ends_with_call(heap.process.memory.read(address - longest, longest))
    except MemoryFault:
        return False
