from __future__ import annotations

import os
import resource
import struct
from pathlib import Path

import pytest

from gdbheap.errors import HeapError, NoProcess
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.images.auxv import parse_auxv
from gdbheap.process.live.proc_maps import read_maps
from gdbheap.process.memory import ImageMemory
from gdbheap.process.mm import (
    HEAP_MAPPING,
    LIBC,
    MAPPINGS,
    PROGRAM_HEADERS,
    STAT,
    UNLIMITED,
    parse_stack_limit,
    parse_stat,
    read_mm,
)
from gdbheap.process.process import Module, ModuleSegment, Process

MAIN = Module(
    "/bin/x",
    None,
    0x400000,
    "",
    (
        ModuleSegment(0x400000, 0x400800, 0x400800, "r--"),
        ModuleSegment(0x401000, 0x402345, 0x402345, "r-x"),
        ModuleSegment(0x403D00, 0x405800, 0x407F00, "rw-"),
    ),
)


def process(kind="core", space=(), **more) -> Process:
    return Process(kind, X86_64, ImageMemory([]), AddressSpace(space), (), **more)


def stat_line(command: str, **fields: int) -> str:
    """Return a line of 52 fields, all 0 but those given by number (f26=...)."""
    numbers = [fields.get(f"f{number}", 0) for number in range(3, 53)]
    return f"77 ({command}) " + " ".join(map(str, ["S", *numbers[1:]])) + "\n"


@pytest.mark.parametrize("command", ["server", "a b) (c", ") S 1 2 3", ""])
def test_stat_is_read_whatever_the_commands_name(command):
    assert parse_stat(stat_line(command, f26=0x1000, f27=0x2000, f47=0x5000, f51=0x9000)) == {
        "start_code": 0x1000,
        "end_code": 0x2000,
        "start_brk": 0x5000,
        "env_end": 0x9000,
    }


def test_bounds_that_the_kernel_hides_are_left_out():
    assert parse_stat(stat_line("x", f26=1, f27=1)) == {}


@pytest.mark.parametrize("text", ["", "garbage", "1 (x) S", "1 (x) S " + "y " * 60])
def test_what_is_no_stat_is_an_error(text):
    with pytest.raises(HeapError):
        parse_stat(text)


def test_stack_limits():
    line = "Max stack size             {}              unlimited            bytes     \n"
    head = "Limit                     Soft Limit           Hard Limit           Units     \n"
    assert parse_stack_limit(head + line.format("8388608")) == 8 << 20
    assert parse_stack_limit(head + line.format("unlimited")) == UNLIMITED
    assert parse_stack_limit(head) is None
    assert parse_stack_limit("Max stack size -\n") is None


def test_auxv_ends_at_its_null():
    assert parse_auxv(struct.pack("<8Q", 3, 0x40, 9, 0x50, 0, 0, 25, 0x60), 8) == {3: 0x40, 9: 0x50}
    assert parse_auxv(struct.pack("<5I", 3, 0x40, 9, 0x50, 7), 4) == {3: 0x40, 9: 0x50}
    assert parse_auxv(b"", 8) == {}


def test_this_process_has_the_kernels_bounds():
    space = read_maps(os.getpid())
    mm = read_mm(process("live", space, pid=os.getpid()))
    assert set(mm.sources.values()) == {STAT, HEAP_MAPPING, MAPPINGS}
    stack = next(vma for vma in space if vma.path == "[stack]")
    assert all(mm.get(name) in stack for name in ("start_stack", "arg_start", "env_start"))
    assert mm.get("arg_start") < mm.get("arg_end") <= mm.get("env_start") < mm.get("env_end")
    assert mm.get("start_brk") <= mm.get("brk")
    arguments = Path(f"/proc/{os.getpid()}/cmdline").read_bytes()
    assert mm.get("arg_end") - mm.get("arg_start") == len(arguments)
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    assert mm.stack_limit == (UNLIMITED if soft == resource.RLIM_INFINITY else soft)


def test_a_core_tells_what_its_headers_and_mappings_do():
    space = [
        VMA(0x1000000, 0x1021000, "rw-?", path="[heap]"),
        VMA(0x7F0000000000, 0x7F0000004000, "r--?", path="/lib/ld.so"),
        VMA(0x7FFE00000000, 0x7FFE00021000, "rw-?", path="[stack]"),
    ]
    mm = read_mm(process(space=space, main=MAIN))
    assert mm.bounds == {
        "start_code": 0x401000,
        "end_code": 0x402345,
        "start_data": 0x403D00,
        "end_data": 0x405800,
        "start_brk": 0x1000000,
        "brk": 0x1021000,
        "mmap_top": 0x7F0000004000,
    }
    assert set(mm.sources.values()) == {PROGRAM_HEADERS, HEAP_MAPPING, MAPPINGS}
    assert mm.stack_limit is None and mm.get("env_end") is None


def test_a_huge_stack_limit_puts_the_mappings_below_the_program():
    space = [
        VMA(0x150000000000, 0x150000004000, "r--?", path="/lib/ld.so"),
        *(VMA(each.start & -0x1000, each.end, "r--?", path="/bin/x") for each in MAIN.segments),
        VMA(0x406000, 0x408000, "rw-?"),
        VMA(0x1000000, 0x1021000, "rw-?", path="[heap]"),
        VMA(0x7FFE00000000, 0x7FFE00021000, "rw-?", path="[stack]"),
        VMA(0x7FFF00000000, 0x7FFF00002000, "r-x?", path="[vdso]"),
    ]
    assert read_mm(process(space=space, main=MAIN)).get("mmap_top") == 0x150000004000
    assert read_mm(process(space=space[1:], main=MAIN)).get("mmap_top") is None


def test_libcs_own_break_is_better_than_the_mappings_end():
    space = [VMA(0x1000000, 0x1021000, "rw-?", path="[heap]")]
    mm = read_mm(process(space=space), brk=0x1020018)
    assert (mm.get("brk"), mm.sources["brk"]) == (0x1020018, LIBC)


def test_nothing_known_is_nothing_said():
    mm = read_mm(process())
    assert (mm.bounds, mm.stack_limit) == ({}, None)


def test_a_process_that_is_gone_is_said_so():
    with pytest.raises(NoProcess):
        read_mm(process("live", pid=2**22 + 1))
