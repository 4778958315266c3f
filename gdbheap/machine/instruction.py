"""An instruction as a value: the memory that it accesses, where it goes."""

from __future__ import annotations

from gdbheap.lazy import dataclass

READ, WRITE, EXECUTE = "read", "write", "execute"
# How an instruction goes elsewhere, whatever the condition or the target.
CALL, JUMP, RETURN = "call", "jump", "return"


@dataclass(frozen=True)
class MemoryOperand:
    """A memory operand: `text` as gdb writes it, `address` evaluated, `access` READ or WRITE, `size` in bytes (0
    unknown).

    `base` and `index` are register names ("" none) with their values, `scale` and `displacement` what they are
    combined with. `is_vector`: the index is a vector of indices (a gather or scatter); `address` is without them,
    and each element is `size` bytes.
    """

    text: str
    address: int
    access: str
    size: int
    base: str = ""
    base_value: int = 0
    index: str = ""
    index_value: int = 0
    scale: int = 1
    displacement: int = 0
    segment: str = ""
    is_vector: bool = False


@dataclass(frozen=True)
class Instruction:
    """A decoded instruction: its mnemonic without prefixes, its operands as texts, and the memory that it accesses.

    `alignment`: it faults where its operand is no multiple of so many bytes (0: anywhere is fine). `string` is the
    kind of string instruction ("movs", ...) or "", `counter` the register that counts how often it is still to be
    repeated ("" where it is not). `flow` is CALL, JUMP (no condition) or RETURN, or "". `target` is the memory operand
    that an indirect call or jump takes its destination from, or None; `target_register` the register; `destination`
    that of a direct one (None: it is indirect, or goes nowhere else).
    """

    text: str
    mnemonic: str
    operands: tuple[str, ...] = ()
    memory: tuple[MemoryOperand, ...] = ()
    alignment: int = 0
    string: str = ""
    counter: str = ""
    target: MemoryOperand | None = None
    target_register: str = ""
    flow: str = ""
    destination: int | None = None
