"""What the next allocator calls of a stopped process would do: its memory under the model, which writes to copies of pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gdbheap.analysis.prediction.calls import Call, Earlier
from gdbheap.errors import HeapError, MemoryFault, NoSymbols
from gdbheap.malloc.heap_view import HeapView
from gdbheap.malloc.layout import Layout, ThreadMalloc
from gdbheap.model import process as modelled
from gdbheap.model.errors import Abort, ModelError, Segv
from gdbheap.model.kernel import Kernel
from gdbheap.model.machine import Machine, Thread
from gdbheap.model.memory import PAGE, Memory
from gdbheap.model.traits import KNOWN, NAMES, traits
from gdbheap.model.words import explain, source
from gdbheap.process.process import Process

_NO_RESULT = frozenset({"free"})
_BLOCKS = frozenset({"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc"})
_GUESSED = frozenset({"new arena", "reused arena", "new heap"})


@dataclass(frozen=True)
class Prediction:
    """What a call does: `result` is what it returns (None: nothing, or it does not return), `source` where the block comes from or goes
    to, `message` what it fails or aborts with ("" for neither), `steps` the way there, a sentence each. `ends` if the process dies of it."""

    call: Call
    result: int | None
    source: str
    message: str
    steps: tuple[str, ...]
    ends: bool = False


def predict(
    process: Process, view: HeapView, lwp: int | None, calls: Iterable[Call]
) -> tuple[list[Prediction], list[str]]:
    """Return a prediction for each call that thread `lwp` would make, up to one that ends the process, and notes on what they rest on.

    Raises HeapError where the heap is broken, or something that the model must know is not known.
    """
    if view.faults:
        fault = view.faults[0]
        raise HeapError(f"cannot predict from a broken heap: {fault.address:#x}: {fault.message} ({fault.detail})")
    if not view.complete:
        raise HeapError("cannot predict from half a heap: the walk was cut short")
    model, notes = model_of(process, view, lwp)
    predictions: list[Prediction] = []
    for call in calls:
        made = _predict(model, call, [each.result or 0 for each in predictions])
        predictions.append(made)
        guessed = [str(step[0]) for step in model.machine.steps if step[0] in _GUESSED]
        if guessed:
            notes.append(f"{call.text}: it needs a {guessed[0]}, and which one that is (or where) is a guess")
        if made.ends:
            notes.append("the process would end here; what follows is not predicted")
            break
    return predictions, notes


def _predict(model: modelled.Process, call: Call, results: list[int]) -> Prediction:
    machine = model.machine
    arguments = [results[each.number - 1] if isinstance(each, Earlier) else each for each in call.arguments]
    perform: Callable[..., int | None] = getattr(model, call.name)
    message, result, ends = "", None, False
    try:
        result = perform(*_as_c(machine, call.name, arguments))
    except Abort as error:
        message = f"assertion failed: {error.message}" if error.assertion else error.message
        ends = True
    except Segv as error:
        message, ends = f"SIGSEGV at {error.address:#x}", True
    except ModelError as error:
        message, ends = f"would not end: {error}", True
    steps = list(machine.steps)
    if result == 0 and call.name in _BLOCKS and not (call.name == "realloc" and not arguments[1]):
        message = "NULL: " + ("EINVAL" if ("invalid alignment",) in steps else "ENOMEM")
    freeing = call.name == "free" or (call.name == "realloc" and not arguments[1])
    where = "" if ends else source(steps, freeing)
    return Prediction(call, None if call.name in _NO_RESULT else result, where, message, tuple(explain(steps)), ends)


def _as_c(machine: Machine, name: str, arguments: list[int]) -> list[int]:
    """Return the arguments as the C function gets them: size_t, or int for mallopt."""
    if name == "mallopt":
        return [(each & 0xFFFFFFFF) - ((each & 0x80000000) << 1) for each in arguments]
    return [each & machine.mask for each in arguments]


def model_of(process: Process, view: HeapView, lwp: int | None) -> tuple[modelled.Process, list[str]]:
    """Return the model in the state of a stopped process, thread `lwp` current (None: the first), and notes on what had to be assumed."""
    layout = view.layout
    notes: list[str] = []
    shape = traits(_release(layout, notes), layout.word)
    if layout.mp is None:
        raise NoSymbols(f"cannot predict without malloc's parameters (mp_): {layout.missing.get('mp', 'not found')}")
    if shape.arena_size != layout.malloc_state.size or shape.tcache_size != (
        layout.tcache_struct.size if layout.tcache_struct else shape.tcache_size
    ):
        raise HeapError(
            f"cannot predict: this libc says it is glibc {shape.name}, but its malloc is laid out differently"
        )
    memory = _memory(process)
    kernel = _kernel(process, layout, memory, notes)
    machine = Machine(shape, memory, kernel, layout.main_arena.value, layout.mp.value, layout.tcache_key or 0)
    machine.initialised = True
    machine.global_max_fast = layout.global_max_fast if layout.global_max_fast is not None else 16 * layout.word
    machine.single_threaded = len(layout.threads) <= 1
    machine.narenas = len(view.arenas)
    machine.free_arenas = _free_arenas(view)
    machine.threads = [_thread(layout, each, machine.single_threaded) for each in layout.threads] or [
        Thread(arena=machine.main_arena)
    ]
    current = next((index for index, each in enumerate(layout.threads) if each.lwp == lwp), 0)
    if layout.threads and not layout.threads[current].is_known:
        raise NoSymbols(f"cannot predict without the thread's tcache: {layout.threads[current].reason}")
    machine.thread = machine.threads[current]
    if any(arena.value["mutex"] for arena in view.arenas):
        notes.append("a thread holds an arena's mutex: it may be in the middle of a change")
    return modelled.Process(machine), notes


def _release(layout: Layout, notes: list[str]) -> str:
    version = ".".join(layout.glibc_version.split(".")[:2])
    if version not in KNOWN:
        raise HeapError(f"cannot predict for glibc {version or '?'}: the model knows {', '.join(KNOWN)}")
    if version not in NAMES:
        notes.append(
            f"the model was held against glibc {', '.join(NAMES)}; of {version} it knows what the release changed"
        )
    return version


def _memory(process: Process) -> Memory:
    def page_of(address: int) -> bytes | None:
        vma = process.address_space.find(address)
        if vma is None or not vma.readable:
            return None
        try:
            return process.memory.read(address, PAGE)
        except MemoryFault:
            return None

    memory = Memory(process.word, page_of)
    for vma in process.address_space:
        if vma.readable and vma.writable:
            memory.accessible.add(vma.start, vma.end)
    return memory


def _kernel(process: Process, layout: Layout, memory: Memory, notes: list[str]) -> Kernel:
    limit = 0x7FFFFFFFF000 if process.word == 8 else 0xFFFFE000
    vmas = [vma for vma in process.address_space if vma.start < limit]
    stack = next((vma.start for vma in vmas if vma.path == "[stack]"), limit)
    top = max((vma.end for vma in vmas if vma.end <= stack), default=limit)
    live = process.kind == "live"
    if layout.brk is None:
        notes.append(
            f"the break is not known: {layout.missing.get('brk', '')}; where top cannot serve, the result is a guess"
        )
    kernel = Kernel(
        memory,
        layout.brk.value if layout.brk else 0,
        top,
        limit,
        huge_alignment=process.word == 8 and (not live or _is_recent()),
    )
    for vma in vmas:
        kernel.taken.add(vma.start, vma.end)
    return kernel


def _is_recent() -> bool:
    """Return whether this machine's kernel aligns large mappings (Linux 6.7)."""
    parts = os.uname().release.split(".")
    return tuple(int(part) for part in parts[:2] if part.isdecimal()) >= (6, 7)


def _thread(layout: Layout, thread: ThreadMalloc, only: bool) -> Thread:
    arena = thread.arena.value if thread.arena else layout.main_arena.value if only else 0
    return Thread(tcache=thread.tcache.value if thread.tcache else 0, arena=arena)


def _free_arenas(view: HeapView) -> int:
    """Return the head of the list of arenas without a thread: the one of them that none of them leads to."""
    idle = {each.address: each.value["next_free"] for each in view.arenas if not each.value["attached_threads"]}
    heads = set(idle) - set(idle.values())
    return heads.pop() if len(heads) == 1 else 0
