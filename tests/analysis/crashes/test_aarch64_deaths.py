"""Verdicts on what aarch64's kernel (Linux 6.1, in a virtual machine) told of fixtures/programs/faults_aarch64.c and
faults_control.c when they died: signal, registers and instruction as they were recorded."""

from __future__ import annotations

import pytest

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.explain_crash import explain_stop
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread
from gdbheap.process.signal_info import SignalInfo
from gdbheap.process.stop import Stop
from gdbheap.sentences.facts.said import said

ILL, TRAP, BUS, SEGV = 4, 5, 7, 11
CODE, HEAP, DATA, STACK = 0xAAAA_C000_0000, 0xAAAA_D000_0000, 0xFFFF_A000_0000, 0xFFFF_E000_0000
VMAS = (
    VMA(CODE, CODE + 0x10000, "r-xp", path="/bin/program"),
    VMA(HEAP, HEAP + 0x21000, "rw-p", path="[heap]"),
    VMA(DATA, DATA + 0x10000, "rw-p"),
    VMA(DATA + 0x20000, DATA + 0x30000, "r--p"),
    VMA(STACK, STACK + 0x21000, "rw-p", path="[stack]"),
)
POINTER, COUNTER = STACK + 0x20000, CODE + 0x1000


def told(instruction, signal, caller="", **registers):
    """Return (cause, confidence, address, what happened, evidence) of the first verdict."""
    values = {f"x{number}": 0 for number in range(31)}
    values.update({"sp": POINTER, "pc": COUNTER, "cpsr": 0x6000_1000, **registers})
    memory = ImageMemory([(STACK, bytes(0x21000)), (DATA, bytes(0x10000)), (CODE, bytes(0x10000))])
    thread = Thread(1, 101, "", values, values["sp"], values["pc"], None)
    process = Process("core", AARCH64, memory, AddressSpace(VMAS, "core"), (thread,))
    stop = Stop(thread, signal, "", instruction, own_pid=101, caller_instruction=caller)
    decoded = AARCH64.code.decode(instruction, values)
    first = explain_stop(CrashContext(stop, process, decoded, None, {}.get, lambda name: name))[0]
    evidence = tuple(map(said, first.evidence))
    return first.cause.value, first.confidence, first.address, said(first.finding), evidence


TAGGED = 0xA5 << 56 | DATA + 0x10000
DEATHS = {
    "an exclusive that is not aligned": (
        ("ldxr x8, [x0]", SignalInfo(BUS, 1, 0, address=HEAP + 0x2A4), {"x0": HEAP + 0x2A4}),
        ("bus_misaligned", "certain", HEAP + 0x2A4, "the read needs an address that is a multiple of 8"),
    ),
    "a pair of words at half of its size": (
        ("ldaxp x8, x9, [x0]", SignalInfo(BUS, 1, 0, address=HEAP + 0x2A8), {"x0": HEAP + 0x2A8}),
        ("bus_misaligned", "certain", HEAP + 0x2A8, "the read needs an address that is a multiple of 16"),
    ),
    # (The emulator does not look at it: by do_sp_pc_abort() of Linux.)
    "a stack that is not aligned": (
        ("ldr x9, [sp]", SignalInfo(BUS, 1, 0, address=POINTER - 8), {"sp": POINTER - 8}),
        (
            "bus_misaligned",
            "certain",
            POINTER - 8,
            "the stack pointer must be a multiple of 16 where memory is accessed through it",
        ),
    ),
    "a call of half an instruction": (
        (
            "",
            SignalInfo(BUS, 1, 0, address=CODE + 0x1212),
            {"pc": CODE + 0x1212, "x30": CODE + 0x1100, "x0": CODE + 0x1212, "caller": "blr x0"},
        ),
        (
            "bus_misaligned",
            "certain",
            CODE + 0x1212,
            f"the program jumped to {CODE + 0x1212:#x}, which is no multiple of 4: no instruction can begin there: by "
            "a call through a function pointer",
        ),
    ),
    "a call of NULL": (
        ("", SignalInfo(SEGV, 1, 0, address=0), {"pc": 0, "x30": CODE + 0x1100, "x0": 0, "caller": "blr x0"}),
        ("jump_to_null", "certain", 0, "the program jumped to NULL: by a call through a function pointer"),
    ),
    "a return to text": (
        ("", SignalInfo(SEGV, 1, 0, address=0x41414141414141), {"pc": 0x41414141414141, "x30": 0x4141414141414141}),
        (
            "return_address_overwritten",
            "likely",
            0x4141414141414141,
            "a function returned to an address that was overwritten",
        ),
    ),
    "a trap of the compiler's": (
        ("brk #0x3e8", SignalInfo(TRAP, 1, 0, address=COUNTER), {}),
        (
            "trap_instruction",
            "certain",
            COUNTER,
            "the program ran into a trap that the compiler put there (__builtin_trap, unreachable code, or a "
            "sanitizer's check)",
        ),
    ),
    "a breakpoint of its own": (
        ("brk #0x0", SignalInfo(TRAP, 1, 0, address=COUNTER), {}),
        ("trap_instruction", "certain", COUNTER, "the program itself contains a breakpoint instruction (brk)"),
    ),
    "zeros": (
        ("udf #0", SignalInfo(ILL, 1, 0, address=COUNTER), {"cpsr": 0x6000_1800}),
        (
            "illegal_instruction",
            "certain",
            COUNTER,
            "this is not an instruction: the program went astray, or its code was overwritten",
        ),
    ),
    "an instruction that the processor lacks": (
        ("ptrue p0.b", SignalInfo(ILL, 1, 0, address=COUNTER), {}),
        (
            "illegal_instruction",
            "likely",
            COUNTER,
            "this processor does not support ptrue: the code was built for another one, or this is not code",
        ),
    ),
    "a register of the kernel's": (
        ("mrs x0, sctlr_el1", SignalInfo(ILL, 1, 0, address=COUNTER), {}),
        ("privileged_instruction", "certain", COUNTER, "only the kernel or a hypervisor may execute mrs"),
    ),
    "a branch to no landing pad": (
        ("nop", SignalInfo(ILL, 1, 0, address=COUNTER), {"cpsr": 0x6000_1800}),
        (
            "branch_target",
            "certain",
            COUNTER,
            "an indirect call led to an instruction that is no landing pad (bti), in a page whose code has them",
        ),
    ),
    "a pointer whose code is wrong": (
        ("autiasp", SignalInfo(ILL, 2, 0, address=COUNTER), {}),
        (
            "pointer_code",
            "certain",
            COUNTER,
            "autiasp found the pointer's authentication code (PAC) wrong: the pointer was overwritten, or signed for "
            "another use",
        ),
    ),
    "a tag that is not the memory's": (
        ("strb w1, [x0]", SignalInfo(SEGV, 9, 0, address=0x5 << 56 | DATA), {"x0": 0x5 << 56 | DATA}),
        (
            "tag_mismatch",
            "certain",
            0x5 << 56 | DATA,
            "the pointer's tag is not that of the memory of the write (MTE): a use after free, or an access beyond a "
            "block",
        ),
    ),
    "a tag that was looked at later": (
        ("ldr x1, [x0]", SignalInfo(SEGV, 8, 0, address=0), {}),
        (
            "tag_mismatch",
            "certain",
            None,
            "an access had a pointer whose tag is not the memory's (MTE): a use after free, or an access beyond a "
            "block; the processor reported it later, so that the instruction here need not be the one",
        ),
    ),
    "a tagged pointer to where nothing is": (
        ("strb w1, [x0]", SignalInfo(SEGV, 1, 0, address=TAGGED), {"x0": TAGGED}),
        ("past_mapping_end", "certain", DATA + 0x10000, "just past the end of a mapping"),
    ),
    "a tagged pointer to what may only be read": (
        ("strb w1, [x0]", SignalInfo(SEGV, 2, 0, address=TAGGED + 0x10000), {"x0": TAGGED + 0x10000}),
        ("write_to_read_only", "certain", TAGGED + 0x10000, "a write to memory that is read-only (r--p)"),
    ),
    "a pair across the end": (
        ("ldp x8, x9, [x0]", SignalInfo(SEGV, 1, 0, address=DATA + 0x10000), {"x0": DATA + 0xFFF8}),
        ("past_mapping_end", "certain", DATA + 0x10000, "just past the end of a mapping"),
    ),
    "a member of NULL": (
        ("ldr x1, [x0, #24]", SignalInfo(SEGV, 1, 0, address=24), {"x0": 0}),
        ("null_plus_offset", "certain", 24, "a member 24 bytes (0x18) into an object at NULL is read"),
    ),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_has_its_verdict(name):
    (instruction, signal, registers), wanted = DEATHS[name]
    assert told(instruction, signal, **registers)[:4] == wanted


def test_the_evidence_of_a_call_is_in_a_register():
    (instruction, signal, registers), _ = DEATHS["a call of NULL"]
    assert told(instruction, signal, **registers)[4][:2] == (
        f"the return address in x30 is {CODE + 0x1100:#x}",
        "the call there is `blr x0`",
    )


def test_a_tag_is_told_of():
    (instruction, signal, registers), _ = DEATHS["a tagged pointer to where nothing is"]
    assert (
        f"the address has the tag 0xa5: without it, it is {DATA + 0x10000:#x}"
        in told(instruction, signal, **registers)[4]
    )


def test_a_handler_is_told_of_no_tag():
    (instruction, _, registers), _ = DEATHS["a tagged pointer to where nothing is"]
    found = told(instruction, SignalInfo(SEGV, 1, 0, address=DATA + 0x10000), **registers)
    assert f"[x0] writes {TAGGED:#x}" in found[4]
