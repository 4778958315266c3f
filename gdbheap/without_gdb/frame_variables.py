"""Variables of all threads' frames, and what an address of a stack is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gdbheap.elf.code.frames import CodeFrame
from gdbheap.elf.code.type_words import POINTERS, REFERENCES, size_of_type, stripped, told_type
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.expression import MemoryPlace
from gdbheap.process.named_address import StackPlace
from gdbheap.process.process import Process, Thread
from gdbheap.types.local_variable import LocalVariable, ToldType
from gdbheap.without_gdb.stacks import Stacks

_MOST_THREADS = 256
_MOST_FRAMES = 64
_MOST_VARIABLES = 20_000
# Further up a stack, places are told by their distance from the stack pointer alone.
_MOST_FRAMES_OF_PLACES = 512


def local_variables(process: Process, stacks: Stacks) -> tuple[LocalVariable, ...]:
    """Return those of the innermost frames of every thread that may hold pointers."""
    found = (each for thread in process.threads[:_MOST_THREADS] for each in _of_thread(thread, stacks))
    return tuple(islice(found, _MOST_VARIABLES))


def types_in_function(address: int, stacks: Stacks) -> tuple[ToldType, ...]:
    """Return the types of the variables and arguments of the function that begins at an address."""
    found: dict[ToldType, None] = {}
    for kind in islice(stacks.code.types_in_function(address), _MOST_VARIABLES):
        try:
            told = told_type(kind, stacks.code.anywhere)
        except UNPARSABLE:
            continue
        if told is not None:
            found[told] = None
    return tuple(found)


def _of_thread(thread: Thread, stacks: Stacks) -> Iterator[LocalVariable]:
    levels = stacks.levels(thread, _MOST_FRAMES)
    for number, frame in enumerate(stacks.code_frames(thread, _MOST_FRAMES)):
        function = stacks.name(frame) if frame.scope is not None else ""
        for each in stacks.code.variables(frame, levels):
            try:
                type_ = told_type(each.type, stacks.code.anywhere)
                kind = stripped(each.type)
            except UNPARSABLE:
                continue
            if type_ is None or each.place is None or kind is None:
                continue
            address, word = each.place.address if isinstance(each.place, MemoryPlace) else 0, None
            if kind.tag in REFERENCES:
                # What it refers to is what is told.
                address, word = 0, stacks.reference(each, frame.level)
            elif not address and kind.tag in POINTERS:
                word = stacks.word_of(each, frame.level)
            if address or word is not None:
                yield LocalVariable(each.name, type_, address, word, thread.number, number, function)


def stack_place(stacks: Stacks, thread: Thread, address: int) -> StackPlace | None:
    """Return what lies at an address of a thread's stack; None where nothing of that stack is known."""
    levels = stacks.levels(thread, _MOST_FRAMES_OF_PLACES)
    if not levels or (len(levels) == 1 and not levels[0].is_outermost and levels[0].address is None):
        return None
    bottom = levels[0].stack_pointer
    frames = stacks.code_frames(thread, _MOST_FRAMES_OF_PLACES)
    # The frames that the address may be in: functions that were inlined share the one of their caller, and what is
    # handed over to a function lies at the end of its caller's.
    holding = [(frames[0], 0)]
    pointer = bottom
    for number, frame in enumerate(frames):
        here = frame.level.stack_pointer
        if here > address:
            break
        if here != pointer:
            pointer = here
            holding = holding[-1:]
        holding.append((frame, number))
    else:
        if len(levels) == _MOST_FRAMES_OF_PLACES:
            return StackPlace(address - bottom)
    for frame, number in holding:
        for name, offset in _variables_at(stacks, frame, thread, address):
            return StackPlace(address - bottom, number, stacks.name(frame), name, offset)
    outermost, number = holding[-1]
    end = outermost.level.address
    is_last = frames[-1] is outermost
    return StackPlace(
        address - bottom, number, stacks.name(outermost), is_above=is_last and end is not None and address >= end
    )


def _variables_at(stacks: Stacks, frame: CodeFrame, thread: Thread, address: int) -> Iterator[tuple[str, int]]:
    """Yield the frame's variable that the address is in and the offset in it. Where a reference itself is, which gdb
    does not tell either, is a place without a name."""
    for each in stacks.code.variables(frame, stacks.levels(thread, _MOST_FRAMES_OF_PLACES)):
        kind = stripped(each.type)
        if isinstance(each.place, MemoryPlace) and (kind is None or kind.tag not in REFERENCES):
            try:
                size = size_of_type(each.type, stacks.code.anywhere)
            except UNPARSABLE:
                continue
            if each.place.address <= address < each.place.address + size:
                yield each.name, address - each.place.address
