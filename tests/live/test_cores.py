"""Cores of a real process, by the kernel and by gdb, against what /proc said of the process just before."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gdbheap.elf.core_file import CoreFile, open_core
from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import VMA
from gdbheap.process.live.proc_maps import read_smaps
from gdbheap.process.remarks import CoreTruncated
from support.gdb_runs import ask, generated_core, kernel_core
from support.made_core import Load, make_core, note
from support.mappings import mappings

PAGE = 4096
BUILDS = {"x86-64": (), "i386": ("-m32",), "static": ("-static",), "no-pie": ("-no-pie",)}
MAKERS = {
    "kernel": kernel_core,
    "gdb": lambda program, directory: generated_core(program.pid, directory),
}


@dataclass
class Case:
    """A core, and what was true of its process when it was made."""

    build: str
    maker: str
    path: Path
    core: CoreFile
    vmas: list[VMA]
    undumped: set[int]
    threads: set[int]
    facts: dict[str, tuple[int, int]]
    pages: dict[int, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module", params=[(build, maker) for build in BUILDS for maker in MAKERS], ids="-".join)
def case(request, tmp_path_factory):
    build, maker = request.param
    directory = tmp_path_factory.mktemp(f"{build}-{maker}")
    with mappings(directory, *BUILDS[build]) as program:
        usages = read_smaps(program.pid)
        vmas = [usage.vma for usage in usages]
        undumped = {usage.vma.start for usage in usages if "dd" in usage.flags}
        threads = {int(name) for name in os.listdir(f"/proc/{program.pid}/task")}
        pages = live_pages(program.pid, [*dumped_pages(vmas, undumped), *text_pages(program.facts)])
        path = MAKERS[maker](program, directory)
        yield Case(build, maker, path, open_core(str(path)), vmas, undumped, threads, dict(program.facts), pages)


def dumped_pages(vmas, undumped):
    """Return the first and last page of each mapping that every maker of cores dumps: not of a file that others
    share, nor of what the process wants left out (libc's getrandom state is so)."""
    dumped = [vma for vma in vmas if vma.writable and not (vma.shared and "mappings-file" in vma.path)]
    return [address for vma in dumped if vma.start not in undumped for address in (vma.start, vma.end - PAGE)]


def text_pages(facts):
    return [facts[name][0] & -PAGE for name in ("program_text", "libc_text", "program_constants")]


def live_pages(pid, addresses):
    pages = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for address in addresses:
            try:
                pages[address] = os.pread(memory.fileno(), PAGE, address)
            except OSError:
                continue  # a guard page inside a mapping
    return pages


def test_mappings_are_those_of_proc_maps(case):
    # gdb leaves out what the process wants left out ([vvar] is so), and writes a mapping without any access as
    # readable.
    left_out = case.undumped if case.maker == "gdb" else set()
    expected = [vma for vma in case.vmas if vma.start not in left_out]
    found = list(case.core.address_space)
    assert [(vma.start, vma.end) for vma in found] == [(vma.start, vma.end) for vma in expected]
    for core, live in zip(found, expected):
        path = (
            live.path if live.path in ("[stack]", "[vdso]", "[heap]", "[vsyscall]") or live.path.startswith("/") else ""
        )
        assert (hex(core.start), core.path) == (hex(live.start), path)
        assert core.offset == (live.offset if live.is_file else 0)
        if live.path != "[vsyscall]":
            assert all(a in (b, "?") for a, b in zip(core.permissions, live.permissions)), (core, live)


def test_names_that_the_core_does_not_tell_are_marked(case):
    space = case.core.address_space
    assert {space.find(start).path for start in space.inferred} == {"[stack]", "[vdso]", "[heap]"}


def test_memory_is_what_it_was(case):
    for address, data in case.pages.items():
        assert case.core.memory.read(address, PAGE) == data, hex(address)
    assert len(case.pages) > 30


def test_every_thread_is_there_with_its_thread_pointer(case):
    core = case.core
    assert {thread.lwp for thread in core.threads} == case.threads
    lwps = [case.facts[f"{name}_lwp"][0] for name in ("first", "second")]
    by_lwp = {thread.lwp: thread for thread in core.threads}
    for name, lwp in zip(("first", "second"), lwps):
        start, end = case.facts[f"{name}_stack"]
        assert start <= by_lwp[lwp].stack_pointer < end
    for thread in core.threads:
        if thread.thread_pointer is None:
            assert (case.build, case.maker) == ("i386", "gdb")  # older gdbs write no NT_386_TLS
        else:
            assert core.process().words.read(thread.thread_pointer) == thread.thread_pointer


def test_what_kind_of_core_it_is(case):
    core = case.core
    assert core.by_gdb == (case.maker == "gdb")
    assert core.machine == ("i386" if case.build == "i386" else "x86-64")
    assert core.command.startswith("mappings")
    # An attached gdb does not know the program's arguments.
    assert core.arguments.endswith(" pause" if case.maker == "kernel" else f"/{Path(core.arguments).name}")
    assert core.missing == () and core.notes == ()
    process = core.process()
    assert process.main is not None and Path(process.main.path).name.startswith("mappings")
    assert process.main.file == process.main.path
    assert (process.main.load_base == 0) == (case.build in ("static", "no-pie"))


def test_a_core_of_half_the_size_is_read_as_far_as_it_goes(case, tmp_path):
    short = tmp_path / "short"
    with open(case.path, "rb") as whole:
        short.write_bytes(whole.read(case.path.stat().st_size // 2))
    core = open_core(str(short))
    assert [(v.start, v.end) for v in core.address_space][:1] == [(v.start, v.end) for v in case.core.address_space][:1]
    assert core.missing and isinstance(core.notes[-1], CoreTruncated)
    for start, end in core.missing:
        with pytest.raises(MemoryFault):
            core.memory.read(start, 1)
        with pytest.raises(MemoryFault):
            core.memory.read(end - 1, 1)
    for address in set(dumped_pages(case.vmas, case.undumped)) & set(case.pages):
        if not any(start < address + PAGE and address < end for start, end in core.missing):
            assert core.memory.read(address, PAGE) == case.pages[address]


@pytest.mark.parametrize("machine", [258, 40], ids=["LoongArch", "ARM"])
def test_another_machines_core_is_refused_in_one_line(machine, tmp_path):
    path = tmp_path / "core"
    word = 4 if machine == 40 else 8
    path.write_bytes(make_core([Load(0x1000, bytes(PAGE))], note(1, bytes(400)), machine=machine, pointer_size=word))
    text = ask([], ["heap leaks", "vmmap"], get_there=[f"core-file {path}"]).text
    name = {258: "LoongArch", 40: "ARM"}[machine]
    refusal = (
        f"this core is of another machine, {name}: gdbheap reads x86-64, i386, aarch64 and riscv64 (gdb-multiarch can "
        "show its backtrace)"
    )
    assert text.count(refusal) == 2
