"""What the dying call was given, found in the code before the call and in the source line, and put into the frame
that made it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from gdbheap.analysis.call_stacks.whose_code import is_of_malloc
from gdbheap.analysis.malloc_aborts.dying_call import passing_frame
from gdbheap.analysis.malloc_aborts.freed_expressions import freed_expressions, is_of_array
from gdbheap.lazy import regex
from gdbheap.machine.call_form import CallResult
from gdbheap.machine.register_values import MOST_GIVEN_BACK
from gdbheap.machine.stopped import CodeLines
from gdbheap.process.frame import Frame, Passed, PassedResult
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process

# Functions whose first argument is a block that is taken back, under the names that symbol tables give them.
_TAKE_BLOCKS = regex(r"((_*(GI_+)?(libc_)?(c?free|realloc(array)?))(@|$)|operator delete|_Zd[al]P)")
# What is given a size, or nothing.
_TAKES_NO_BLOCK = regex(r"(malloc|calloc|memalign|valloc|aligned_alloc|mallopt)\d?$|trim|operator new|_Zn")

# Functions that return a block, and which of their arguments say how much is asked for.
_ASKED = {
    "malloc": (0,),
    "calloc": (0, 1),
    "realloc": (1,),
    "reallocarray": (1, 2),
    "operator new": (0,),
    "aligned_alloc": (1,),
    "memalign": (1,),
    "valloc": (0,),
}
# What in an expression names a variable, not a member.
_VARIABLES = regex(r"(?<![\w.>])[A-Za-z_]\w*")
_DECORATION = regex(r"^_+(GI_+)?(libc_)?(?!_?Zn)(?=[a-z])|@.*$")
_NEW = regex(r"(_Zn[aw][jm]|operator new(\[\])?(\(.*)?)$")


class CallSource(Protocol):
    """What tells of calls: gdb (session/target.py says what each returns)."""

    @property
    def process(self) -> Process: ...

    def code_at(self, address: int) -> CodeLines: ...

    def symbol_at(self, address: int) -> NamedAddress | None: ...

    def call_source(self, lwp: int | None, level: int) -> str: ...

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None: ...


def with_passed(source: CallSource, lwp: int | None, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Return the frames of a thread that is in a call of malloc's, with what the caller passed in the frame that
    made the call."""
    index = passing_frame(frames)
    if not index or index >= len(frames) or _is_of_another(frames[index - 1]):
        return tuple(frames)
    process = source.process
    reader = process.machine.code.call_reader(process, source.code_at, source.symbol_at, _TAKE_BLOCKS)
    by_code = reader.first_argument(frames, index)
    level = frames[index].level

    def value(expression: str) -> int | None:
        names = _VARIABLES.findall(expression)
        if any(_is_given_back(source.evaluate_in_frame(lwp, level, f"&{name}"), frames[index]) for name in names):
            return None
        return source.evaluate_in_frame(lwp, level, expression)

    on_stack = not process.machine.arguments
    if on_stack and by_code is not None and not _agrees(by_code, source, lwp, frames[index]):
        by_code = None
    line = source.call_source(lwp, level)
    # Where the call went to a function that has left by a jump (a destructor), the line does not tell what that passed.
    is_told = by_code is not None or not reader.calls_another(frames[index])
    pointers = frames[index].pointers if is_told else frozenset()
    passed = tuple(_passed(by_code, freed_expressions(line), value)) if is_told else ()
    if by_code is None and len(passed) == 1 and is_of_array(line, passed[0].expression):
        size = process.pointer_size
        passed += (Passed(passed[0].value - size, f"(char *)({passed[0].expression}) - {size}"),)
    result = None if by_code is not None else _result(reader.passed_result(frames, index))
    return (
        *frames[:index],
        replace(frames[index], passed=passed, result=result, pointers=pointers),
        *frames[index + 1 :],
    )


def _is_given_back(address: int | None, frame: Frame) -> bool:
    """Whether a variable lies where the frame's function, which left by a jump, has given the stack back."""
    return address is not None and frame.stack_pointer - MOST_GIVEN_BACK <= address < frame.stack_pointer


def _result(found: CallResult | None) -> PassedResult | None:
    """Return the result of a call that was handed on; of one of malloc's with what this was asked for."""
    if found is None or not found.function:
        return None
    name = _NEW.sub("operator new", _DECORATION.sub("", found.function))
    if name not in _ASKED:
        return PassedResult(found.function, found.place, False, None, found.added)
    sizes = [found.arguments[each] for each in _ASKED[name]]
    requested = None if None in sizes else math.prod(each or 0 for each in sizes)
    return PassedResult(name, found.place, True, requested, found.added)


def _agrees(by_code: int, source: CallSource, lwp: int | None, frame: Frame) -> bool:
    """Whether no expression of the source line speaks against what the code tells: what is passed on the stack lies
    where others may write."""
    values = {
        source.evaluate_in_frame(lwp, frame.level, each)
        for each in freed_expressions(source.call_source(lwp, frame.level))
    } - {None}
    return not values or by_code in values


def _is_of_another(frame: Frame) -> bool:
    """Whether it was another function of malloc's that was called. One that left by a jump has no frame, and the
    call alone tells its name."""
    return is_of_malloc(frame) and _TAKES_NO_BLOCK.search(frame.function) is not None


def _passed(by_code: int | None, expressions: Sequence[str], value: Callable[[str], int | None]) -> Iterator[Passed]:
    values = {each: value(each) for each in expressions}
    if by_code is not None:
        same = next((each for each in expressions if values[each] == by_code), "")
        yield Passed(by_code, same, True)
        return
    # Of several calls in the line nobody knows which it is that died.
    known = [(each, held) for each, held in values.items() if held is not None]
    if len(expressions) == 1 and known:
        yield Passed(known[0][1], known[0][0])
