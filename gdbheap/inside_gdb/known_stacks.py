"""The call stack at the entry of a function, unwound once and known again by its return addresses.

Unwinding takes gdb a millisecond, and a program that is sampled waits for it. But where the return address of a frame
lies depends on its code alone, unless the frame's size varies: so from one unwinding on, a stack is known by the words
at these places. A frame that was seen with two sizes is always unwound.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import field

import gdb

from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.inside_gdb.selection import selection_kept
from gdbheap.inside_gdb.text import text_of
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.recording import Caller

# So many words of a stack are looked at, and so many stacks kept.
_WINDOW = 1024
_MOST_STACKS = 20_000
# So many threads show what code there is.
_THREADS = 8


@dataclass
class _Frame:
    """What is known of a frame, the newer ones given: how many words above its own return address the next one lies
    (0: it varies, None: nothing yet), the frames that were seen there by return address, and the whole stack
    where this is its last frame."""

    step: int | None = None
    older: dict[int, _Frame] = field(default_factory=dict)
    stack: tuple[Caller, ...] | None = None


class KnownStacks:
    """Stacks of `depth` frames at most."""

    def __init__(self, machine: Machine, memory: RunningMemory, depth: int) -> None:
        self._machine = machine
        self._memory = memory
        self._depth = depth
        self._top = _Frame(step=1)
        self._count = 0
        self._callers: dict[int, Caller] = {}

    def get_ready(self, functions: Iterable[int]) -> None:
        """Have gdb read what it needs to unwind from these functions and from where the threads are: the first time,
        that takes long."""
        with selection_kept(), suppress(gdb.error):
            for address in functions:
                gdb.block_for_pc(address)
                gdb.find_pc_line(address)
            for thread in gdb.selected_inferior().threads()[:_THREADS]:
                thread.switch()
                list(self._callers_of(gdb.newest_frame()))

    def at_entry(self, stack_pointer: int) -> tuple[Caller, ...]:
        """Return the callers, the innermost first, of the function that the selected thread has just entered."""
        if self._machine.return_register:
            return tuple(self._callers_of(gdb.newest_frame().older()))
        words = self._memory.words(stack_pointer, _WINDOW)
        known = self._known(words)
        return self._learned(stack_pointer, words) if known is None else known

    def _known(self, words: memoryview) -> tuple[Caller, ...] | None:
        here, at = self._top, -1
        while here.stack is None:
            if not here.step or at + here.step >= len(words):
                return None
            at += here.step
            older = here.older.get(words[at])
            if older is None:
                return None
            here = older
        return here.stack

    def _learned(self, stack_pointer: int, words: memoryview) -> tuple[Caller, ...]:
        """Unwind the stack, and keep where its return addresses lie."""
        frames: list[gdb.Frame] = []
        stack = tuple(self._callers_of(gdb.newest_frame().older(), frames))
        # (An inlined function's frame is in the same place as the one that it is a part of.)
        places = dict.fromkeys((each.pc(), self._word_before(each, stack_pointer)) for each in frames)
        self._count += 1
        if self._count > _MOST_STACKS or any(not 0 <= at < len(words) or words[at] != pc for pc, at in places):
            return stack
        here, before = self._top, -1
        for pc, at in places:
            here.step = at - before if here.step in (None, at - before) else 0
            here, before = here.older.setdefault(pc, _Frame()), at
        here.stack = stack
        return stack

    def _word_before(self, frame: gdb.Frame, stack_pointer: int) -> int:
        """Return which word above the stack pointer is the last one before the frame: the return address into it."""
        begins = int(frame.read_register(self._machine.stack_pointer)) & self._machine.mask
        return (begins - stack_pointer) // self._machine.pointer_size - 1

    def _callers_of(self, frame: gdb.Frame | None, frames: list[gdb.Frame] | None = None) -> Iterator[Caller]:
        """Yield the callers from this frame on, and add their frames to `frames`. (A bad stack ends early.)"""
        with suppress(gdb.error):
            for _ in range(self._depth):
                if frame is None:
                    return
                if frames is not None:
                    frames.append(frame)
                yield self._caller(frame)
                frame = frame.older()

    def _caller(self, frame: gdb.Frame) -> Caller:
        if frame.type() == gdb.INLINE_FRAME:
            return _described(frame)
        place = frame.pc()
        if place not in self._callers:
            self._callers[place] = _described(frame)
        return self._callers[place]


def _described(frame: gdb.Frame) -> Caller:
    line = frame.find_sal()
    symtab = line.symtab
    place = f"{os.path.basename(text_of(lambda: symtab.filename) or '?')}:{line.line}" if symtab and line.line else ""
    library = text_of(lambda: gdb.solib_name(frame.pc())) or ""
    space = gdb.current_progspace()
    if not library and space is not None:
        library = space.filename or ""
    return Caller(text_of(frame.name) or "", os.path.basename(library), _offset(frame.pc(), library), place)


def _offset(place: int, library: str) -> int:
    """Return the offset from where the module's file is mapped first."""
    starts = [each for each in _mapped(library) if each <= place]
    return place - min(starts) if starts else place


def _mapped(library: str) -> Iterator[int]:
    from gdbheap.process.live.proc_maps import read_maps

    yield from (vma.start for vma in read_maps(gdb.selected_inferior().pid) if vma.path == library)
