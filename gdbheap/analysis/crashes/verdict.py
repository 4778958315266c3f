"""Verdict: one answer to "why did it die?", with what speaks for it."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact

CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
_ORDER = {CERTAIN: 0, LIKELY: 1, POSSIBLE: 2}


class Cause(enum.Enum):
    """Why a program died; the value is the published name."""

    ACCESS_ALLOWED_NOW = "access_allowed_now"
    ASCII_AS_POINTER = "ascii_as_pointer"
    ASSERTION = "assertion"
    BAD_ALLOC = "bad_alloc"
    BAD_SYSCALL = "bad_syscall"
    BIT_FLIP = "bit_flip"
    BRANCH_TARGET = "branch_target"
    BUS_BEYOND_EOF = "bus_beyond_eof"
    BUS_HARDWARE = "bus_hardware"
    BUS_HUGE_PAGE = "bus_huge_page"
    BUS_MISALIGNED = "bus_misaligned"
    CHUNK_METADATA = "chunk_metadata"
    DEADLOCK_IN_MALLOC = "deadlock_in_malloc"
    ERRNO_AS_POINTER = "errno_as_pointer"
    EXTERNAL_SIGNAL = "external_signal"
    FORTIFY_OVERFLOW = "fortify_overflow"
    FP_EXCEPTION = "fp_exception"
    FREED_CHUNK = "freed_chunk"
    FREED_MMAPPED_CHUNK = "freed_mmapped_chunk"
    GENERAL_PROTECTION = "general_protection"
    GUARD_PAGE = "guard_page"
    HEAP_CORRUPTION = "heap_corruption"
    HEAP_RESERVE = "heap_reserve"
    ILLEGAL_INSTRUCTION = "illegal_instruction"
    INTEGER_DIVIDE = "integer_divide"
    INVALID_FREE = "invalid_free"
    JUMP_TO_NON_EXECUTABLE = "jump_to_non_executable"
    JUMP_TO_NULL = "jump_to_null"
    JUMP_TO_UNMAPPED = "jump_to_unmapped"
    KERNEL_ADDRESS = "kernel_address"
    MALLOC_ABORT = "malloc_abort"
    MANGLED_LINK = "mangled_link"
    MISALIGNED_SSE = "misaligned_sse"
    NEGATIVE_SMALL = "negative_small"
    NO_ACCESS = "no_access"
    NON_CANONICAL = "non_canonical"
    NULL_FROM_MALLOC = "null_from_malloc"
    NULL_PLUS_OFFSET = "null_plus_offset"
    NULL_POINTER = "null_pointer"
    PAST_CHUNK_END = "past_chunk_end"
    PAST_MAPPING_END = "past_mapping_end"
    POINTER_CODE = "pointer_code"
    POISON_FILL = "poison_fill"
    PRIVILEGED_INSTRUCTION = "privileged_instruction"
    PROGRAM_ABORT = "program_abort"
    PROTECTION_KEY = "protection_key"
    REENTERED_MALLOC = "reentered_malloc"
    RETURN_ADDRESS_OVERWRITTEN = "return_address_overwritten"
    SIGNAL_STACK_OVERFLOW = "signal_stack_overflow"
    STACK_OVERFLOW = "stack_overflow"
    STACK_SMASHING = "stack_smashing"
    STRING_OVERRUN = "string_overrun"
    TAGGED_POINTER = "tagged_pointer"
    TAG_MISMATCH = "tag_mismatch"
    TCACHE_KEY_AS_POINTER = "tcache_key_as_pointer"
    THREAD_STACK_OVERFLOW = "thread_stack_overflow"
    TOP_CHUNK = "top_chunk"
    TRAP_INSTRUCTION = "trap_instruction"
    TRUNCATED_POINTER = "truncated_pointer"
    UNCAUGHT_EXCEPTION = "uncaught_exception"
    UNKNOWN = "unknown"
    UNLOADED_CODE = "unloaded_code"
    UNMAPPED = "unmapped"
    WILD_STACK_POINTER = "wild_stack_pointer"
    WILD_VTABLE = "wild_vtable"
    WRITE_TO_READ_ONLY = "write_to_read_only"


@dataclass(frozen=True)
class Verdict:
    """`address` is what the verdict is about (None: nothing); `finding` says what happened, `evidence` what speaks for
    it; `next` are commands."""

    cause: Cause
    confidence: str
    address: int | None
    finding: Fact
    evidence: tuple[Fact, ...] = ()
    next: tuple[str, ...] = ()


# What the bad address looks like, rather than how it came about: a likely cause goes before them, however certain they
# are.
_SYMPTOMS = frozenset(
    {
        Cause.UNMAPPED,
        Cause.NON_CANONICAL,
        Cause.NO_ACCESS,
        Cause.KERNEL_ADDRESS,
        Cause.JUMP_TO_UNMAPPED,
    }
)
# What NULL, a small number or a wild target looks like, where another verdict tells how it came about.
_SHAPES = frozenset({Cause.NULL_POINTER, Cause.NULL_PLUS_OFFSET, Cause.JUMP_TO_NULL, Cause.JUMP_TO_NON_EXECUTABLE})
_CAUSES = frozenset(
    {
        Cause.FREED_CHUNK,
        Cause.WILD_VTABLE,
        Cause.CHUNK_METADATA,
        Cause.PAST_CHUNK_END,
        Cause.RETURN_ADDRESS_OVERWRITTEN,
        Cause.WILD_STACK_POINTER,
    }
)


def best_first(verdicts: list[Verdict]) -> list[Verdict]:
    """Return the verdicts by confidence, causes before symptoms, the order they were found in kept; one for each
    cause."""
    caused = any(each.cause in _CAUSES and each.confidence != POSSIBLE for each in verdicts)
    symptoms = _SYMPTOMS | _SHAPES if caused else _SYMPTOMS
    ordered = sorted(
        verdicts, key=lambda each: (each.confidence == POSSIBLE, each.cause in symptoms, _ORDER[each.confidence])
    )
    best: dict[Cause, Verdict] = {}
    for each in ordered:
        best.setdefault(each.cause, each)
    return list(best.values())
