"""The MachineCode of aarch64."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from gdbheap.machine.aarch64.binutils_text import binutils_text
from gdbheap.machine.aarch64.call_code import ends_with_call
from gdbheap.machine.aarch64.call_reader import call_form
from gdbheap.machine.aarch64.left_frames import left_frames, return_addresses
from gdbheap.machine.aarch64.operand import decode
from gdbheap.machine.aarch64.refusals import refusal
from gdbheap.machine.aarch64.signal_frame import TRAMPOLINE, kept_signal, read_signal_frame, saved_registers
from gdbheap.machine.aarch64.stub import stub_slot
from gdbheap.machine.call_reader import CodeCallReader
from gdbheap.machine.code import CallReader, FloatingPoint, HandlerFrame, KeptSignal, LeftFrame
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes
from gdbheap.machine.stopped import Bytes, CodeLines, PointerWords, StoppedProcess, SymbolPlace
from gdbheap.machine.stopped_code import bytes_at


class Aarch64Code:
    """See MachineCode; what is not read yet is None."""

    mnemonic_width = 0

    def decode(self, text: str, registers: Mapping[str, int]) -> Instruction:
        return decode(text, registers)

    def refusal(self, instruction: Instruction, registers: Mapping[str, int]) -> Refusal | None:
        return refusal(instruction, registers)

    def is_undefined(self, code: bytes) -> bool:
        return False  # (Compilers put brk there, which is a trap.)

    def trap_before(self, code: bytes) -> TrapBytes | None:
        return None  # (brk leaves the program counter at itself.)

    def divides_integers(self, instruction: Instruction) -> bool:
        return False  # one by zero is 0

    def divisor(
        self, instruction: Instruction, registers: Mapping[str, int], word_at: Callable[[int], int | None]
    ) -> int | None:
        return None

    def floating_point(self, instruction: Instruction) -> FloatingPoint:
        return FloatingPoint(False, ("p $fpsr", "info float"))

    def call_reader(
        self,
        process: StoppedProcess,
        code_at: Callable[[int], CodeLines],
        symbol_at: Callable[[int], SymbolPlace | None],
        callees: re.Pattern[str],
    ) -> CallReader:
        return CodeCallReader(call_form(), process, code_at, symbol_at, callees)

    def ends_with_call(self, code: bytes) -> bool:
        return ends_with_call(code)

    def handler_frame(self, words: PointerWords, pointer: int) -> HandlerFrame:
        return read_signal_frame(words, pointer)

    def kept_signal(self, memory: Bytes, pointer: int, trampoline: str) -> KeptSignal:
        return kept_signal(memory, pointer)

    def left_frames(self, process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
        return left_frames(process, stack_pointer)

    def return_addresses(self, process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
        return return_addresses(process, below, reach)

    def binutils_text(self, mnemonic: str, operands: str) -> tuple[str, str, int | None]:
        return *binutils_text(mnemonic, operands), None

    def no_instruction(self, code: bytes) -> tuple[str, int]:
        return f".inst {int.from_bytes(code[:4], 'little'):#010x} ; undefined", 4

    def jumps(self, mnemonic: str) -> bool:
        return mnemonic in ("b", "bl") or mnemonic.startswith("b.")

    def stub_slot(self, code: bytes, address: int, got: int) -> int | None:
        return stub_slot(code, address)

    def interrupted_registers(self, process: StoppedProcess, registers: Mapping[str, int]) -> Mapping[str, int] | None:
        if bytes_at(process, registers["pc"], len(TRAMPOLINE)) != TRAMPOLINE:
            return None
        return saved_registers(process.words, registers["sp"])

    def caller_registers(
        self, process: StoppedProcess, registers: Mapping[str, int], function: int | None
    ) -> Mapping[str, int] | None:
        # A function that has not begun has its return address in the link register.
        back = registers.get("x30")
        return {**registers, "pc": process.without_signature(back)} if back else None


CODE = Aarch64Code()
