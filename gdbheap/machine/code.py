"""MachineCode: what only a machine's own code can tell, of its instructions and of what its kernel puts on stacks.
A machine's room implements it whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from gdbheap.lazy import dataclass
from gdbheap.machine.call_form import CallResult
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes
from gdbheap.machine.stopped import Bytes, CodeLines, PointerWords, StackFrame, StoppedProcess, SymbolPlace


@dataclass(frozen=True)
class HandlerFrame:
    """What the kernel's frame for a signal handler tells: the signal's `number` and the bounds of the `alternate` stack
    that was set up; each None where it does not tell."""

    number: int | None = None
    alternate: tuple[int, int] | None = None


@dataclass(frozen=True)
class KeptSignal:
    """What the kernel has saved for a handler: `info` is where siginfo lies (0: the handler gets none), and of a page
    fault that the saved registers tell of `fault` is the address and `is_mapped` whether a mapping refused the
    access (None, False: they tell of none, or of another trap)."""

    info: int = 0
    fault: int | None = None
    is_mapped: bool = False


@dataclass(frozen=True)
class LeftFrame:
    """A handler's frame at `address` (its return address, to the trampoline); it was at `program_counter`, with
    `stack_pointer`, that the signal came."""

    address: int
    program_counter: int
    stack_pointer: int


@dataclass(frozen=True)
class FloatingPoint:
    """Where to look for the instruction that a floating-point exception is about: whether the unit `reports_late`, at
    its next instruction, and gdb's commands."""

    reports_late: bool
    next: tuple[str, ...]


class CallReader(Protocol):
    """Reads what calls that have not returned were given, out of the code before them."""

    def first_argument(self, frames: Sequence[StackFrame], index: int) -> int | None:
        """Return what frame `index` passed to the function that it has called; None where no code tells for sure."""

    def passed_result(self, frames: Sequence[StackFrame], index: int) -> CallResult | None:
        """Return which call's result frame `index` handed on; None where it is none, or no code tells for sure."""

    def calls_another(self, frame: StackFrame) -> bool:
        """Whether the frame's call goes to a function that is none of the callees, as far as its own bytes tell."""


class MachineCode(Protocol):
    """The code of one machine. Texts of instructions are gdb's."""

    @property
    def mnemonic_width(self) -> int:
        """How many columns gdb's texts have for a mnemonic, at least."""

    def decode(self, text: str, registers: Mapping[str, int]) -> Instruction:
        """Decode one line of gdb's disassembly (without the address). What it does not know has no memory operands."""

    def refusal(self, instruction: Instruction, registers: Mapping[str, int]) -> Refusal | None:
        """Return why the processor refuses the instruction to a program; None where nothing is known that would."""

    def is_undefined(self, code: bytes) -> bool:
        """Whether the bytes begin with the undefined instruction that compilers put where no program may come."""

    def trap_before(self, code: bytes) -> TrapBytes | None:
        """Return the trap that the two bytes before a program counter are, or end with; None where they are none."""

    def divides_integers(self, instruction: Instruction) -> bool:
        """Whether the instruction is a division of integers."""

    def divisor(
        self, instruction: Instruction, registers: Mapping[str, int], word_at: Callable[[int], int | None]
    ) -> int | None:
        """Return the value that an instruction divides by, signed if it is; None where it cannot be had."""

    def floating_point(self, instruction: Instruction) -> FloatingPoint:
        """Return where the exception that this instruction died of comes from."""

    def call_reader(
        self,
        process: StoppedProcess,
        code_at: Callable[[int], CodeLines],
        symbol_at: Callable[[int], SymbolPlace | None],
        callees: re.Pattern[str],
    ) -> CallReader:
        """Return what reads calls of the functions whose names `callees` matches. `code_at` gives the instructions of
        the function that an address lies in, () where its bounds are not known; `symbol_at` the symbol that an
        address is in."""

    def ends_with_call(self, code: bytes) -> bool:
        """Whether a call's instruction may end these bytes, which are as many as the longest has."""

    def handler_frame(self, words: PointerWords, pointer: int) -> HandlerFrame:
        """Return what the frame tells that a handler returns to; its stack pointer there is `pointer`."""

    def kept_signal(self, memory: Bytes, pointer: int, trampoline: str) -> KeptSignal:
        """Return what the kernel has left for the handler that returns to the function called `trampoline`; raises
        MemoryFault."""

    def left_frames(self, process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
        """Yield the frames of handlers that have returned and lie whole enough below the stack pointer, the nearest
        first."""

    def return_addresses(self, process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
        """Yield the words that point behind a call, from the address downwards, so many bytes of them."""

    def binutils_text(self, mnemonic: str, operands: str) -> tuple[str, str, int | None]:
        """Return an instruction's mnemonic and operands the way that binutils writes them, out of what capstone does;
        and how far behind the instruction an operand lies that counts from there (None: none does)."""

    def no_instruction(self, code: bytes) -> tuple[str, int]:
        """Return binutils' text for bytes that are no instruction, and of how many of them it is."""

    def jumps(self, mnemonic: str) -> bool:
        """Whether the instruction's operand is where it goes on."""

    def stub_slot(self, code: bytes, address: int, got: int) -> int | None:
        """Return the slot by which a stub of a PLT jumps, of which these are the bytes, at the address; None where they
        are none, or that is not read. `got` is where the module's slots begin."""

    def interrupted_registers(self, process: StoppedProcess, registers: Mapping[str, int]) -> Mapping[str, int] | None:
        """Return the registers that the kernel saved for a handler, where the program counter is at the trampoline that
        handlers return to and no table tells how to unwind it; None where it is elsewhere. Raises MemoryFault."""

    def caller_registers(
        self, process: StoppedProcess, registers: Mapping[str, int], function: int | None
    ) -> Mapping[str, int] | None:
        """Return the registers of the caller of a function that begins at `function` (None: not known) and of which no
        table tells how to unwind it: by how such functions begin, or as if it had just been called. None where nobody
        called it; raises MemoryFault."""
