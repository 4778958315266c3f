"""explain: everything known about one address, and what accesses to it would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field as member
from itertools import islice
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.addresses.preview import leading_text
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.process import Process
from gdbheap.report.report import Facts, GivesWay, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.known_variable import known_variable
from gdbheap.session.large_heap import is_large, names_at_hand, notes_on_names
from gdbheap.session.named_place import NamedPlace
from gdbheap.session.place_name import holder_place, place_name, thread_local_name
from gdbheap.session.pointer_graph import pointer_graph, pointers_to
from gdbheap.session.target import Target
from gdbheap.tables.holder_rows import place_facts

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.addresses.address_fact import AddressFact
    from gdbheap.sentences.address_answer import Answer
    from gdbheap.sentences.block_names import BlockNames


@dataclass(frozen=True)
class _Row:
    """A fact about the address."""

    field: str = member(metadata=column("text", "heading"))
    value: str | None = member(metadata=column("text", "address", gives=(GivesWay(20, 34),)))
    meaning: str = member(metadata=column())
    facts: Mapping[str, Any] = member(metadata=column("facts", shown=False))


# So many of those that point to the address are named.
_NAMED = 3
_MOST_WORDS = 1 << 12
_ACCESSES = 3
# So much is read of what may be a text.
_TEXT = 48


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Gather the facts; who points to the address comes before the accesses."""
    from gdbheap.analysis.addresses.explain import Names, explain
    from gdbheap.sentences.facts.said import meaning_of, value_of
    from gdbheap.session.type_facts import type_facts

    process, (address, asked) = target.process, arguments["address"]
    if address > process.machine.mask and address >= (1 << 64) - (1 << 31):
        address &= (1 << 32) - 1  # a negative number of gdb's, which has 64 bits
    heap, notes = heap_or_note(target) if process.address_space.known else (None, ())
    facts = explain(process, heap, address, Names(target.symbol_at, target.stack_place))
    live = _is_live(heap, address)
    names = names_at_hand(target) if live else None
    if heap is not None and live:
        facts[-_ACCESSES:-_ACCESSES] = type_facts(names, _mem(heap, address), address)
    facts[-_ACCESSES:-_ACCESSES] = [
        *_thread_local(target, address),
        *_leads(target, heap, address),
        *_pointers(target, heap, address),
    ]
    rows = [_Row(each.field, value_of(each), meaning_of(each), each.facts) for each in facts]
    said = _said(target, heap, address, facts, names)
    return Report(
        "explain",
        (
            Prose((Line.plain(said.sentence, "heading"), *said.strip(address))),
            Table(columns_of(_Row), rows),
            Prose(tuple(_variable_instead(address, asked))),
            Facts({"is": said.is_a, "answer": said.sentence, "address": Address(address)}, shown=False),
        ),
        notes=(*said_all(process.notes), *notes, *(notes_on_names(target, address) if live else ())),
        next=tuple(_next(said, address)),
    )


def _next(said: Answer, address: int) -> Iterator[Next]:
    """Yield what tells more, by what the address is."""
    if said.is_a == "live_block":
        yield Next(f"heap owners {address:#x}", "who points to it")
        yield Next(f"heap vis {address:#x} --count 1", "its bytes")
    elif said.is_a in ("free_block", "top", "header", "past_end"):
        yield Next(f"heap chunk {address:#x}", "the chunk in full")
    elif said.is_a != "null":
        yield Next(f"heap search {address:#x}", "where this value lies")
        yield Next(f"vmmap {address:#x}", "what is mapped around it")


def _said(
    target: Target, heap: HeapView | None, address: int, facts: Sequence[AddressFact], names: BlockNames | None
) -> Answer:
    """Return the answer in one sentence."""
    from gdbheap.sentences.address_answer import Answer, answer
    from gdbheap.sentences.address_in_block import address_line

    line = address_line(heap, names, address) if heap is not None else ""
    chunk = heap.user_of(address) if heap is not None else None
    if heap is not None and chunk is not None and line:
        is_a = "live_block" if chunk.state is State.IN_USE else "free_block"
        return Answer(is_a, line, chunk.address + heap.layout.header, chunk.end)
    vma = target.process.address_space.find(address)
    known = known_variable(target, address) if vma is not None and not _is_stack(facts) else None
    return answer(address, facts, heap, known, _text_at(target.process, address))


def _variable_instead(address: int, asked: str) -> Iterator[Line]:
    """Yield how to ask of a variable itself, where it was its value that is no address."""
    from gdbheap.analysis.mappings.zones import NULL_ZONE

    if 0 < address < NULL_ZONE and asked.isidentifier():
        yield Line((("", f"{asked} holds {address:#x}; next: "), ("command", f"explain &{asked}")))


def _leads(target: Target, heap: HeapView | None, address: int) -> Iterator[AddressFact]:
    """Yield where the word at the address leads, if it is a pointer (a chunk's header has none)."""
    from gdbheap.analysis.addresses.address_fact import AddressFact
    from gdbheap.analysis.addresses.pointer_chain import pointer_chain
    from gdbheap.sentences.pointer_chains import chain_text

    chunk = None if heap is None else heap.chunk_at(address)
    vma = target.process.address_space.find(address)
    if vma is None or vma.executable or (chunk is not None and not _is_live(heap, address)):
        return
    try:
        word = target.process.words.read(address)
    except MemoryFault:
        return
    chain = pointer_chain(target.process, word, target.symbol_at)
    if chain is not None:
        yield AddressFact("leads to", f"{word:#x}", chain_text(chain).lstrip(), chain.facts())


def _is_stack(facts: Sequence[AddressFact]) -> bool:
    return any(each.field == "stack" for each in facts)


def _text_at(process: Process, address: int) -> str:
    """Return the text that begins at the address, in quotes; "" where there is none."""
    try:
        if process.address_space.find(process.words.read(address)) is not None:
            return ""  # a pointer, whose bytes look like text: of a table of virtual functions
        return leading_text(process.memory.read(address, _TEXT))
    except MemoryFault:
        return ""


def _is_live(heap: HeapView | None, address: int) -> bool:
    """Whether the address is in a block in use."""
    chunk = heap.user_of(address) if heap is not None else None
    return heap is not None and chunk is not None and chunk.state is State.IN_USE and address >= _mem(heap, address)


def _mem(heap: HeapView, address: int) -> int:
    chunk = heap.user_of(address)
    return address if chunk is None else chunk.address + heap.layout.header


def _thread_local(target: Target, address: int) -> Iterator[AddressFact]:
    from gdbheap.analysis.addresses.address_fact import AddressFact

    local = thread_local_name(target, address)
    if local is not None:
        yield AddressFact("tls", f"thread {local.thread}", local.what, place_facts(local))


def _pointers(target: Target, heap: HeapView | None, address: int) -> Iterator[AddressFact]:
    """Yield who points to the block that holds the address, or (outside of malloc's blocks) which registers hold it."""
    from gdbheap.analysis.addresses.address_fact import AddressFact
    from gdbheap.analysis.mappings.zones import NULL_ZONE

    chunk = heap.chunk_at(address) if heap is not None else None
    if heap is None or chunk is None or not (chunk.state is State.IN_USE or chunk.state.is_free):
        # Half of all registers hold a small number.
        registers = _registers(target.process, address) if address >= NULL_ZONE else []
        if registers:
            words = f"{_some(registers)} (for memory, see `heap search {address:#x}`)"
            yield AddressFact("pointers", _count(registers), words, _facts(registers))
        return
    yield (
        _holders_fact(target, heap, chunk, address)
        if chunk.state is State.IN_USE
        else _dangling_fact(target, heap, chunk)
    )


def _holders_fact(target: Target, heap: HeapView, chunk: Chunk, address: int) -> AddressFact:
    from gdbheap.analysis.addresses.address_fact import AddressFact

    holders = _holders(target, heap, chunk)
    if not holders:
        words = "nothing that could be read points into it; `heap leaks` shows whether it is lost"
        return AddressFact("pointers", "none", words, _facts(holders))
    more = f"; `heap owners {address:#x}` lists all" if len(holders) > _NAMED else ""
    return AddressFact("pointers", _count(holders), _some(holders) + more, _facts(holders))


def _dangling_fact(target: Target, heap: HeapView, chunk: Chunk) -> AddressFact:
    from gdbheap.analysis.addresses.address_fact import AddressFact

    dangling = _dangling(target, heap, chunk)
    if not dangling:
        return AddressFact("pointers", "none", "nothing that is in use points into it", _facts(dangling))
    return AddressFact("pointers", _count(dangling), f"dangling: {_some(dangling)}", _facts(dangling))


def _holders(target: Target, heap: HeapView, chunk: Chunk) -> list[NamedPlace]:
    """Return the places of those that point into a block in use, as `heap owners` has them."""
    from gdbheap.analysis.pointers.who_points import holders_of

    large = is_large(target)
    blocks = target.heap().blocks() if large else pointer_graph(target).blocks
    block = blocks.find(chunk.address + heap.layout.header)
    if block is None:
        return []
    held, names = pointers_to(target, block) if large else pointer_graph(target), names_at_hand(target)
    return [holder_place(target, held, each, names) for each in holders_of(target.process, held, block)]


def _dangling(target: Target, heap: HeapView, chunk: Chunk) -> list[NamedPlace]:
    """Return the places: the registers and words in use that point into a free chunk; malloc's own links are none
    of them."""
    from gdbheap.analysis.pointers.who_points import pointers_into

    held, places = pointer_graph(target), []
    into = pointers_into(target.process, chunk.address + heap.layout.header, chunk.end)
    for each in islice(into, _MOST_WORDS):
        place = each.place
        if place is None:
            places.append(NamedPlace(each.register, each.thread))
            continue
        block = heap.user_of(place)
        if block is not None and block.state is State.IN_USE and place >= block.address + heap.layout.header:
            mem = block.address + heap.layout.header
            places.append(NamedPlace(block=mem, offset=place - mem, address=place))
        elif block is None and held.roots.find(place) is not None:
            places.append(place_name(target, held.roots, place))
    return places


def _registers(process: Process, address: int) -> list[NamedPlace]:
    from gdbheap.analysis.pointers.who_points import registers_into

    return [NamedPlace(each.register, each.thread) for each in registers_into(process, address, address + 1)]


def _count(places: list[NamedPlace]) -> str:
    return str(len(places))


def _facts(places: list[NamedPlace]) -> dict[str, Any]:
    return {"count": len(places), "holders": [place_facts(each) for each in places]}


def _some(places: list[NamedPlace]) -> str:
    names = [str(each) for each in places]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


COMMAND = Command(
    name="explain",
    summary="Show everything known about one address, and what a read, a write and an execute there would do.",
    description=(
        "Shows the mapping and its kind, the page, the symbol, the stack and frame, the chunk with its state and "
        "contents, and what points there. For an unmapped address: the gap, and what lies on either side. read, write "
        "and execute tell what the kernel would do with such an access; a model of its page faults answers that, and "
        "the process is not touched."
    ),
    run=run,
    arguments=(Argument("ADDRESS", "object", "The address.", required=True),),
    examples=(
        ("explain p", "what p points to"),
        ("explain $sp - 8", "the word below the stack"),
        ("explain 0", "what an access to NULL would do"),
    ),
)
