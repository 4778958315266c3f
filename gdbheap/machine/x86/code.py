"""The MachineCode of x86-64 and i386."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from gdbheap.machine.call_reader import CodeCallReader
from gdbheap.machine.code import CallReader, FloatingPoint, HandlerFrame, KeptSignal, LeftFrame
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes
from gdbheap.machine.stopped import Bytes, CodeLines, PointerWords, StoppedProcess, SymbolPlace
from gdbheap.machine.x86.arithmetic import divisor, floating_point
from gdbheap.machine.x86.binutils_text import binutils_text, jumps
from gdbheap.machine.x86.call_code import ends_with_call
from gdbheap.machine.x86.call_reader import call_form
from gdbheap.machine.x86.caller import caller_registers
from gdbheap.machine.x86.left_frames import left_frames, return_addresses
from gdbheap.machine.x86.operand import decode
from gdbheap.machine.x86.refusals import divides_integers, is_undefined, refusal, trap_before
from gdbheap.machine.x86.signal_frame import kept_signal, read_signal_frame
from gdbheap.machine.x86.stub import stub_slot


class X86Code:
    """See MachineCode; `pointer_size` is 8 or 4 bytes."""

    mnemonic_width = 6

    def __init__(self, pointer_size: int) -> None:
        self._pointer_size = pointer_size

    def decode(self, text: str, registers: Mapping[str, int]) -> Instruction:
        return decode(text, registers, self._pointer_size)

    def refusal(self, instruction: Instruction, registers: Mapping[str, int]) -> Refusal | None:
        return refusal(instruction)

    def is_undefined(self, code: bytes) -> bool:
        return is_undefined(code)

    def trap_before(self, code: bytes) -> TrapBytes | None:
        return trap_before(code)

    def divides_integers(self, instruction: Instruction) -> bool:
        return divides_integers(instruction)

    def divisor(
        self, instruction: Instruction, registers: Mapping[str, int], word_at: Callable[[int], int | None]
    ) -> int | None:
        return divisor(instruction, registers, word_at, self._pointer_size)

    def floating_point(self, instruction: Instruction) -> FloatingPoint:
        return floating_point(instruction, self._pointer_size)

    def call_reader(
        self,
        process: StoppedProcess,
        code_at: Callable[[int], CodeLines],
        symbol_at: Callable[[int], SymbolPlace | None],
        callees: re.Pattern[str],
    ) -> CallReader:
        return CodeCallReader(call_form(self._pointer_size), process, code_at, symbol_at, callees)

    def ends_with_call(self, code: bytes) -> bool:
        return ends_with_call(code)

    def handler_frame(self, words: PointerWords, pointer: int) -> HandlerFrame:
        return read_signal_frame(words, self._pointer_size, pointer)

    def kept_signal(self, memory: Bytes, pointer: int, trampoline: str) -> KeptSignal:
        return kept_signal(memory, self._pointer_size, pointer, trampoline)

    def left_frames(self, process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
        return left_frames(process, stack_pointer)

    def return_addresses(self, process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
        return return_addresses(process, below, reach)

    def binutils_text(self, mnemonic: str, operands: str) -> tuple[str, str, int | None]:
        return binutils_text(mnemonic, operands)

    def no_instruction(self, code: bytes) -> tuple[str, int]:
        return "(bad)", 1

    def jumps(self, mnemonic: str) -> bool:
        return jumps(mnemonic)

    def stub_slot(self, code: bytes, address: int, got: int) -> int | None:
        return stub_slot(code, address, got, self._pointer_size)

    def interrupted_registers(self, process: StoppedProcess, registers: Mapping[str, int]) -> Mapping[str, int] | None:
        return None  # the tables of libc and of the vdso tell of them

    def caller_registers(
        self, process: StoppedProcess, registers: Mapping[str, int], function: int | None
    ) -> Mapping[str, int] | None:
        return caller_registers(process, registers, function)


CODE_64, CODE_32 = X86Code(8), X86Code(4)
