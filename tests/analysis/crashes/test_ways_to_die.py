"""What a thread died of, by its instruction, its registers and the kernel's word: a row for each way to die. The
expected verdicts are written from what the processor and the kernel do (Intel's manual, volume 2; the x86 fault
handlers of Linux), and from how such values come about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.analysis.crashes.explain_crash import explain_stop
from gdbheap.process.memory import ImageMemory
from gdbheap.process.signal_info import SI_KERNEL, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SignalInfo
from gdbheap.sentences.facts.said import said
from support.made_crash import CODE, made_crash
from support.made_process import HEAP, LARGE, TLS, made_process

MAPERR, ACCERR = 1, 2
TOP_BIT = 1 << 64
LOAD, STORE = "mov    (%rax),%rbx", "movb   $0x1,(%rax)"


def first(instruction, info, registers, **more):
    verdict = explain_stop(made_crash(instruction, info, registers, **more))[0]
    return verdict.cause.value, verdict.confidence


def unmapped(address):
    return SignalInfo(SIGSEGV, MAPERR, 0, address=address)


# A value that a register holds, and what it is as a pointer.
POINTERS = {
    "NULL": (0, "null_pointer", "certain"),
    "a small number": (7, "null_plus_offset", "likely"),
    "mmap's failure": (TOP_BIT - 1, "errno_as_pointer", "likely"),
    "-ENOENT": (TOP_BIT - 2, "errno_as_pointer", "likely"),
    "an address of the kernel's": (0xFFFF_8880_0000_0000, "kernel_address", "likely"),
    "nothing in particular": (0x1234_5678_9000, "unmapped", "certain"),
}


@pytest.mark.parametrize(("value", "name", "sure"), POINTERS.values(), ids=POINTERS)
def test_a_pointer_tells_what_it_is(value, name, sure):
    assert first(LOAD, unmapped(value), {"rax": value}) == (name, sure)


# These are no addresses at all: a general protection fault, and the kernel names none.
NO_ADDRESSES = {
    "text": (int.from_bytes(b"Hello wo", "little"), "ascii_as_pointer", "likely"),
    "a programmer's mark": (0xDEADBEEF_DEADBEEF, "poison_fill", "certain"),
    "half a mark": (0x1234_5678_DEADBEEF, "poison_fill", "likely"),
    "a fill": (0xDDDD_DDDD_DDDD_DDDD, "poison_fill", "likely"),
    "a bit above all addresses": (1 << 63 | 0x1234_5678_9000, "non_canonical", "certain"),
}


@pytest.mark.parametrize(("value", "name", "sure"), NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_what_is_no_address_is_told_from_the_register(value, name, sure):
    assert first(LOAD, SignalInfo(SIGSEGV, SI_KERNEL, 0, address=0), {"rax": value}) == (name, sure)


# Places of memory: (instruction, address, si_code).
PLACES = {
    "a member of an object at NULL": ("mov    0x18(%rax),%rbx", 0x18, MAPERR, "null_plus_offset", "certain"),
    "read-only data": (STORE, 0x400010, ACCERR, "write_to_read_only", "certain"),
    "code": (STORE, 0x401010, ACCERR, "write_to_read_only", "certain"),
    "behind the heap": (STORE, HEAP + 0x21000, MAPERR, "past_mapping_end", "certain"),
    "behind a mapping": (STORE, LARGE + 0x5000, MAPERR, "past_mapping_end", "certain"),
    "a mapping that allows it by now": (STORE, TLS + 0x100, ACCERR, "access_allowed_now", "likely"),
}


@pytest.mark.parametrize(("instruction", "address", "code", "name", "sure"), PLACES.values(), ids=PLACES)
def test_a_place_tells_what_was_wrong_with_it(instruction, address, code, name, sure):
    base = 0 if "0x18" in instruction else address
    info = SignalInfo(SIGSEGV, code, 0, address=address)
    assert first(instruction, info, {"rax": base}) == (name, sure)


@pytest.mark.parametrize(
    ("instruction", "registers", "summary"),
    [
        ("idivl  %ecx", {"rcx": 0}, "an integer was divided by zero"),
        ("div    %rcx", {"rcx": 0}, "an integer was divided by zero"),
        # (the upper half of the register is not the operand's)
        ("idivl  %ecx", {"rcx": 5 << 32}, "an integer was divided by zero"),
        ("idiv   %rcx", {"rcx": TOP_BIT - 1}, "the smallest integer was divided by -1: the quotient does not fit"),
        ("idivb  %cl", {"rcx": 0xFF}, "the smallest integer was divided by -1: the quotient does not fit"),
        ("div    %cl", {"rcx": 0xFF}, "an integer division whose quotient does not fit"),
        ("idiv   %r9d", {"r9": 0xFFFF_FFFF}, "the smallest integer was divided by -1: the quotient does not fit"),
        ("idivl  0x8(%rbx)", {"rbx": TLS}, "an integer was divided by zero"),
        ("idivl  0x8(%rbx)", {"rbx": 0x10}, "an integer division by zero, or a quotient that does not fit"),
    ],
)
def test_a_division_tells_its_divisor(instruction, registers, summary):
    found = explain_stop(made_crash(instruction, SignalInfo(SIGFPE, 1, 0, address=CODE), registers))[0]
    assert (found.cause.value, found.confidence, said(found.finding)) == ("integer_divide", "certain", summary)


@pytest.mark.parametrize(
    ("instruction", "looked_at"), [("divsd  %xmm1,%xmm0", "p $mxcsr"), ("fdivp  %st,%st(1)", "info float")]
)
def test_floating_point_is_looked_at_where_it_was_done(instruction, looked_at):
    found = explain_stop(made_crash(instruction, SignalInfo(SIGFPE, 3, 0, address=CODE), {}))[0]
    assert (found.cause.value, found.next[0]) == ("fp_exception", looked_at)


@pytest.mark.parametrize(
    ("signal", "instruction", "name", "sure"),
    [
        (SIGILL, "ud2", "trap_instruction", "certain"),
        (SIGILL, "(bad)", "illegal_instruction", "certain"),
        (SIGILL, "vmcall", "privileged_instruction", "certain"),
        (SIGILL, "vpopcntd %zmm1,%zmm0", "illegal_instruction", "likely"),
        (SIGTRAP, "nop", "trap_instruction", "certain"),
    ],
)
def test_an_instruction_tells_why_it_was_refused(signal, instruction, name, sure):
    assert first(instruction, SignalInfo(signal, SI_KERNEL if signal == SIGTRAP else 2, 0, address=CODE), {}) == (
        name,
        sure,
    )


@pytest.mark.parametrize(
    ("code", "name", "sure"),
    [
        (b"\x0f\x0b", "trap_instruction", "certain"),
        (b"\x0f\xb9", "trap_instruction", "certain"),
        (b"\x62\xf1", "illegal_instruction", "likely"),
        (b"", "illegal_instruction", "likely"),
    ],
    ids=["ud2", "ud1", "an instruction of AVX-512", "code that the core has left out"],
)
def test_an_instruction_that_nobody_decodes_is_not_called_none(code, name, sure):
    process = replace(made_process(), memory=ImageMemory([(CODE, code)]))
    found = explain_stop(made_crash("", SignalInfo(SIGILL, 2, 0, address=CODE), {}, process=process))[0]
    assert (found.cause.value, found.confidence) == (name, sure)
    assert not any("``" in said(each) for each in found.evidence)


@pytest.mark.parametrize(
    ("sender", "name", "sure"),
    [(4711, "external_signal", "certain"), (0, "external_signal", "certain"), (None, "external_signal", "likely")],
)
def test_a_signal_that_was_sent_has_a_sender(sender, name, sure):
    assert first("nop", SignalInfo(SIGSEGV, 0, 0, sender=sender), {}) == (name, sure)


def test_a_refused_system_call_has_its_name():
    info = SignalInfo(SIGSYS, 1, 0, system_call=59)
    found = explain_stop(made_crash("syscall", info, {}, system_call="execve"))[0]
    assert (found.cause.value, found.confidence) == ("bad_syscall", "certain")
    assert said(found.finding) == "a seccomp filter forbids system call 59 (execve)"
