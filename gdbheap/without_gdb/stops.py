"""Why and where a thread stopped, told without a debugger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from gdbheap.elf.code.frames import CodeFrame
from gdbheap.elf.code.lines import SourceLine
from gdbheap.lazy import dataclass
from gdbheap.machine.instruction import CALL
from gdbheap.machine.system_call_names import system_call_name
from gdbheap.process.frame import Frame
from gdbheap.process.handled_signal import Trampoline, handled_signal
from gdbheap.process.process import Process, Thread
from gdbheap.process.return_address import return_address
from gdbheap.process.signal_info import FATAL, SI_KERNEL, SIGTRAP, SignalInfo, signal_name
from gdbheap.process.source_lines import source_lines
from gdbheap.process.stop import Handler, Stop
from gdbheap.process.system_calls import is_at_own_trap
from gdbheap.without_gdb.instructions import Instructions
from gdbheap.without_gdb.named_values import expressions
from gdbheap.without_gdb.stacks import Stacks

_MOST_FRAMES = 64
# A handler whose stack has overflowed lies behind as many frames as fit on it.
_MOST_UNWOUND = 4096
_MOST_THREADS = 1 << 12
# So deep may a program be in libraries without source when it dies of what it handed to them.
_MOST_LIBRARY_FRAMES = 16
# How int3 comes: SI_KERNEL; TRAP_BRKPT from some virtual machines.
_INT3_CODES = (SI_KERNEL, 1)


@dataclass(frozen=True)
class StopKnowledge:
    """What is known of a process beside its values: the signals by lwp, its own id as these give it, `remarks` on how
    it was read, which every answer gives, and words of vector registers that could be pointers, by lwp."""

    signals: Mapping[int, SignalInfo]
    own_pid: int | None
    remarks: tuple[str, ...] = ()
    vectors: Mapping[int, Sequence[tuple[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Interrupted:
    """A signal whose handler runs: `level` is the number of the frame that it interrupted, `thread` has its
    registers."""

    level: int
    thread: Thread
    signal: SignalInfo | None
    handler: str


class Stops:
    """Tells of the stops of a process's threads."""

    def __init__(self, process: Process, told: StopKnowledge, stacks: Stacks, instructions: Instructions) -> None:
        self._process, self._told, self._stacks, self._instructions = process, told, stacks, instructions

    def stop(self, thread: Thread) -> Stop:
        """Return the stop of a thread, or of another one where a fault stopped that alone."""
        stopped, signal = self._stopped(thread)
        if not _is_fault(signal, stopped):
            for each in self._process.threads[:_MOST_THREADS]:
                other, found = self._stopped(each)
                if each.lwp != thread.lwp and _is_fault(found, other):
                    return replace(self._stop_of(other, found), is_selected=False)
        return self._stop_of(stopped, signal)

    def _stopped(self, thread: Thread) -> tuple[Thread, SignalInfo | None]:
        """Return the thread and what the kernel told of its stop; None for a breakpoint or a step of the debugger's
        that wrote the core."""
        signal = self._told.signals.get(thread.lwp)
        if signal is None or not signal.signal:
            return thread, None
        if signal.system_call == 0:
            signal = replace(signal, system_call=thread.registers.get(self._process.machine.result))
        thread = replace(thread, signal=0)
        if signal.signal != SIGTRAP:
            return thread, signal
        if signal.code == 0 and signal.sender == self._told.own_pid:
            return thread, None
        return thread, signal if signal.code <= 0 or self._is_own_trap(signal, thread) else None

    def _is_own_trap(self, signal: SignalInfo, thread: Thread) -> bool:
        return signal.code in _INT3_CODES and is_at_own_trap(self._process, thread.program_counter)

    def _stop_of(self, thread: Thread, signal: SignalInfo | None) -> Stop:
        found = self._stacks.code_frames(thread, _MOST_UNWOUND)
        frames = self._stacks.frames(thread, _MOST_FRAMES)
        handled = list(self._handled(thread, found, frames))
        outer = next((each for each in handled if each.signal is not None and each.signal.signal in FATAL), None)
        raised_again = signal is None or signal.code <= 0 or signal.signal not in FATAL
        if outer is not None and outer.signal is not None and outer.signal.code > 0 and raised_again:
            thread, signal = outer.thread, outer.signal
        else:
            outer = None
        first = 0 if outer is None else outer.level
        source, line, at = self._source(found[first : first + _MOST_LIBRARY_FRAMES])
        lines = self._instructions.at(thread.program_counter, 2)
        levels = self._stacks.levels(thread, _MOST_UNWOUND)
        return Stop(
            thread=thread,
            signal=signal,
            signal_name="" if signal is None else signal_name(signal.signal),
            instruction=lines[0] if lines else "",
            next_instruction=lines[1] if len(lines) > 1 else "",
            caller_instruction=self._call_before(thread),
            frames=frames[first:],
            source=source,
            own_pid=self._told.own_pid,
            handler="" if outer is None else outer.handler,
            handlers=tuple(self._handlers(found, first, handled)),
            expressions=() if at is None else expressions(self._process, self._stacks, at, levels, line),
            system_call=self._system_call(signal),
        )

    def _system_call(self, signal: SignalInfo | None) -> str:
        """Return the name of the system call that a filter refused."""
        if signal is None or signal.system_call is None:
            return ""
        return system_call_name(self._process.machine.name, signal.system_call)

    def _handled(self, thread: Thread, found: Sequence[CodeFrame], frames: Sequence[Frame]) -> Iterator[_Interrupted]:
        """Yield the signals that the thread is handling, the latest first."""
        for number, each in enumerate(found[: min(_MOST_FRAMES, len(found) - 1)]):
            if not each.level.is_signal:
                continue
            outer, inner = found[number + 1].level, frames[number - 1] if number else None
            registers = {name: outer.registers.get(name, value) for name, value in thread.registers.items()}
            machine = self._process.machine
            there = replace(
                thread,
                registers=registers,
                stack_pointer=registers[machine.stack_pointer],
                program_counter=outer.program_counter,
            )
            frame = Trampoline(each.level.stack_pointer, self._stacks.name(each), _first_argument(inner))
            signal = handled_signal(self._process.memory, machine, frame, registers)
            yield _Interrupted(number + 1, there, signal, "" if inner is None else inner.function)

    def _handlers(self, found: Sequence[CodeFrame], first: int, handled: Sequence[_Interrupted]) -> Iterator[Handler]:
        process, name = self._process, self._stacks.name
        for number in range(first, len(found)):
            frame = found[number]
            if not frame.level.is_signal:
                continue
            pointer = frame.level.stack_pointer
            kernels = process.machine.code.handler_frame(process.words, pointer)
            outer = found[number + 1] if number + 1 < len(found) else None
            known = next((each for each in handled if each.level == number + 1), None)
            told = kernels.number
            if told is None and number:
                told = self._argument_of(found[number - 1])
            yield Handler(
                number,
                told,
                name(found[number - 1]) if number else "",
                "" if outer is None else name(outer),
                pointer,
                0 if outer is None else outer.level.stack_pointer,
                kernels.alternate,
                None if known is None else known.signal,
            )

    def _argument_of(self, frame: CodeFrame) -> int | None:
        levels = [frame.level]
        for each in self._stacks.code.variables(replace(frame, index=0), levels):
            if each.is_argument:
                return self._stacks.word_of(each, frame.level)
        return None

    def _source(self, frames: Sequence[CodeFrame]) -> tuple[str, str, CodeFrame | None]:
        """Return "FILE:LINE: text" of the innermost frame whose source line can be read, the text, and the frame."""
        for each in frames:
            text = "" if each.line is None else source_text(each.line)
            if text and each.line is not None:
                return f"{each.line.file}:{each.line.number}: {text}", text, each
        return "", "", None

    def _call_before(self, thread: Thread) -> str:
        """Return the call instruction that ends where the last call's return address points, or ""."""
        machine, back = self._process.machine, return_address(self._process, thread)
        if back is None:
            return ""
        for length in machine.calls:
            found = self._instructions.one(back - length)
            if found is not None and found[1] == length and machine.code.decode(found[0], {}).flow == CALL:
                return found[0]
        return ""


def source_text(line: SourceLine, locate: Callable[[str], str] = lambda path: path) -> str:
    """Return the text of a line of source, "" where it cannot be read."""
    return next(iter(source_lines(locate(line.path), line.number, 1)), "")


def _first_argument(frame: Frame | None) -> int | None:
    return next(iter(frame.arguments.values()), None) if frame is not None else None


def _is_fault(signal: SignalInfo | None, thread: Thread) -> bool:
    """Whether a fatal signal stopped the thread: by its siginfo, or by the word of a core that has none."""
    return (signal.signal if signal is not None else thread.signal) in FATAL
