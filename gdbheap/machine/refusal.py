"""Why a processor refuses an instruction, and which traps a program runs into, as values."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass


class Why(enum.Enum):
    """Why an instruction was refused; the value is the published name."""

    BRANCH_TARGET = "branch_target"
    COMPILER_TRAP = "compiler_trap"
    KERNEL_ONLY = "kernel_only"
    KERNEL_OR_HYPERVISOR_ONLY = "kernel_or_hypervisor_only"
    KERNEL_REGISTER = "kernel_register"
    INPUT_AND_OUTPUT = "input_and_output"
    INTERRUPT = "interrupt"
    FORBIDDEN = "forbidden"
    LOCK_PREFIX = "lock_prefix"
    NO_INSTRUCTION = "no_instruction"
    POINTER_CODE = "pointer_code"
    RESERVED_BITS = "reserved_bits"
    SELECTOR = "selector"


@dataclass(frozen=True)
class Refusal:
    """`detail` is the interrupt, what has forbidden it ("prctl PR_SET_TSC"), or the flow of the branch that led there;
    "" for the rest."""

    why: Why
    detail: str = ""


@dataclass(frozen=True)
class TrapBytes:
    """The bytes of a trap instruction, and its name ("int3"); `is_overflow`: it is raised on an overflow."""

    code: bytes
    name: str
    is_overflow: bool = False
