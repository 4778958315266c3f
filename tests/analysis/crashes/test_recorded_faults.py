"""Verdicts on recorded siginfo, registers and mappings: what the machines of the tests cannot be brought to, or not
everywhere."""

from __future__ import annotations

import struct

import pytest

from gdbheap.analysis.crashes.explain_crash import explain_stop
from gdbheap.analysis.crashes.limits import memory_facts
from gdbheap.process.address_space import VMA
from gdbheap.process.frame import Frame
from gdbheap.process.signal_info import SignalInfo, parse_siginfo
from gdbheap.process.stop import Expression
from gdbheap.sentences.facts.said import said
from support.made_crash import CODE, STACK_POINTER, made_crash
from support.made_process import ARENA, LARGE, STACK, TLS, VMAS, made_process

SEGV, BUS, ABRT = 11, 7, 6


def told(scene):
    return [
        (each.cause.value, each.confidence, each.address, said(each.finding), tuple(map(said, each.evidence)))
        for each in explain_stop(scene)
    ]


def siginfo(word, number, code, *fields):
    """The bytes of a siginfo_t: `fields` as struct.pack takes them, behind the three ints."""
    head = struct.pack("<iii", number, 0, code).ljust(16 if word == 8 else 12, b"\0")
    return (head + struct.pack(*fields)).ljust(128, b"\0")


def test_the_denial_of_a_protection_key_recorded_with_pku():
    # recorded on a processor with PKU: si_addr, si_addr_lsb, si_pkey
    info = parse_siginfo(siginfo(8, SEGV, 4, "<QQI", TLS + 16, 0, 3), 8)
    assert info == SignalInfo(SEGV, 4, 0, address=TLS + 16, protection_key=3)
    assert told(made_crash("mov    0x10(%rbx),%al", info, {"rbx": TLS})) == [
        (
            "protection_key",
            "certain",
            TLS + 16,
            "protection key 3 denies the access, though the permissions of the mapping allow it",
            (
                f"{TLS + 16:#x} is 0x10 bytes into {TLS:x}-{TLS + 0x3000:x} rw-p (anonymous)",
                f"0x10(%rbx) reads {TLS + 16:#x}",
            ),
        )
    ]


def test_execute_only_memory_is_kept_by_a_key():
    process = made_process((*VMAS, VMA(0x10000000, 0x10001000, "--xp")))
    info = SignalInfo(SEGV, 4, 0, address=0x10000010, protection_key=1)
    found = told(made_crash("mov    (%rax),%ecx", info, {"rax": 0x10000010}, process=process))
    denies = "protection key 1 denies the access: by it the kernel keeps execute-only memory from being read"
    assert {each[:4] for each in found} == {
        ("no_access", "certain", 0x10000010, "the mapping may only be executed (--xp)"),
        ("protection_key", "certain", 0x10000010, denies),
    }


@pytest.mark.parametrize("code", [3, 4, 5])
def test_broken_memory_is_told_from_a_file_that_ends(code):
    info = parse_siginfo(siginfo(8, BUS, code, "<QQ", LARGE + 0x40, 12), 8)
    ((name, sure, address, summary, evidence),) = told(made_crash("mov    (%rax),%ecx", info, {"rax": LARGE + 0x40}))
    assert (name, sure, address) == ("bus_hardware", "certain", LARGE + 0x40)
    assert summary == "the hardware has reported a memory error in the page: its content is lost"
    assert evidence[0] == f"si_code is {code}"


def test_an_alignment_check_is_about_the_operand_and_not_about_si_addr():
    info = SignalInfo(BUS, 1, 0, address=0)
    registers = {"rbx": TLS + 3, "eflags": 0x40202}
    assert told(made_crash("mov    0x10(%rbx),%ecx", info, registers)) == [
        (
            "bus_misaligned",
            "certain",
            TLS + 0x13,
            "the read needs an address that is a multiple of 4",
            (
                f"0x10(%rbx) is {TLS + 0x13:#x}, 3 past a multiple of 4",
                "the AC flag of eflags is set: the processor checks the alignment of every access",
            ),
        )
    ]


def test_no_huge_page_was_left():
    process = made_process((*VMAS, VMA(0x10000000, 0x10200000, "rw-p", path="/anon_hugepage (deleted)")))
    info = SignalInfo(BUS, 2, 0, address=0x10000000)
    (found,) = told(made_crash("movb   $0x1,(%rax)", info, {"rax": 0x10000000}, process=process))
    assert found[:4] == ("bus_huge_page", "certain", 0x10000000, "the kernel had no huge page left for the mapping")


def test_an_operand_that_counts_from_the_next_instruction_is_where_gdb_says():
    text = "mov    0x2e8b(%rip),%eax        # 0x404080 <counter>"
    scene = made_crash(text, SignalInfo(SEGV, 2, 0, address=0x404080), {})
    assert [(each.text, each.address, each.access) for each in scene.instruction.memory] == [
        ("0x2e8b(%rip)", 0x404080, "read")
    ]


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("push   %rbx", [("-0x8(%rsp)", -8, "write")]),
        ("call   0x401000 <f>", [("-0x8(%rsp)", -8, "write")]),
        ("pop    %rbx", [("(%rsp)", 0, "read")]),
        ("ret", [("(%rsp)", 0, "read")]),
        ("pushq  0x8(%rax)", [("0x8(%rax)", None, "read"), ("-0x8(%rsp)", -8, "write")]),
    ],
)
def test_what_instructions_do_to_the_stack_without_saying_so(text, memory):
    scene = made_crash(text, SignalInfo(SEGV, 1, 0, address=0x1000), {"rax": 0x500000})
    wanted = [(name, 0x500008 if at is None else 0x7FFE00020000 + at, access) for name, at, access in memory]
    assert [(each.text, each.address, each.access) for each in scene.instruction.memory] == wanted


def test_the_heap_reserve_is_no_guard_and_a_stack_far_away_has_not_overflowed():
    address = ARENA + 0x30000
    info = SignalInfo(SEGV, 2, 0, address=address)
    found = told(made_crash("movb   $0x1,(%rax)", info, {"rax": address}))
    assert [each[:2] for each in found] == [("heap_reserve", "certain"), ("no_access", "certain")]


def test_a_core_that_leaves_out_a_mapping_says_so():
    address = STACK - 0x10000
    found = told(made_crash("movb   $0x1,(%rax)", SignalInfo(SEGV, 2, 0, address=address), {"rax": address}, heap=None))
    assert [each[:2] for each in found] == [("no_access", "likely")]
    assert found[0][4][0] == "si_code is SEGV_ACCERR, but no mapping at the address is known"


def test_new_fails_for_want_of_mappings():
    process = made_process(tuple(VMA(0x10000000 + 0x2000 * n, 0x10001000 + 0x2000 * n, "rw-p") for n in range(65530)))
    scene = made_crash("syscall", SignalInfo(ABRT, -6, 0, sender=4242), {}, process=process)
    assert list(map(said, memory_facts(scene))) == [
        "the process has 65530 mappings of 0xfffa000 bytes",
        "that is as many mappings as the kernel usually allows (65530, vm.max_map_count)",
    ]


def test_the_pointer_and_its_member_are_named():
    named = Expression("p->next", 0, "struct node *", ((0, 8, "next"), (8, 8, "value"), (16, 16, "name")))
    info = SignalInfo(SEGV, 1, 0, address=8)
    scene = made_crash(
        "mov    0x8(%rax),%rax", info, {"rax": 0}, expressions=(named,), source="a.c:1: x = p->next->value;"
    )
    ((name, sure, address, summary, evidence),) = told(scene)
    assert (name, sure, address) == ("null_plus_offset", "certain", 8)
    assert summary == "a member 8 bytes (0x8) into an object at NULL is read"
    assert evidence == (
        "0x8(%rax) with rax=0x0 is 0x8",
        "p->next (struct node *) is 0x0; p->next->value is 0x8 bytes into it",
    )


def test_an_access_that_is_allowed_by_now_says_what_the_kernel_would_do():
    info = SignalInfo(SEGV, 2, 0, address=TLS + 0x100)
    (found,) = told(made_crash("mov    (%rax),%ecx", info, {"rax": TLS + 0x100}))
    assert found[:3] == ("access_allowed_now", "likely", TLS + 0x100)
    assert found[4][-1].startswith("a read there would go through: ")


def test_an_abort_whose_stack_is_missing_is_not_laid_to_the_program():
    frames = (Frame(0, CODE, STACK_POINTER),)
    found = told(made_crash("mov    %eax,%ebp", SignalInfo(ABRT, -6, 0, sender=4242), {}, heap=None, frames=frames))
    assert [(each[0], each[1], each[4]) for each in found] == [("program_abort", "likely", ())]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("movaps 0x8(%rsp),%xmm0", "misaligned_sse"),
        ("vmovntdq %ymm1,(%rbx)", "misaligned_sse"),
        ("fxrstor (%rbx)", "misaligned_sse"),
        ("xsaveopt (%rbx)", "misaligned_sse"),
        ("lock cmpxchg16b OWORD PTR [rbx]", "misaligned_sse"),
        ("movups (%rbx),%xmm0", "general_protection"),
        ("mov    %eax,%ds", "general_protection"),
        ("wrmsr", "privileged_instruction"),
        ("outsb  %ds:(%rsi),(%dx)", "privileged_instruction"),
        ("mov    %db7,%rax", "privileged_instruction"),
        ("int    0x81", "privileged_instruction"),
        ("rdtsc", "privileged_instruction"),
    ],
)
def test_what_brings_a_general_protection_fault(text, verdict):
    # Intel's manual, volume 2: each instruction's "Protected Mode Exceptions"
    scene = made_crash(text, SignalInfo(SEGV, 0x80, 0, address=0), {"rbx": TLS + 8, "rsi": TLS})
    assert [each[0] for each in told(scene)][:1] == [verdict]


def test_a_gather_names_the_element_that_failed():
    registers = {"rax": TLS, "ymm1": 0}
    scene = made_crash("vpgatherdd %ymm2,(%rax,%ymm1,4),%ymm0", SignalInfo(SEGV, 1, 0, address=TLS + 0x3010), registers)
    assert [(each.address, each.access, each.size) for each in scene.accesses] == [(TLS + 0x3010, "read", 4)]
    assert told(scene)[0][:3] == ("past_mapping_end", "certain", TLS + 0x3010)
