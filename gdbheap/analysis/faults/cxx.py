"""C++ programs that end themselves: an exception that nobody caught, memory that new could not get, a pure virtual function, std::terminate."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.faults.exceptions import thrown
from gdbheap.analysis.faults.verdict import CERTAIN, LIKELY, Scene, Verdict

TERMINATE = frozenset(
    {
        "std::terminate",
        "__cxxabiv1::__terminate",
        "_ZSt9terminatev",
        "__gnu_cxx::__verbose_terminate_handler",
        "__cxa_call_terminate",
        "__cxa_call_unexpected",
    }
)
_PURE = ("__cxa_pure_virtual", "__cxa_deleted_virtual")
# The unwinder has asked a frame for its handlers, and that one allowed no exception.
_NOEXCEPT = frozenset({"__cxa_call_terminate", "__gxx_personality_v0"})
# vm.max_map_count's usual value.
_MOST_MAPPINGS = 65530
# What no machine of today has: a size as of a negative number, or of an overflowed product.
_ABSURD = {8: 1 << 46, 4: 3 << 29}


def terminated(scene: Scene, where: tuple[str, ...]) -> Iterator[Verdict]:
    """Yield why std::terminate was called; `where` says by whom abort was."""
    names = [each.function.partition("(")[0] for each in scene.stop.frames]
    if any(name in _PURE for name in names):
        yield _pure(scene, where)
        return
    flying = list(thrown(scene))
    if not flying:
        yield _without_exception(scene, where)
        return
    last = flying[-1]
    text = f": {last.what}" if last.what else ""
    evidence = [f"the exception object is at {last.address:#x}", *where]
    summary = f"nobody caught {last.type}{text}"
    if not _NOEXCEPT.isdisjoint(names):
        summary = f"{last.type}{text} left a function that is noexcept (or a destructor), which no handler can follow"
    if last.type in ("std::bad_alloc", "std::bad_array_new_length"):
        yield _no_memory(scene, last.type, last.address, tuple(evidence))
    yield Verdict("uncaught_exception", CERTAIN, last.address, summary, tuple(evidence), ("bt", "catch throw"))


def _without_exception(scene: Scene, where: tuple[str, ...]) -> Verdict:
    if scene.heap is None:
        summary = "std::terminate was called; whether an exception is in flight cannot be seen"
        return Verdict("uncaught_exception", LIKELY, None, summary, where, ("bt", "catch throw"))
    summary = "std::terminate was called with no exception in flight"
    if any("std::thread::" in each.function for each in scene.stop.frames):
        summary += ": a std::thread was destroyed or assigned to before it was joined or detached"
    return Verdict("program_abort", LIKELY, None, summary, where, ("bt", "up", "list"))


def _pure(scene: Scene, where: tuple[str, ...]) -> Verdict:
    """A slot of a vtable that no function is in: the vtable of a base class, which an object has while it is made and unmade."""
    frames = scene.stop.frames
    index = next(number for number, each in enumerate(frames) if each.function.partition("(")[0] in _PURE)
    evidence, address = list(where), None
    caller = frames[index + 1] if index + 1 < len(frames) else None
    if caller is not None and "this" in caller.arguments:
        address = caller.arguments["this"]
        first = scene.word_at(address)
        table = scene.symbol_at(first) if first is not None else ""
        evidence.append(f"this of {caller.function} is {address:#x}; its vtable pointer is {table or first}")
    what = "deleted" if frames[index].function.startswith(_PURE[1]) else "pure virtual"
    summary = (
        f"a {what} function was called: the object is still being constructed, or is being (or has been) destroyed, so that it has "
        "its base class's vtable"
    )
    next_steps = ("up", "bt") if address is None else (f"explain {address:#x}", "up")
    return Verdict("wild_vtable", CERTAIN, address, summary, tuple(evidence), next_steps)


def _no_memory(scene: Scene, kind: str, address: int, evidence: tuple[str, ...]) -> Verdict:
    next_steps = ("up", "info locals", "vmmap")
    if kind == "std::bad_array_new_length":
        summary = "new[] was asked for a negative number of elements, or for more than fit in the address space"
        return Verdict("bad_alloc", CERTAIN, address, summary, evidence, next_steps)
    size = _asked(scene)
    why = "the memory was not to be had"
    facts = list(memory_facts(scene))
    if size is not None:
        facts.insert(0, f"new was asked for {size:#x} bytes ({size:,}), as far as the frame that threw tells")
        if size >= _ABSURD[scene.word]:
            why = "the size is absurd (a negative number, or a product that overflowed)"
        elif scene.memory_limit is not None:
            why = "the limit on the address space is reached (ulimit -v)"
    summary = f"new could not get the memory that it was asked for, and nobody caught std::bad_alloc: {why}"
    return Verdict("bad_alloc", CERTAIN, address, summary, (*evidence, *facts), next_steps)


def _asked(scene: Scene) -> int | None:
    """Return the size that operator new was called with, in bytes; None where its frame does not tell.

    libstdc++'s operator new keeps its argument in rbx across the call of malloc; on i386 it is on the stack, above the return address.
    """
    frames = scene.stop.frames
    at = next((number for number, each in enumerate(frames) if each.function == "__cxa_throw"), None)
    if at is None or at + 2 >= len(frames) or not frames[at + 1].library.startswith("libstdc++"):
        return None
    if scene.word == 8:
        return frames[at + 1].registers.get("rbx")
    return scene.word_at(frames[at + 2].stack_pointer)


def memory_facts(scene: Scene) -> Iterator[str]:
    """Yield what may have kept the process from getting memory."""
    space = scene.process.address_space
    total = sum(vma.size for vma in space if not vma.path.startswith("[vsyscall"))
    yield f"the process has {len(space)} mappings of {total:#x} bytes"
    if len(space) >= _MOST_MAPPINGS - 16:
        yield f"that is as many mappings as the kernel usually allows ({_MOST_MAPPINGS}, vm.max_map_count)"
    if scene.memory_limit is not None:
        yield f"the limit on its address space is {scene.memory_limit:#x} bytes (RLIMIT_AS)"
