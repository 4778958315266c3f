"""The MachineCode of riscv64: its instructions are not decoded, so that `fault` says what the kernel told, and no more;
what is not read is None."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from gdbheap.machine.call_form import CallResult
from gdbheap.machine.code import CallReader, FloatingPoint, HandlerFrame, KeptSignal, LeftFrame
from gdbheap.machine.instruction import Instruction
from gdbheap.machine.refusal import Refusal, TrapBytes
from gdbheap.machine.stopped import Bytes, CodeLines, PointerWords, StackFrame, StoppedProcess, SymbolPlace
from gdbheap.machine.stopped_code import bytes_at, executable_words

_LONG, _SHORT = 4, 2
# What all calls leave their return address in, by the bits of their instructions that name it: jal ra and jalr ra.
_TARGET, _CALLS = 0xFFF, (0x0EF, 0x0E7)
# c.jalr: the register that it goes to is in the middle.
_COMPRESSED, _REGISTER = 0x9002, 0x0F80


class _NoCalls:
    """What calls were given is not read."""

    def first_argument(self, frames: Sequence[StackFrame], index: int) -> int | None:
        return None

    def passed_result(self, frames: Sequence[StackFrame], index: int) -> CallResult | None:
        return None

    def calls_another(self, frame: StackFrame) -> bool:
        return False


class Riscv64Code:
    """See MachineCode."""

    mnemonic_width = 0

    def decode(self, text: str, registers: Mapping[str, int]) -> Instruction:
        return Instruction(text, text.split(None, 1)[0] if text.strip() else "")

    def refusal(self, instruction: Instruction, registers: Mapping[str, int]) -> Refusal | None:
        return None

    def is_undefined(self, code: bytes) -> bool:
        return code.startswith(b"\0\0")  # (unimp)

    def trap_before(self, code: bytes) -> TrapBytes | None:
        return None

    def divides_integers(self, instruction: Instruction) -> bool:
        return False  # one by zero is -1

    def divisor(
        self, instruction: Instruction, registers: Mapping[str, int], word_at: Callable[[int], int | None]
    ) -> int | None:
        return None

    def floating_point(self, instruction: Instruction) -> FloatingPoint:
        return FloatingPoint(False, ("p $fcsr", "info float"))

    def call_reader(
        self,
        process: StoppedProcess,
        code_at: Callable[[int], CodeLines],
        symbol_at: Callable[[int], SymbolPlace | None],
        callees: re.Pattern[str],
    ) -> CallReader:
        return _NoCalls()

    def ends_with_call(self, code: bytes) -> bool:
        long, short = (int.from_bytes(code[-size:], "little") for size in (_LONG, _SHORT))
        if len(code) >= _LONG and long & _TARGET in _CALLS:
            return True
        return len(code) >= _SHORT and short & ~_REGISTER == _COMPRESSED and short != _COMPRESSED

    def handler_frame(self, words: PointerWords, pointer: int) -> HandlerFrame:
        return HandlerFrame()

    def kept_signal(self, memory: Bytes, pointer: int, trampoline: str) -> KeptSignal:
        return KeptSignal()

    def left_frames(self, process: StoppedProcess, stack_pointer: int) -> Iterator[LeftFrame]:
        return iter(())

    def return_addresses(self, process: StoppedProcess, below: int, reach: int) -> Iterator[int]:
        for _, value in executable_words(process, below - reach, below):
            if self.ends_with_call(bytes_at(process, value - _LONG, _LONG)):
                yield value

    def binutils_text(self, mnemonic: str, operands: str) -> tuple[str, str, int | None]:
        return mnemonic, operands, None

    def no_instruction(self, code: bytes) -> tuple[str, int]:
        return f".insn {int.from_bytes(code[:_SHORT], 'little'):#06x}", _SHORT

    def jumps(self, mnemonic: str) -> bool:
        return mnemonic in ("j", "jal")

    def stub_slot(self, code: bytes, address: int, got: int) -> int | None:
        return None

    def interrupted_registers(self, process: StoppedProcess, registers: Mapping[str, int]) -> Mapping[str, int] | None:
        return None

    def caller_registers(
        self, process: StoppedProcess, registers: Mapping[str, int], function: int | None
    ) -> Mapping[str, int] | None:
        # A function that has not begun has its return address in ra.
        back = registers.get("ra")
        return {**registers, "pc": back} if back else None


CODE = Riscv64Code()
