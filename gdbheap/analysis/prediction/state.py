"""The model of malloc in the state of a stopped process: its memory, its threads, and the kernel below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from gdbheap.analysis.prediction.outcome import (
    CannotPredict,
    NotCompared,
    ParametersUnknown,
    ReleaseNotCertain,
    ThreadUnknown,
)
from gdbheap.errors import HeapError, MemoryFault, NoSymbols
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import SIGNATURE, SYMBOL, Layout, ThreadMalloc
from gdbheap.model import process as modelled
from gdbheap.model.kernel import Kernel
from gdbheap.model.machine import ModelMalloc, ModelThread
from gdbheap.model.memory import PAGE, ModelMemory
from gdbheap.model.traits import KNOWN, Traits, traits, variants
from gdbheap.process.environment import tunable
from gdbheap.process.fact import Fact
from gdbheap.process.images.auxv import AT_HWCAP2
from gdbheap.process.live.kernel_limits import KernelLimits, kernel_limits
from gdbheap.process.mm import MM, NO_HEAP, STAT, read_mm
from gdbheap.process.process import Process
from gdbheap.process.threads.thread_pointers import find_thread_pointers

# The processor has memory tags (arch/arm64/include/uapi/asm/hwcap.h).
_HWCAP2_MTE = 1 << 18
# Any key does that no cached chunk carries: what tells a cached chunk is only whether it has the key.
_ANY_KEY = 0x5BD1E9955BD1E995
# tcbhead_t.multiple_threads follows tcb, dtv and self.
_MULTIPLE_THREADS = 3


def models_of(process: Process, view: HeapView, lwp: int | None) -> tuple[list[modelled.ModelProcess], list[Fact]]:
    """Return the model in the state of a stopped process, thread `lwp` current (None: the first), and notes on what had
    to be assumed.

    There is one for each release of glibc that it may be, several only where libc does not say which it is, or what
    of it. Raises HeapError where something that every call needs is not known, or is not modelled.
    """
    layout = view.layout
    notes: list[Fact] = list(view.notes)
    shapes = _shapes(layout, notes)
    if not process.address_space.known:
        raise HeapError("cannot predict: the mappings of this process are not known")
    if layout.mp is None:
        raise CannotPredict(ParametersUnknown(layout.missing.get("mp")), NoSymbols)
    limits = kernel_limits(process)
    notes += limits.reasons
    return [_model(process, view, lwp, shape, limits) for shape in shapes], notes


def refuse_other_mallocs(layout: Layout) -> None:
    """Raise HeapError where malloc's calls do not come to the malloc that is modelled."""
    if PurePath(layout.libc_path).name.startswith("libc_malloc_debug"):
        raise HeapError(
            "cannot predict: libc_malloc_debug.so serves malloc here, and adds checks of its own to each block"
        )
    version = _version(layout)
    has_hooks = version in KNOWN and traits(version, layout.pointer_size).has_hooks
    hooks = [name for name in ("__malloc_hook", "__free_hook") if has_hooks and layout.statics.get(name)]
    if hooks:
        raise HeapError(
            f"cannot predict: {' and '.join(hooks)} serve malloc's calls here (MALLOC_CHECK_ does that, too)"
        )


def refuse_tags(process: Process) -> None:
    """Raise HeapError where malloc tags its blocks (MTE), which makes chunks of other sizes."""
    asked = tunable(process, "glibc.mem.tagging") or 0
    has_tags = process.auxv.get(AT_HWCAP2, _HWCAP2_MTE) & _HWCAP2_MTE
    if process.machine.tag_bits and has_tags and asked & 1:
        raise HeapError(
            f"cannot predict: malloc tags its blocks here (glibc.mem.tagging={asked}), which changes their sizes"
        )


def _model(
    process: Process, view: HeapView, lwp: int | None, shape: Traits, limits: KernelLimits
) -> modelled.ModelProcess:
    layout = view.layout
    memory = _memory(process)
    kernel = _kernel(process, view, memory, limits)
    assert layout.mp is not None
    machine = ModelMalloc(shape, memory, kernel, layout.main_arena.value, layout.mp.value, _tcache_key(process, view))
    machine.initialised = True
    machine.global_max_fast = layout.global_max_fast if shape.has_fastbins else 0
    machine.single_threaded = _is_single_threaded(process, layout)
    _set_arenas(machine, view, limits)
    _set_threads(machine, layout, lwp)
    return modelled.ModelProcess(machine)


def _shapes(layout: Layout, notes: list[Fact]) -> list[Traits]:
    """Return the traits of the release that libc says it is; where it does not say, of all that are laid out like
    it."""
    version = _version(layout)
    if version and version not in KNOWN:
        raise HeapError(f"cannot predict for glibc {version}: the model knows {', '.join(KNOWN)}")
    names = (version,) if version else KNOWN
    tcache = layout.malloc_par is None or "tcache_count" in layout.malloc_par
    every = [replace(shape, has_tcache=tcache) for name in names for shape in variants(name, layout.pointer_size)]
    shapes = [shape for shape in every if _fits(shape, layout)]
    if not shapes:
        raise HeapError(
            f"cannot predict: the malloc of glibc {version or '?'} has a layout that the model does not know"
        )
    notes += _confidence(version, tcache, shapes)
    return shapes


def _confidence(version: str, tcache: bool, shapes: list[Traits]) -> Iterator[Fact]:
    """Yield what a reader must know to judge predictions that hold for each of these releases."""
    if len(shapes) > 1 or not version:
        yield ReleaseNotCertain(version, tuple(shape.name for shape in shapes))
    elif not shapes[0].is_compared:
        yield NotCompared(version)
    if not tcache:
        yield NotCompared(None)


def _version(layout: Layout) -> str:
    return ".".join(layout.glibc_version.split(".")[:2])


def _fits(shape: Traits, layout: Layout) -> bool:
    """Whether the structs and what else is known of this malloc are as in that release."""
    # found by its looks, mp_ may be of a release with other members where nothing shows them
    guessed = layout.malloc_par is None or layout.sources.get("malloc_par") == SIGNATURE
    mp_size = None if guessed or layout.malloc_par is None else layout.malloc_par.size
    pairs: list[tuple[object, object]] = [
        (shape.arena_size, layout.malloc_state.size),
        (shape.mp_size(), mp_size),
        (shape.tcache_size, layout.tcache_struct.size if layout.tcache_struct else None),
        (shape.safe_linking, layout.safe_linking),
    ]
    return all(found is None or found == expected for expected, found in pairs)


def _memory(process: Process) -> ModelMemory:
    def page_of(address: int) -> bytes | None:
        vma = process.address_space.find(address)
        if vma is None or not vma.readable:
            return None
        try:
            return process.memory.read(address, PAGE)
        except MemoryFault:
            return None

    memory = ModelMemory(process.pointer_size, page_of)
    for vma in process.address_space:
        if vma.readable and vma.writable:
            memory.accessible.add(vma.start, vma.end)
    return memory


def _kernel(process: Process, view: HeapView, memory: ModelMemory, limits: KernelLimits) -> Kernel:
    limit = process.machine.user_ends[-1]
    vmas = [vma for vma in process.address_space if vma.start < limit]
    stack = next((vma.start for vma in vmas if vma.path == "[stack]"), limit)
    top = max((vma.end for vma in vmas if vma.end <= stack), default=limit)
    mm = read_mm(process)
    kernel = Kernel(
        memory,
        _brk(view, mm),
        None if mm.bottom_up else top,
        limit,
        huge_alignment=limits.aligns_large,
        most=limits.most,
        room=limits.room,
        page_size=process.page_size,
    )
    for vma in vmas:
        kernel.taken.add(vma.start, vma.end)
    return kernel


def _brk(view: HeapView, mm: MM) -> int | None:
    """Return the break where it is certain: by its symbol, or where the heap's mapping ends at the end of top, past
    which it cannot be; where libc has not asked for it yet (0) and there is no such mapping, it is where it
    began."""
    brk, main = view.layout.brk, view.arenas[0]
    if brk is None or not brk.value:
        untouched = (mm.sources.get("brk"), mm.sources.get("start_brk")) == (NO_HEAP, STAT)
        return mm.get("start_brk") if untouched else None
    return brk.value if brk.source == SYMBOL or brk.value == main.top + main.top_size else None


def _tcache_key(process: Process, view: HeapView) -> int:
    """Return what marks cached chunks: as the libc has it, else as they do; any other number where there is none."""
    if view.layout.tcache_key is not None:
        return view.layout.tcache_key
    pointer_size = process.pointer_size
    for each in view.bins:
        if each.kind == "tcache" and len(each.chunks):
            try:
                return process.words.read(int(each.chunks[0]) + 3 * pointer_size)
            except MemoryFault:
                continue
    return _ANY_KEY & ((1 << 8 * pointer_size) - 1)


def _is_single_threaded(process: Process, layout: Layout) -> bool:
    """Return SINGLE_THREAD_P: whether there never was a second thread. Only libc knows of those that have ended."""
    if len(layout.threads) > 1:
        return False
    known = layout.statics.get("__libc_single_threaded")
    if known is not None:
        return bool(known)
    for pointer in () if process.machine.tls_above else find_thread_pointers(process).values():
        try:
            return not int.from_bytes(
                process.memory.read(pointer + _MULTIPLE_THREADS * process.pointer_size, 4), "little"
            )
        except MemoryFault:
            continue
    return True


def _set_arenas(machine: ModelMalloc, view: HeapView, limits: KernelLimits) -> None:
    statics = view.layout.statics
    # arenas are never taken out of the ring
    machine.narenas = len(view.arenas)
    # 0: not computed yet; what it is computed from does not change
    machine.narenas_limit = statics.get("narenas_limit", 0)
    machine.cores = limits.processors
    # without its symbol: an arena that no thread uses may be in the list or not (a thread that turned to another arena
    # left it)
    idle = any(not each.value["attached_threads"] for each in view.arenas)
    machine.free_arenas = statics.get("free_list", None if idle else 0)
    machine.next_to_use = statics.get("next_to_use")
    machine.aligned_heap_area = statics.get("aligned_heap_area")


def _set_threads(machine: ModelMalloc, layout: Layout, lwp: int | None) -> None:
    threads = layout.threads
    machine.threads = [_thread(layout, each, machine.single_threaded) for each in threads] or [
        ModelThread(arena=machine.main_arena)
    ]
    current = next((index for index, each in enumerate(threads) if each.lwp == lwp), 0)
    # Without tcaches all that is to be known of a process's only thread is its arena, and that is the main one.
    enough = machine.single_threaded and not machine.traits.has_tcache
    if threads and not threads[current].is_known and not enough:
        raise CannotPredict(ThreadUnknown(threads[current].reason), NoSymbols)
    machine.thread = machine.threads[current]


def _thread(layout: Layout, thread: ThreadMalloc, only: bool) -> ModelThread:
    arena = thread.arena.value if thread.arena else layout.main_arena.value if only else 0
    return ModelThread(tcache=thread.tcache.value if thread.tcache else 0, arena=arena)
