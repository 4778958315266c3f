"""`mm` on real processes and their cores: the bounds and the totals are the kernel's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from gdbheap.elf.core_file import open_core
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.images.auxv import parse_auxv
from gdbheap.process.images.initial_stack import initial_stack
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.proc_maps import parse_smaps, read_maps
from gdbheap.process.memory import ImageMemory
from gdbheap.process.mm import parse_stack_limit, parse_stat, read_mm
from gdbheap.process.process import Process
from support.gdb_runs import ask, kernel_core
from support.mappings import mappings
from support.programs import build, kill, read_until
from support.real_programs import PROGRAMS, waiting

FIRST_STACK = ("start_stack", "arg_start", "arg_end", "env_start", "env_end")


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",), ("-no-pie",)], ids=" ".join)
def test_a_cores_bounds_are_the_kernels(tmp_path, flags):
    with mappings(tmp_path, *flags) as program:
        told = parse_stat(Path(f"/proc/{program.pid}/stat").read_text())
        core = kernel_core(program, tmp_path)
        exact = program.facts["break"][0]
    found = read_mm(open_core(str(core)).process())
    names = ("start_code", "end_code", "start_data", "end_data", "start_brk", *FIRST_STACK)
    assert {name: found.get(name) for name in names} == {name: told[name] for name in names}
    assert exact <= found.get("brk") < exact + 0x1000


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_stack_of_programs_that_nobody_here_wrote(name, tmp_path):
    with waiting(name, tmp_path) as program:
        space = read_maps(program.pid)
        memory = LiveMemory(program.pid, ImageMemory([]), space)
        auxv = parse_auxv(Path(f"/proc/{program.pid}/auxv").read_bytes(), 8)
        found = initial_stack(Process("live", X86_64, memory, space, (), program.pid, auxv=auxv))
        told = parse_stat(Path(f"/proc/{program.pid}/stat").read_text())
    # nginx writes its title over all its texts, and moves the environment elsewhere.
    known = ("start_stack", "arg_start", "env_end") if name.startswith("nginx") else FIRST_STACK
    assert found == {bound: told[bound] for bound in known}


SIZES = ("resident_bytes", "anonymous_bytes", "swapped_bytes")


def values_of(answer):
    return {row["name"]: row["value"] for row in answer["rows"]}


def sizes_of(status):
    """Return the sizes of a text of /proc/PID/status in bytes."""
    return {name: int(size) * 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", status, re.MULTILINE)}


# A row of gdb's `info proc mappings`: start, end, size, offset, the permissions (since gdb 12) and the file.
OF_GDB = re.compile(r"^ *(0x\w+) +(0x\w+) +(0x\w+) +(0x\w+) +(?:([-rwxsp]{4}) *)?(.*?) *$", re.MULTILINE)


@pytest.mark.parametrize("name", ["python3", "perl", "vim", "redis-server", "nginx", "nginx worker"])
def test_the_totals_are_the_kernels(name, tmp_path):
    with waiting(name, tmp_path) as program:
        # In the same stop: a server that is let go again touches another page of its code.
        files = ("smaps", "status", "stat", "smaps_rollup")
        then = [f"shell cat /proc/{program.pid}/{file} > {tmp_path / file}" for file in files]
        answers = ask(["-p", str(program.pid)], ["mm", "vmmap"], then=[*then, "info proc mappings"])
    smaps, status, stat, rollup = ((tmp_path / file).read_text() for file in files)
    answer, mappings_shown = answers["mm"], answers["vmmap"]
    listed = [
        (int(start, 16), int(end, 16), int(size, 16), permissions, path)
        for start, end, size, _, permissions, path in OF_GDB.findall(answers.text)
    ]
    ours = [
        (int(row["start"], 16), int(row["end"], 16), row["size"], row["permissions"], row["path"])
        for row in mappings_shown["rows"]
    ]
    assert [(*row[:3], row[4]) for row in listed] == [(*row[:3], row[4]) for row in ours]
    assert all(told[3] in ("", shown[3]) for told, shown in zip(listed, ours))
    rolled = sizes_of(rollup)
    assert mappings_shown["totals"]["resident_bytes"] == rolled["Rss"]
    usages = [usage for usage in parse_smaps(smaps) if usage.vma.path != "[vsyscall]"]
    status, told = sizes_of(status), parse_stat(stat)
    totals = answer["totals"]
    assert totals["virtual_bytes"] == status["VmSize"]
    summed = [sum(usage.sizes[field] for usage in usages) for field in ("Rss", "Anonymous", "Swap")]
    assert [totals[size] for size in SIZES] == summed
    assert [totals[size] for size in SIZES] == [rolled[field] for field in ("Rss", "Anonymous", "Swap")]
    assert totals["swapped_bytes"] == status["VmSwap"]
    # The kernel's own counters lag behind by a batch of pages for each processor (Linux 6.2; lib/percpu_counter.c).
    slack = 4096 * 64 * (os.cpu_count() or 1)
    assert abs(totals["resident_bytes"] - status["VmRSS"]) <= slack
    assert abs(totals["anonymous_bytes"] - status["RssAnon"]) <= slack
    of_files = totals["resident_bytes"] - totals["anonymous_bytes"]
    assert abs(of_files - status["RssFile"] - status["RssShmem"]) <= slack
    parts = totals["by_sharing"].values()
    assert {size: sum(part[size] for part in parts) for size in ("virtual_bytes", *SIZES)} == {
        size: totals[size] for size in ("virtual_bytes", *SIZES)
    }
    assert ("shared_anonymous" in totals["by_sharing"]) == name.startswith("nginx")
    values = values_of(answer)
    assert {bound: values[bound] for bound in told} == {bound: hex(value) for bound, value in told.items()}
    assert values["stack_limit"] == parse_stack_limit(Path("/proc/self/limits").read_text())


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",), ("-no-pie",)], ids=" ".join)
def test_the_break_is_the_programs_own_sbrk_attached_and_in_a_core(tmp_path, flags):
    with mappings(tmp_path, *flags) as program:
        live = ask(["-p", str(program.pid)], ["mm"])["mm"]
        core = kernel_core(program, tmp_path)
        exact = hex(program.facts["break"][0])
    dead = ask([str(build("mappings", *flags)), str(core)], ["mm"])["mm"]
    for answer in (live, dead):
        (row,) = [row for row in answer["rows"] if row["name"] == "brk"]
        assert (row["value"], row["precision"], row["source"]) == (exact, "exact", "libc")
    assert set(live["totals"]["by_sharing"]) == {
        "private_anonymous",
        "private_file",
        "shared_anonymous",
        "shared_file",
    }
    known = {name: value for name, value in values_of(dead).items() if value is not None}
    assert set(values_of(live)) - set(known) == {"stack_limit"}
    assert known == {name: values_of(live)[name] for name in known}
    assert [dead["totals"][size] for size in SIZES] == [None, None, None]


def test_before_libc_is_loaded_and_through_gdbserver(tmp_path):
    program = build("mappings")
    first = ask([str(program)], ["mm"], get_there=["starti"])["mm"]
    (brk,) = [row for row in first["rows"] if row["name"] == "brk"]
    assert (brk["value"], brk["source"]) == (values_of(first)["start_brk"], "no heap mapping")
    assert first["notes"][0].startswith("malloc's heaps could not be read, so they are not marked: ")
    server = ["target", "remote", "|", "gdbserver", "--once", "-", str(program)]
    remote = values_of(ask([], ["mm"], get_there=[" ".join(server), "break main", "continue"])["mm"])
    # No libc has moved the break yet, and where brk's heap will begin gdbserver does not tell.
    assert {name for name, value in remote.items() if value is None} == {"start_brk", "brk", "stack_limit"}


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=" ".join)
def test_a_core_of_gdbs_without_randomized_addresses_where_the_heap_follows_the_bss(tmp_path, flags):
    program, core = str(build("mappings", *flags)), tmp_path / "core"
    words = [f"cd {tmp_path}", "run crash > /dev/null"]
    live = values_of(ask([program], ["mm"], get_there=words, then=[f"generate-core-file {core}"])["mm"])
    dead = values_of(ask([program, str(core)], ["mm"])["mm"])
    assert {name: value for name, value in live.items() if dead[name] != value} == {"stack_limit": live["stack_limit"]}


@pytest.mark.parametrize(
    ("words", "place"),
    [("setarch -L", "mappings are placed from here upwards (the legacy layout)"), ("prlimit --stack=unlimited", None)],
)
def test_where_mappings_go_in_other_layouts(tmp_path, words, place):
    program = subprocess.Popen(
        [*words.split(), str(build("mappings")), "pause"], stdout=subprocess.PIPE, cwd=tmp_path, start_new_session=True
    )
    try:
        read_until(program.stdout, b"ready\n")
        answer = ask(["-p", str(program.pid)], ["mm"])["mm"]
        libc = [vma for vma in read_maps(program.pid) if "/libc" in vma.path]
    finally:
        kill(program)
    (row,) = [row for row in answer["rows"] if row["name"] == "mmap_base"]
    values = values_of(answer)
    if place is not None:
        assert (row["precision"], row["meaning"]) == ("at_most", place)
        assert int(row["value"], 16) <= libc[0].start
    else:
        # A stack without a limit leaves it five sixths of the address space: the mappings come below the program.
        assert (row["precision"], values["stack_limit"]) == ("at_least", "unlimited")
        assert libc[-1].end <= int(row["value"], 16) < int(values["start_code"], 16)
