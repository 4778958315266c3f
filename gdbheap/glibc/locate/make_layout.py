"""make_layout: from a stopped process, and whoever knows its files' symbols, to a Layout that says how sure each
thing is."""

from __future__ import annotations

from gdbheap.glibc.layout import Layout
from gdbheap.glibc.locate import layout_facts as find
from gdbheap.glibc.locate.choose_arena import choose_arena, ring
from gdbheap.glibc.locate.find_libc import find_libcs
from gdbheap.glibc.locate.libc_texts import read_version
from gdbheap.glibc.locate.probing import list_heads
from gdbheap.glibc.locate.statics import read_statics
from gdbheap.glibc.locate.thread_malloc import MallocShape, read_threads
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolsOf
from gdbheap.process.threads.thread_pointers import find_thread_pointers


def make_layout(process: Process, symbols_of: SymbolsOf) -> Layout:
    """Return where malloc keeps its things.

    Raise NoHeap where there is no glibc malloc in the process, or it has not been used yet; NoSymbols where it
    cannot be found, or several candidates fit.
    """
    libcs = find_libcs(process, symbols_of)
    chosen = choose_arena(process, libcs)
    facts = find.LayoutFacts(process, chosen.libc, chosen.alignment, "fastbinsY" in chosen.malloc_state)
    facts.learn("malloc_state", chosen.struct_source)
    facts.notes += chosen.notes
    arenas = ring(process, chosen.address, chosen.malloc_state)
    mp, malloc_par = find.find_mp(facts, chosen)
    heap_info = find.find_heap_info(facts, malloc_par, arenas[1:])
    has_tcache = not chosen.libc.debug and (malloc_par is None or "tcache_count" in malloc_par)
    pointers = find_thread_pointers(process)
    shape = MallocShape(frozenset(arenas), facts.fastbins, has_tcache)
    threads = read_threads(process, chosen.libc, shape, pointers)
    tcaches = [each.tcache.value for each in threads if each.tcache is not None]
    tcache_struct = find.find_tcache_struct(facts, has_tcache, tcaches)
    malloc_par = find.settle_malloc_par(facts, malloc_par, tcache_struct)
    heads = [] if tcache_struct is None else list(list_heads(process, tcache_struct, "entries", tcaches))
    return Layout(
        machine=process.machine,
        alignment=chosen.alignment,
        malloc_state=chosen.malloc_state,
        heap_info=heap_info,
        main_arena=chosen.main_arena,
        malloc_par=malloc_par,
        tcache_struct=tcache_struct,
        mp=mp,
        brk=find.find_brk(facts, chosen),
        threads=threads,
        safe_linking=find.find_safe_linking(facts, chosen, arenas, heads),
        mmapped_overhead=find.find_mmapped_overhead(facts),
        tcache_key=find.find_tcache_key(facts, has_tcache, tcaches, heads),
        global_max_fast=find.find_global_max_fast(facts),
        heap_max=find.find_heap_max(facts, heap_info, arenas[1:], mp, malloc_par),
        page_size=process.page_size,
        statics=read_statics(process, chosen.libc),
        libc_path=chosen.libc.module.path,
        glibc_version=chosen.libc.symbols.version or read_version(process, chosen.libc),
        sources=facts.sources,
        missing=facts.missing,
        notes=tuple(facts.notes),
    )
