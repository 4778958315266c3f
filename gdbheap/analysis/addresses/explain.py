"""Everything known about one address: its number, its mapping and page, its place in a file, on a stack or in a chunk,
and what accesses do.

For an address in no mapping: the gap, what lies on both sides and how far, and whether an mmapped chunk may have
been there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.analysis.addresses.explain_chunk import chunk_facts
from gdbheap.analysis.addresses.freed_mapping import freed_mapping, moved_mapping
from gdbheap.analysis.facts.memory import FreeUnmaps
from gdbheap.analysis.mappings.accesses import accesses
from gdbheap.analysis.mappings.address_facts import OnPage, part_at
from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA, annotate
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.address_space import VMA
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact, Joined
from gdbheap.process.live.pages import PageState, read_pages
from gdbheap.process.named_address import StackPlace
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt


@dataclass(frozen=True)
class Names:
    """What the debugger can name: `symbol_at(address)`, `stack_place(thread, address)`; None where it knows none."""

    symbol_at: SymbolAt
    stack_place: Callable[[int, int], StackPlace | None]


def explain(process: Process, heap: GlibcHeap | None, address: int, names: Names) -> list[AddressFact]:
    """Return all that is known about the address but who points to it, the widest first; the accesses come last."""
    page = page_state(process, address)
    mappings = annotate(process, heap)
    here = next((each for each in mappings if address in each.vma), None)
    if here is not None:
        facts = [*_mapped(process, here, address, page, names)]
        if heap is not None:
            facts += chunk_facts(process, heap, address, names.symbol_at)
    else:
        facts = [*_unmapped(process, mappings, heap, address)]
        if not process.address_space.known:
            facts += _symbol(address, names)
    outcomes = accesses(process, address, page)
    return [*facts, *(AddressFact(each.name, each.result, each.effect, {"result": each.result}) for each in outcomes)]


def page_state(process: Process, address: int) -> PageState | None:
    """Return what the address's page is; None where nobody here can ask, or nothing is mapped."""
    vma = process.address_space.find(address)
    if vma is None or process.kind != "live" or process.pid is None:
        return None
    start = process.page_of(address)
    page = VMA(start, start + process.page_size, "----")
    try:
        found = next(read_pages(process.pid, [page]), None)
    except OSError:
        return None
    return None if found is None else found.runs[0].state


def _mapped(
    process: Process, here: AnnotatedVMA, address: int, page: PageState | None, names: Names
) -> Iterator[AddressFact]:
    vma, part = here.vma, part_at(here, address)
    yield AddressFact("address", f"{address:#x}", part.text, {"address": Address(address), "mapped": True})
    place = clause("into_mapping", offset=address - vma.start, left=vma.end - address)
    facts = {**_mapping_facts(here), "offset": address - vma.start}
    yield AddressFact("mapping", f"{vma.start:#x}-{vma.end:#x} {vma.permissions}", place, facts)
    sharing = here.sharing.replace("_", " ") if here.sharing else clause("sharing_unknown")
    yield AddressFact("kind", part.kind, sharing, {"kind": part.kind, "sharing": here.sharing})
    if vma.is_file:
        yield _file(process, vma, part, address)
    if page is None:
        why = clause("not_known") if process.kind == "live" else clause("not_known_of_process", kind=process.kind)
        yield AddressFact("page", None, why)
    else:
        yield AddressFact("page", page.label, OnPage(page), {"state": page.label})
    yield from _symbol(address, names)
    yield from _stack(process, here, part, address, names)


def _symbol(address: int, names: Names) -> Iterator[AddressFact]:
    symbol = names.symbol_at(address)
    if symbol is not None:
        facts = {"symbol": symbol.name, "symbol_offset": symbol.offset, "module": symbol.module}
        yield AddressFact("symbol", str(symbol), "", facts)


def _mapping_facts(annotated: AnnotatedVMA) -> dict[str, Any]:
    vma = annotated.vma
    return {"start": Address(vma.start), "end": Address(vma.end), "permissions": vma.permissions, "path": vma.path}


def _file(process: Process, vma: VMA, part: AnnotatedPart, address: int) -> AddressFact:
    """Return which file's bytes are there."""
    offset = vma.offset + address - vma.start
    text, facts = f"offset {offset:#x}", {"path": vma.path, "offset": offset}
    module = next((m for m in process.modules if any(s.start <= address < s.end for s in m.segments)), None)
    if module is not None and (vma.path == module.path or part.kind.endswith("_bss")):
        text += f"; ELF address {address - module.load_base:#x}"
        facts["elf_address"] = Address(address - module.load_base)
    return AddressFact("file", vma.path, text, facts)


def _stack(
    process: Process, here: AnnotatedVMA, part: AnnotatedPart, address: int, names: Names
) -> Iterator[AddressFact]:
    """Yield whose stack it is, and what of that stack, in the debugger's words."""
    if part.kind not in ("main_stack", "thread_stack"):
        return
    owner = part.owner[1] if part.owner else None
    for thread in process.threads:
        pointer = thread.stack_pointer
        on_it = pointer in here.vma and part_at(here, pointer) == part
        if thread.number == owner or (owner is None and on_it):
            facts: dict[str, Any] = {"thread_number": thread.number}
            if on_it:
                facts["stack_offset"] = address - pointer
            if on_it and address < pointer:
                red = pointer - address <= process.machine.red_zone
                use = clause("in_red_zone") if red else clause("not_in_use")
                place: Fact | str = clause("below_stack_pointer", below=pointer - address, use=use)
            elif on_it:
                found = names.stack_place(thread.number, address)
                place = str(found or f"{address:#x}")
                facts.update(_frame_facts(found) if found is not None else {})
            else:
                place = clause("stack_pointer_elsewhere")
            yield AddressFact("stack", f"thread {thread.number}", place, facts)
            return


def _frame_facts(place: StackPlace) -> dict[str, Any]:
    if place.frame is None:
        return {}
    facts: dict[str, Any] = {"frame": place.frame, "function": place.function or None}
    return {**facts, "local": place.local, "local_offset": place.local_offset} if place.local else facts


def _unmapped(
    process: Process, mappings: tuple[AnnotatedVMA, ...], heap: GlibcHeap | None, address: int
) -> Iterator[AddressFact]:
    number = _number(address, process)
    place = clause("in_no_mapping") if process.address_space.known else clause("mappings_not_known")
    said = place if number is None else clause("place_by_number", place=place, number=number)
    yield AddressFact("address", f"{address:#x}", said, _unmapped_facts(process, address))
    below = next((each for each in reversed(mappings) if each.vma.end <= address), None)
    above = next((each for each in mappings if each.vma.start > address), None)
    if below is not None and above is not None:
        size = above.vma.start - below.vma.end
        bounds = {"start": Address(below.vma.end), "end": Address(above.vma.start)}
        gap = f"{below.vma.end:#x}-{above.vma.start:#x}"
        yield AddressFact("gap", gap, clause("nothing_mapped", size=size), bounds)
    if below is not None:
        past = address - below.vma.end
        how_far = clause("past_its_end", past=past) if past else clause("just_past_its_end")
        facts = {**_mapping_facts(below), "kind": below.parts[-1].kind, "distance": past}
        yield AddressFact(
            "below", _range(below), clause("beside", part=_side(below, below.parts[-1]), distance=how_far), facts
        )
    if above is not None:
        distance = above.vma.start - address
        facts = {**_mapping_facts(above), "kind": above.parts[0].kind, "distance": distance}
        said = clause("beside", part=_side(above, above.parts[0]), distance=clause("before_it", distance=distance))
        yield AddressFact("above", _range(above), said, facts)
    if heap is not None and number is None and _is_for_mappings(below, above, address):
        yield from _freed_mmapped_chunk(heap, address)


def _unmapped_facts(process: Process, address: int) -> dict[str, Any]:
    facts = {"address": Address(address), "mapped": False if process.address_space.known else None}
    return {**facts, "canonical": process.is_canonical(address)}


def _number(address: int, process: Process) -> Fact | None:
    """Return what the number alone tells."""
    machine = process.machine
    if address == 0:
        return clause("is_null")
    if address < NULL_ZONE:
        return clause("near_null", offset=address)
    top = machine.mask + 1
    if address > top:
        return clause("beyond_bits", bits=8 * machine.pointer_size)
    if top - address <= 4096:
        return clause("small_negative", number=address - top)
    if not process.is_canonical(address):
        bits = process.address_bits
        last = 8 * machine.pointer_size - 1
        if not machine.hides_address:
            return clause("more_bits_than_an_address", bits=bits)
        return clause("not_canonical", first=bits + 1, last=last, bit=bits)
    return clause("kernels_half") if machine.is_kernels(address) else None


def _is_for_mappings(below: AnnotatedVMA | None, above: AnnotatedVMA | None, address: int) -> bool:
    """Whether mmap may have put something there: not below the main stack, and not where brk's heap grows."""
    if above is not None and above.vma.path == "[stack]":
        return False
    grows = below is not None and (below.vma.path == "[heap]" or below.parts[-1].kind in ("main_heap", "program_bss"))
    return not grows or below is None or above is None or address - below.vma.end > above.vma.start - address


def _freed_mmapped_chunk(heap: GlibcHeap, address: int) -> Iterator[AddressFact]:
    """Yield what mp_ remembers of mmapped chunks that have been freed."""
    freed = freed_mapping(heap, [address])
    if freed is not None:
        yield AddressFact("freed", clause("perhaps_mmapped_chunk"), Joined((*freed[1], FreeUnmaps())))
    moved = moved_mapping(heap, [address]) if freed is None else None
    if moved is not None:
        yield AddressFact("moved", clause("perhaps_mmapped_chunk"), Joined(moved[1]))


def _range(annotated: AnnotatedVMA) -> str:
    vma = annotated.vma
    return f"{vma.start:#x}-{vma.end:#x} {vma.permissions}"


def _side(annotated: AnnotatedVMA, part: AnnotatedPart) -> str:
    path = annotated.vma.path
    return f"{part.text} ({path})" if path and path not in part.text else part.text
