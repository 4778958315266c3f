"""The MachineCode of aarch64."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from gdbheap.machine.code import CallReader, FloatingPoint, HandlerFrame, KeptSignal, LeftFrame
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes
from gdbheap.machine.stopped import Bytes, CodeLines, NamedPlace, PointerWords, StackFrame, StoppedProcess


class _NoReader:
    def first_argument(self, frames: Sequence[StackFrame], index: int) -> int | None:
        return None


class Aarch64Code:
    """See MachineCode; what is not read yet is None."""

    def decode(self, text: str, registers: Mapping[str, int]) -> Instruction:
        mnemonic, _, operands = text.replace("\t", " ").partition(" ")
        return Instruction(text, mnemonic, tuple(each.strip() for each in operands.split(",") if each.strip()))

    def refusal(self, instruction: Instruction) -> Refusal | None:
        return None

    def trap_before(self, code: bytes) -> TrapBytes | None:
        return None

    def divides_integers(self, instruction: Instruction) -> bool:
        return instruction.mnemonic in ("sdiv", "udiv")

    def divisor(
        self, instruction: Instruction, registers: Mapping[str, int], word_at: Callable[[int], int | None]
    ) -> int | None:
        return None  # a division by zero does not trap

    def floating_point(self, instruction: Instruction) -> FloatingPoint:
        return FloatingPoint(False, ("info registers fpsr",))

    def call_reader(
        self,
        process: StoppedProcess,
        code_at: Callable[[int], CodeLines],
        symbol_at: Callable[[int], NamedPlace | None],
        callees: re.Pattern[str],
    ) -> CallReader:
        return _NoReader()

    def ends_with_call(self, code: bytes) -> bool:
        return is_call(code[-4:])

    def handler_frame(self, words: PointerWords, pointer: int) -> HandlerFrame:
        return HandlerFrame()

    def kept_signal(self, memory: Bytes, pointer: int, trampoline: str) -> KeptSignal:
        return KeptSignal()

    def left_frames(self, process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
        return iter(())

    def return_addresses(self, process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
        return iter(())


def is_call(code: bytes) -> bool:
    """Whether the four bytes are bl, blr, blraa or blrab."""
    word = int.from_bytes(code, "little")
    # bl; blr; blraaz, blrabz; blraa, blrab
    return (
        word >> 26 == 0b100101
        or word & 0xFFFF_FC1F == 0xD63F_0000
        or word & 0xFFFF_F81F == 0xD63F_081F
        or word & 0xFFFF_F800 == 0xD73F_0800
    )


CODE = Aarch64Code()
