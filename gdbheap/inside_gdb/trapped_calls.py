"""Calls of the allocation functions, trapped while the process runs on: a breakpoint where each function begins and one
at every place that such a call was seen to return to. gdb asks stop() at each hit, which takes what is wanted and lets
the process go on: a tenth of what a stop costs that comes back to a command.

These breakpoints and gdb's own are the only ones that are set in a program's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import gdb

from gdbheap.inside_gdb.expressions import register_now
from gdbheap.inside_gdb.held_time import HeldTime
from gdbheap.inside_gdb.known_stacks import KnownStacks
from gdbheap.inside_gdb.running_memory import RunningMemory
from gdbheap.lazy import dataclass
from gdbheap.machine.machine import Machine
from gdbheap.process.recording import AllocationFunction, Caller, Sample, Sampling

_What = TypeVar("_What")
# Each place that is trapped costs gdb two writes into the program's code a burst.
_MOST_PLACES = 96
# So many hits there are in any case, entries and returns, however long they take (where much else runs, that is long):
# the first calls of a burst are judged by those that follow.
_FEWEST = 40


@dataclass(frozen=True)
class _Call:
    """A call that has not returned. `stored` is where its result goes, if it is no result; `back` where it returns to,
    `top` what the stack pointer is then."""

    function: AllocationFunction
    size: int
    stored: int
    back: int
    top: int
    stack: tuple[Caller, ...]


class TrappedCalls:
    """`samples` has what was taken, in order of time; `others` how many calls of other sizes were met. `new_place` is
    where a call returns to that is not trapped yet: gdb has stopped at that call's entry. `failure` is what was raised
    at a hit."""

    def __init__(self, machine: Machine, sampling: Sampling, memory: RunningMemory) -> None:
        self.samples: list[Sample] = []
        self.others = 0
        self.new_place: int | None = None
        self.failure: BaseException | None = None
        self._machine = machine
        self._wants = sampling.wants
        self._also_wants: Callable[[int], bool] = self._wants
        self._memory = memory
        self._stacks = KnownStacks(machine, memory, sampling.depth)
        self._stacks.get_ready(each.address for each in sampling.functions)
        self._open: dict[int, _Call] = {}
        self._entries = [_Trap(each.address, self._asked(self._entered, each)) for each in sampling.functions]
        # By address, the one that was hit last at the end.
        self._returns: dict[int, _Trap] = {}
        self._calls_left = 0
        self._hits = 0
        self._until = 0.0
        # The process stands still until it is let run; what was done until now is not counted.
        self.held = HeldTime()

    def set(self, calls: int, seconds: float) -> None:
        """Trap so many calls, holding the process for at most so long."""
        self._calls_left, self._until = calls, self.held.seconds + seconds
        self._hits = 0
        self._enable(True)

    def unset(self) -> None:
        """Trap none; of those that have not returned nothing more is seen."""
        self._enable(False)
        self._open.clear()
        self.new_place = None

    @property
    def are_over(self) -> bool:
        """Whether as many calls have been trapped as were asked for."""
        return self._calls_left <= 0 or (self._hits >= _FEWEST and self.held.seconds > self._until)

    @property
    def least_part(self) -> float:
        """How much of the last burst the shortest one is."""
        return min(_FEWEST / max(self._hits, 1), 1.0)

    def trap_new_place(self) -> None:
        """Have the call that gdb stopped at be seen to return."""
        if self.new_place is not None:
            if len(self._returns) >= _MOST_PLACES:
                _delete(self._returns.pop(next(iter(self._returns))))
            self._returns[self.new_place] = _Trap(self.new_place, self._asked(self._returned, self.new_place))
            self._returns[self.new_place].enabled = True
            self.new_place = None

    def focus(self, wants: Callable[[int], bool]) -> None:
        """From now on take calls of these sizes alone."""
        self._also_wants = wants
        for each in self._returns.values():
            _delete(each)
        self._returns.clear()

    def _enable(self, enabled: bool) -> None:
        for each in (*self._entries, *self._returns.values()):
            if each.is_valid():
                each.enabled = enabled

    def _asked(self, hit: Callable[[_What], bool], what: _What) -> Callable[[], bool]:
        """Return `hit` of `what`, which stops where that fails or Ctrl-C is typed: gdb would only print it."""

        def ask() -> bool:
            self._hits += 1
            try:
                return hit(what)
            except BaseException as error:
                self.failure = error
                return True

        return ask

    def _entered(self, function: AllocationFunction) -> bool:
        """Take what the call asks for and where it is from; whether gdb is to stop."""
        thread, top = gdb.selected_thread(), self._register(self._machine.stack_pointer)
        size = math.prod(self._argument(top, index) for index in function.sizes)
        if thread is None or self._is_inner(thread.num, top):
            return self.are_over
        if not (self._wants(size) and self._also_wants(size)):
            self.others += 1
            return self.are_over
        stored = 0 if function.result_at is None else self._argument(top, function.result_at)
        register, word = self._machine.return_register, self._machine.pointer_size
        back = self._register(register) if register else self._word(top)
        stack = self._stacks.at_entry(top)
        self._open[thread.num] = _Call(function, size, stored, back, top if register else top + word, stack)
        if back in self._returns:
            return False
        self.new_place = back
        return True

    def _is_inner(self, thread: int, top: int) -> bool:
        """Whether a call with this stack pointer is one that a trapped call makes itself (realloc calls malloc)."""
        call = self._open.get(thread)
        if call is None or top >= call.top:
            return False
        if self._machine.return_register:
            return True
        return self._word(call.top - self._machine.pointer_size) == call.back

    def _returned(self, place: int) -> bool:
        """Take what the call returns; whether gdb is to stop."""
        thread = gdb.selected_thread()
        call = None if thread is None else self._open.get(thread.num)
        if thread is None or call is None or call.back != place:
            return self.are_over
        if self._register(self._machine.stack_pointer) != call.top:
            return self.are_over
        del self._open[thread.num]
        self._returns[place] = self._returns.pop(place)
        address = self._register(self._machine.result) if not call.stored else self._word(call.stored)
        if address:
            self.samples.append(Sample(address, call.size, call.function.name, thread.num, call.stack))
        self._calls_left -= 1
        return self.are_over

    def _argument(self, top: int, index: int) -> int:
        if self._machine.arguments:
            return self._register(self._machine.arguments[index])
        return self._word(top + (1 + index) * self._machine.pointer_size)

    def _register(self, name: str) -> int:
        return register_now(name) & self._machine.mask

    def _word(self, address: int) -> int:
        words = self._memory.words(address, 1)
        return words[0] if len(words) else 0


class _Trap(gdb.Breakpoint):
    """A breakpoint at which `hit` says whether to stop."""

    def __init__(self, address: int, hit: Callable[[], bool]) -> None:
        _made.append(self)
        super().__init__(f"*{address:#x}", internal=True)
        self._hit = hit
        self.silent = True
        self.enabled = False

    def stop(self) -> bool:
        return self._hit()


# All that there are, those too whose making Ctrl-C cut short.
_made: list[_Trap] = []


def _delete(trap: _Trap) -> None:
    with suppress(RuntimeError):  # the program has gone, and its breakpoints with it
        trap.delete()
    if trap in _made:
        _made.remove(trap)


def delete_traps() -> None:
    """Take all of them out of the program, whatever happens meanwhile: until each is gone, Ctrl-C has to wait."""
    interrupted = None
    while _made:
        try:
            _delete(_made[-1])
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted
