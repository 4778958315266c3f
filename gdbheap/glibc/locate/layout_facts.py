"""What a Layout tells beside main_arena: each found the surest way there is, with its source, or missing with the
reason."""

from __future__ import annotations

from dataclasses import field

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK
from gdbheap.glibc.layout import BUILT_IN, DWARF, SIGNATURE, SYMBOL, Located
from gdbheap.glibc.locate import builtin_structs
from gdbheap.glibc.locate.choose_arena import ChosenArena
from gdbheap.glibc.locate.find_libc import Libc, data_ranges
from gdbheap.glibc.locate.libc_texts import holds_text
from gdbheap.glibc.locate.locate_mp import find_mps
from gdbheap.glibc.locate.probing import (
    list_heads,
    probe_heap_max,
    probe_mmapped_overhead,
    probe_safe_linking,
    probe_tcache_key,
)
from gdbheap.glibc.locate.tcache_signature import tcache_struct_at
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import CStruct
from gdbheap.process.fact import Fact
from gdbheap.process.process import Process

# In libc_malloc_debug.so, too, which has no tcaches.
SAFE_LINKING_TEXT = "malloc(): unaligned fastbin chunk detected"
# In every malloc with tcaches since 2.29; a libc can be built without them (--disable-experimental-malloc).
TCACHE_TEXT = "free(): double free detected in tcache 2"
NONCONTIGUOUS = 2
_MOST_PLACES = 8


@dataclass
class LayoutFacts:
    """How each thing was learnt, and why others are not known; filled in step by step, while one Layout is made."""

    process: Process
    libc: Libc
    alignment: int
    fastbins: bool
    sources: dict[str, str] = field(default_factory=dict)
    missing: dict[str, Fact] = field(default_factory=dict)
    notes: list[Fact] = field(default_factory=list)

    def learn(self, name: str, source: str) -> None:
        """Note how something was learnt."""
        self.sources[name] = source

    def lack(self, name: str, reason: Fact) -> None:
        """Note why something is not known."""
        self.missing[name] = reason


def find_mp(facts: LayoutFacts, chosen: ChosenArena) -> tuple[Located | None, CStruct | None]:
    """Return mp_ and its struct, or None for both."""
    address = facts.libc.address("mp_")
    generations = _generations(facts)
    if address is not None:
        struct = facts.libc.symbols.structs.get("malloc_par")
        if struct is not None and "sbrk_base" in struct and "n_mmaps" in struct:
            facts.learn("malloc_par", DWARF)
            return Located(address, SYMBOL), struct
        size = facts.libc.symbols.symbols["mp_"].size
        for each in generations:
            if each.size == size:
                facts.learn("malloc_par", BUILT_IN)
                return Located(address, SYMBOL), each
    ranges = data_ranges(facts.process, facts.libc)
    bounds = _heap_bounds(facts.process, chosen)
    found = find_mps(facts.process, ranges, generations, bounds[0] if bounds is not None else None)
    if address is not None:
        found = [each for each in found if each.address == address]
    if len(found) == 1:
        facts.learn("malloc_par", SIGNATURE)
        return Located(found[0].address, SYMBOL if address is not None else SIGNATURE), found[0].malloc_par
    places = tuple(Address(each.address) for each in found[:_MOST_PLACES])
    facts.lack("mp", clause("several_look_like_mp", places=places) if found else clause("nothing_looks_like_mp"))
    return None, None


def _generations(facts: LayoutFacts) -> list[CStruct]:
    """Return the generations of struct malloc_par that this malloc's may be, the likeliest first: of one without
    tcaches, what its code says."""
    pointer_size, fastbins = facts.process.pointer_size, facts.fastbins
    without = list(builtin_structs.malloc_pars(pointer_size, fastbins, tcache=False))
    if facts.libc.debug:
        return without
    every = [each for each in builtin_structs.malloc_pars(pointer_size, fastbins) if each not in without]
    if holds_text(facts.process, facts.libc, TCACHE_TEXT) is False:
        # Before 2.35, when hp_pagesize came, there were tcaches without the text.
        every = [each for each in every if "hp_pagesize" not in each]
    return every + without


def _heap_bounds(process: Process, chosen: ChosenArena) -> tuple[int, int] | None:
    """Return [sbrk_base, end of top) if main_arena's memory is one stretch; None where it need not be."""
    try:
        arena = chosen.malloc_state.read(process.memory, chosen.address)
        size = process.words.read(arena["top"] + process.pointer_size) & ~FLAG_MASK
    except (MemoryFault, OverflowError):
        return None
    end = arena["top"] + size
    start = end - arena["system_mem"]
    if arena["flags"] & NONCONTIGUOUS or not 0 < start <= arena["top"] or start == end:
        return None
    return start, end


def find_heap_info(facts: LayoutFacts, malloc_par: CStruct | None, others: list[int]) -> CStruct:
    """Return struct heap_info: from DWARF, else the generation whose size is where the other arenas start in their
    heaps, else by mp_'s."""
    struct = facts.libc.symbols.structs.get("heap_info")
    if struct is not None and "ar_ptr" in struct and "mprotect_size" in struct:
        facts.learn("heap_info", DWARF)
        return struct
    pointer_size, alignment = facts.process.pointer_size, facts.alignment
    generations = [builtin_structs.heap_info(pointer_size, alignment, pagesize) for pagesize in (True, False)]
    # A heap starts at a multiple of at least 1 MiB, and an arena comes right after its heap's heap_info.
    fitting = [each for each in generations if others and all(arena % (1 << 20) == each.size for arena in others)]
    if len(fitting) == 1:
        facts.learn("heap_info", SIGNATURE)
        return fitting[0]
    facts.learn("heap_info", BUILT_IN)
    # pagesize came with mp_.hp_pagesize (2.35)
    recent = not facts.fastbins or (malloc_par is not None and "hp_pagesize" in malloc_par)
    return generations[0 if recent else 1]


def find_tcache_struct(facts: LayoutFacts, has_tcache: bool, tcaches: list[int]) -> CStruct | None:
    """Return struct tcache_perthread_struct: from DWARF, else the generation that the tcaches' own chunks have the
    size of."""
    if not has_tcache:
        facts.lack("tcache_struct", clause("malloc_without_tcaches"))
        return None
    struct = facts.libc.symbols.structs.get("tcache_perthread_struct")
    if struct is not None and "entries" in struct and ("counts" in struct or "num_slots" in struct):
        facts.learn("tcache_struct", DWARF)
        return struct
    found = {each.size: each for each in (tcache_struct_at(facts.process, mem) for mem in tcaches) if each is not None}
    if len(found) == 1:
        facts.learn("tcache_struct", SIGNATURE)
        return next(iter(found.values()))
    if not facts.fastbins:
        facts.learn("tcache_struct", BUILT_IN)
        return builtin_structs.tcache_perthread_struct(facts.process.pointer_size, "slots")
    facts.lack("tcache_struct", clause("tcaches_differ_in_size") if found else clause("no_tcache_found"))
    return None


def settle_malloc_par(facts: LayoutFacts, malloc_par: CStruct | None, tcache_struct: CStruct | None) -> CStruct | None:
    """Return struct malloc_par with the member that 2.42 renamed called as in the glibc that the tcache shows."""
    if malloc_par is None or tcache_struct is None or facts.sources.get("malloc_par") == DWARF:
        return malloc_par
    if "tcache_small_bins" not in malloc_par or "num_slots" in tcache_struct:
        return malloc_par
    return builtin_structs.malloc_par(facts.process.pointer_size, "tcache_bins", hugetlb="hp_pagesize" in malloc_par)


def find_brk(facts: LayoutFacts, chosen: ChosenArena) -> Located | None:
    """Return the program break: libc's own __curbrk (ld.so has another, of no use), else the end of the [heap]
    mapping, or of main_arena's top."""
    address = facts.libc.address("__curbrk")
    if address is not None:
        try:
            return Located(facts.process.words.read(address), SYMBOL)
        except MemoryFault:
            facts.lack("brk", clause("variable_unreadable", variable="__curbrk", address=Address(address)))
            return None
    heap = next((vma for vma in reversed(facts.process.address_space.vmas) if vma.path == "[heap]"), None)
    bounds = _heap_bounds(facts.process, chosen)
    if heap is None and bounds is None:
        facts.lack("brk", clause("nothing_tells_brk"))
        return None
    return Located(heap.end if heap is not None else bounds[1] if bounds is not None else 0, SIGNATURE)


def find_safe_linking(facts: LayoutFacts, chosen: ChosenArena, arenas: list[int], heads: list[int]) -> bool | None:
    """Return whether links of tcaches and fastbins are mangled: libc's code says it of itself, else real lists tell
    (unless they are broken)."""
    if "tcache_key" in facts.libc.symbols.symbols or not facts.fastbins:
        # tcache_key came in 2.34, fastbins went in 2.43; safe-linking is older than both (2.32).
        facts.learn("safe_linking", BUILT_IN)
        return True
    found = holds_text(facts.process, facts.libc, SAFE_LINKING_TEXT)
    if found is not None:
        facts.learn("safe_linking", SIGNATURE)
        return found
    links = list(heads)
    if facts.fastbins:
        fastbins = list_heads(facts.process, chosen.malloc_state, "fastbinsY", arenas)
        links += [head + 2 * facts.process.pointer_size for head in fastbins]
    probed = probe_safe_linking(facts.process, links)
    if probed is not None:
        facts.learn("safe_linking", SIGNATURE)
        return probed
    facts.lack("safe_linking", clause("no_list_tells_safe_linking"))
    return None


def find_mmapped_overhead(facts: LayoutFacts) -> int:
    """Return what an mmapped chunk's size leaves out: real chunks tell, else the release in which fastbins went
    (2.43) changed it."""
    probed = probe_mmapped_overhead(facts.process, facts.alignment)
    facts.learn("mmapped_overhead", BUILT_IN if probed is None else SIGNATURE)
    if probed is not None:
        return probed
    return 0 if facts.fastbins else 2 * facts.process.pointer_size


def find_tcache_key(facts: LayoutFacts, has_tcache: bool, tcaches: list[int], heads: list[int]) -> int | None:
    """Return tcache_key (2.34+), by symbol, or as the chunks in the tcaches have it."""
    if not has_tcache:
        facts.lack("tcache_key", clause("malloc_without_tcaches"))
        return None
    address = facts.libc.address("tcache_key")
    if address is not None:
        try:
            value = facts.process.words.read(address)
        except MemoryFault:
            facts.lack("tcache_key", clause("variable_unreadable", variable="tcache_key", address=Address(address)))
            return None
        facts.learn("tcache_key", SYMBOL)
        return value
    key = probe_tcache_key(facts.process, tcaches, heads)
    if key is not None:
        facts.learn("tcache_key", SIGNATURE)
    elif "main_arena" in facts.libc.symbols.symbols:
        facts.lack("tcache_key", clause("no_tcache_key_yet"))
    else:
        facts.lack("tcache_key", clause("too_few_chunks_for_tcache_key"))
    return key


def find_global_max_fast(facts: LayoutFacts) -> int | None:
    """Return the largest chunk size that goes to a fastbin: a size_t to 2.36, one byte to 2.42, gone since."""
    if not facts.fastbins:
        facts.lack("global_max_fast", clause("glibc_without_fastbins"))
        return None
    symbol, address = facts.libc.symbols.symbols.get("global_max_fast"), facts.libc.address("global_max_fast")
    if symbol is None or address is None or not 0 < symbol.size <= 8:
        facts.lack("global_max_fast", clause("only_its_symbol_tells"))
        return None
    try:
        value = int.from_bytes(facts.process.memory.read(address, symbol.size), "little")
    except MemoryFault:
        facts.lack(
            "global_max_fast", clause("variable_unreadable", variable="global_max_fast", address=Address(address))
        )
        return None
    facts.learn("global_max_fast", SYMBOL)
    return value


def find_heap_max(
    facts: LayoutFacts, heap_info: CStruct, others: list[int], mp: Located | None, malloc_par: CStruct | None
) -> int:
    """Return HEAP_MAX_SIZE."""
    huge = 0
    if mp is not None and malloc_par is not None and "hp_pagesize" in malloc_par:
        try:
            huge = malloc_par.read(facts.process.memory, mp.value)["hp_pagesize"]
        except MemoryFault:
            huge = 0
    size, shown = probe_heap_max(facts.process, heap_info, others, huge)
    facts.learn("heap_max", SIGNATURE if shown else BUILT_IN)
    return size
