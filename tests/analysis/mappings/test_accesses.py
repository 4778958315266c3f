"""What accesses would do, by the kind of address, on a process made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.analysis.mappings.accesses import accesses
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.live.pages import PageState
from gdbheap.sentences.facts.said import said
from support.made_process import ARENA, HEAP, MAIN_STACK, STACK, VDSO, made_process

MAPERR, ACCERR, KERNEL = "SIGSEGV SEGV_MAPERR", "SIGSEGV SEGV_ACCERR", "SIGSEGV SI_KERNEL"
VSYSCALL = 0xFFFFFFFFFF600000


def results(address, page=None, process=None):
    process = process or replace(made_process(), pid=None)
    return [each.result for each in accesses(process, address, page)]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (HEAP, ["allowed", "allowed", ACCERR]),
        (0x400010, ["allowed", ACCERR, ACCERR]),
        (0x401010, ["allowed", ACCERR, "allowed"]),
        (ARENA + 0x21000, [ACCERR, ACCERR, ACCERR]),
        (STACK, [ACCERR, ACCERR, ACCERR]),
        (0, [MAPERR] * 3),
        (HEAP - 1, [MAPERR] * 3),
        # Below the main stack, within its limit, and beyond it.
        (MAIN_STACK - 0x1000, ["allowed", "allowed", ACCERR]),
        (MAIN_STACK - (9 << 20), [MAPERR] * 3),
        (1 << 47, [KERNEL] * 3),
        ((1 << 64) - (1 << 47), [MAPERR] * 3),
        ((1 << 64) - 1, [MAPERR] * 3),
        (VDSO, ["allowed", ACCERR, "allowed"]),
    ],
)
def test_by_address(address, expected):
    assert results(address) == expected


@pytest.mark.parametrize(
    ("page", "read", "write"),
    [
        (PageState.UNTOUCHED, "the shared zero page is mapped", "a fresh page"),
        (PageState.ZERO, "the page is there", "a fresh page in place of the zero page"),
        (PageState.ANONYMOUS, "the page is there", "the page is there"),
        (PageState.SWAPPED, "the page is read back from swap", "the page is read back from swap"),
        (
            None,
            "if the page is not there yet: the shared zero page is mapped",
            "if the page is not there yet: a fresh page",
        ),
    ],
)
def test_by_page(page, read, write):
    told = accesses(replace(made_process(), pid=None), HEAP, page)
    assert [said(each.effect) for each in told[:2]] == [read, write]


def test_a_guard_page_inside_a_mapping_refuses_all():
    assert results(HEAP, PageState.GUARD) == [MAPERR] * 3


def test_vsyscall_may_be_called_at_its_entries_alone():
    space = AddressSpace([VMA(VSYSCALL, VSYSCALL + 0x1000, "--xp", path="[vsyscall]")])
    process = replace(made_process(), address_space=space)
    assert results(VSYSCALL + 0x400, process=process) == [MAPERR, MAPERR, "allowed"]
    assert results(VSYSCALL + 0x10, process=process) == [MAPERR, MAPERR, KERNEL]


def test_execute_only_memory_is_not_told():
    space = AddressSpace([VMA(HEAP, HEAP + 0x1000, "--xp")])
    for machine in (X86_64, AARCH64):
        process = replace(made_process(), address_space=space, pid=None, machine=machine)
        assert results(HEAP, process=process) == ["unknown", ACCERR, "allowed"]
        assert "aarch64's EPAN" in said(accesses(process, HEAP, None)[0].effect)


def test_where_the_mappings_are_not_known_nothing_is_foretold():
    process = replace(made_process(), address_space=AddressSpace([], "remote"))
    assert results(HEAP, process=process) == ["unknown"] * 3
    assert results(1 << 47, process=process) == [KERNEL] * 3


def test_aarch64s_kernel_tells_of_what_no_address_is() -> None:
    """(do_translation_fault() of arch/arm64: SEGV_MAPERR, with the address, as in the core of `non_canonical`.)"""
    process = replace(made_process(), pid=None, machine=AARCH64)
    assert results(0x29_7F47_2323_0864, process=process) == [MAPERR] * 3
    assert said(accesses(process, 0x29_7F47_2323_0864, None)[0].effect) == "nothing can be mapped there"
