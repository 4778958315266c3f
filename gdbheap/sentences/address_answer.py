"""What an address is, in one sentence: the answer before the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.counted import counted
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
from gdbheap.process.named_address import NamedAddress
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line
from gdbheap.sentences.facts.said import meaning_of
from gdbheap.types.known_variable import KnownVariable

# The C library's own streams, by their symbols.
_STREAMS = {"_IO_2_1_stdin_": "stdin", "_IO_2_1_stdout_": "stdout", "_IO_2_1_stderr_": "stderr"}
_STRIP = 46
Facts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Answer:
    """`is_a` is the published name of what the address is, `sentence` says it; [start, end) are the bounds of that (0,
    0: it has none)."""

    is_a: str
    sentence: str
    start: int = 0
    end: int = 0

    def strip(self, address: int) -> tuple[Line, ...]:
        """Return a line that shows where between its bounds the address lies."""
        if not self.start < self.end:
            return ()
        place = min((address - self.start) * _STRIP // (self.end - self.start), _STRIP)
        bar = "-" * place + "^" + "-" * (_STRIP - place)
        pieces = (("address", f"{self.start:#x} "), ("dim", f"|{bar}|"), ("address", f" {self.end:#x}"))
        return (Line(pieces),)


def answer(
    address: int, facts: Sequence[AddressFact], heap: HeapView | None, variable: KnownVariable | None, text: str
) -> Answer:
    """Return what an address is that lies in no block of malloc's: a variable, a `text` that begins there, one past the
    end of a block, a place on a stack, code, or where it is not."""
    by_field = {each.field: each.facts for each in facts}
    words = {each.field: meaning_of(each) for each in facts}
    if by_field["address"].get("mapped") is False:
        return _unmapped(address, by_field)
    chunk = _near_chunk(heap, address)
    if chunk is not None:
        return chunk
    if variable is not None:
        return _variable(address, variable)
    symbol, kind = by_field.get("symbol"), str(by_field.get("kind", {}).get("kind", ""))
    start, end = (by_field.get("mapping", {}).get(name, 0) for name in ("start", "end"))
    if symbol is not None and symbol["symbol"] in _STREAMS:
        at = f"{counted(symbol['symbol_offset'], 'byte')} into " if symbol["symbol_offset"] else ""
        return Answer("stream", f"{at}{_STREAMS[symbol['symbol']]}, a FILE of the C library's")
    if "stack" in by_field:
        return _on_stack(by_field["stack"], start, end)
    if text and not kind.endswith(("_data", "_bss")):
        return Answer("text", f"the text {text}, in {words['address']}", start, end)
    if symbol is not None:
        what = "code" if kind.endswith("_text") else "data"
        named = NamedAddress(symbol["symbol"], symbol["symbol_offset"], symbol["module"])
        return Answer(what, f"{what}: {named}")
    if "tls" in words:
        thread = next(str(each.value) for each in facts if each.field == "tls")
        return Answer("thread_local", f"{words['tls']}, of {thread}", start, end)
    where = f"an anonymous mapping of {human_size(end - start)}" if kind == "anonymous" else words["address"]
    return Answer("mapping", f"in {where}", start, end)


def _variable(address: int, variable: KnownVariable) -> Answer:
    offset = address - variable.start
    inside = variable.member or (f"+{offset:#x}" if offset else "")
    kind = f" ({variable.type})" if variable.type else ""
    holds = f", which holds {variable.value}" if variable.value and not offset else ""
    said = f"the variable {variable.name}{inside}{kind}{holds}"
    return Answer("variable", said, variable.start, variable.end)


def _on_stack(facts: Mapping[str, Any], start: int, end: int) -> Answer:
    whose = f"of thread {facts['thread_number']}"
    if facts.get("local"):
        inside = f"{counted(facts['local_offset'], 'byte')} into " if facts["local_offset"] else ""
        frame = f"frame {facts['frame']} {facts['function'] or '?'}"
        return Answer("local", f"{inside}the local variable {facts['local']} of {frame}, {whose[3:]}", start, end)
    if facts.get("stack_offset", 0) < 0:
        return Answer("below_stack", f"below the stack pointer {whose}: not in use", start, end)
    frame = f" in frame {facts['frame']} {facts['function'] or '?'}," if facts.get("frame") is not None else ""
    return Answer("stack", f"on the stack {whose}{',' if frame else ''}{frame.rstrip(',')}", start, end)


def _near_chunk(heap: HeapView | None, address: int) -> Answer | None:
    """Return what is said of a chunk's header, which is no user's; of its first word behind a block in use, that it is
    one past that block's end."""
    chunk = heap.chunk_at(address) if heap is not None else None
    if heap is None or chunk is None:
        return None
    if chunk.state is State.TOP and address >= chunk.address + heap.layout.header:
        return Answer("top", "in top: the rest of an arena, which malloc has not handed out", chunk.address, chunk.end)
    before = heap.chunk_at(chunk.address - 1)
    if before is not None and before.state is State.IN_USE and address == chunk.address + heap.layout.pointer_size:
        mem = before.address + heap.layout.header
        said = f"one past the end of the live block at {mem:#x} ({counted(address - mem, 'byte')}): the next header"
        return Answer("past_end", said, mem, address)
    if address < chunk.address + heap.layout.header:
        said = f"in the header of the chunk at {chunk.address:#x} ({chunk.state.label.replace('_', ' ')})"
        return Answer("header", said, chunk.address, chunk.end)
    return None


def _unmapped(address: int, facts: Facts) -> Answer:
    if address == 0:
        return Answer("null", "NULL")
    if address < NULL_ZONE:
        return Answer("null", f"NULL + {address:#x}: no pointer, but what comes of using a NULL one")
    if facts["address"].get("canonical") is False:
        return Answer("non_canonical", "no address at all: not a pointer, or a corrupted one")
    below, above = facts.get("below"), facts.get("above")
    if below is not None and not below["distance"]:
        return Answer("unmapped", f"in no mapping: one past the end of {_named(below)}")
    near = min(
        (each for each in (below, above) if each is not None), key=lambda each: int(each["distance"]), default=None
    )
    if near is None:
        return Answer("unmapped", "in no mapping")
    side = "past the end of" if near is below else "before"
    return Answer("unmapped", f"in no mapping: {near['distance']:#x} bytes {side} {_named(near)}")


def _named(facts: Mapping[str, Any]) -> str:
    kind = str(facts["kind"]).replace("_", " ")
    return f"{kind} ({facts['path']})" if facts["path"] else kind
