"""Cores without ELF headers, and without any memory: /proc/PID/coredump_filter leaves them out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gdbheap.elf.core_file import open_core
from support.expected import rows_of
from support.gdb_runs import ask, generated_core, kernel_core
from support.programs import build, running

COMMANDS = ["heap chunks", "heap bins", "heap leaks --kind all --blocks", "gdbheap"]


def filtered_core(process, directory, bits):
    Path(f"/proc/{process.pid}/coredump_filter").write_text(bits)
    return kernel_core(process, directory)


# core_without_elf_headers
@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",), ("-no-pie",)], ids=["pie", "i386", "static", "no-pie"])
@pytest.mark.parametrize("bits", ["0x1", "0x3"])
def test_a_core_without_elf_headers_tells_what_a_whole_one_tells(bits, flags, tmp_path):
    program = build("threads", *flags)
    with running(program, "2", directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        core = filtered_core(process, tmp_path, bits)
    dead = ask([str(program), str(core)], COMMANDS)
    told, whole = rows_of(dead), rows_of(live)
    for command in COMMANDS[:3]:
        assert sorted(map(str, told[command])) == sorted(map(str, whole[command]))
    notes = [row["found"] for row in dead["gdbheap"]["rows"] if row["what"] == "note"]
    assert len(notes) == 1 and notes[0].startswith("the core has no ELF headers (bit 4 of coredump_filter is clear): ")


def test_gdbs_own_core_without_elf_headers_has_its_modules(tmp_path):
    with running(build("many_sizes"), directory=tmp_path) as process:
        Path(f"/proc/{process.pid}/coredump_filter").write_text("0x1")
        core = generated_core(process.pid, tmp_path)
    # gdb leaves out what the process has not changed, headers too, with no segment in its place.
    left = open_core(str(core)).process()
    assert left.main.path == str(build("many_sizes"))
    assert any(module.path.endswith("/libc.so.6") or "/libc-2" in module.path for module in left.modules)


def test_another_build_of_a_file_is_not_taken_for_the_one_that_ran(tmp_path):
    program = tmp_path / "program"
    shutil.copy(build("many_sizes"), program)
    with running(program, directory=tmp_path) as process:
        core = filtered_core(process, tmp_path, "0x1")
    assert open_core(str(core)).process().main.path == str(program)
    program.unlink()
    shutil.copy(build("many_sizes", "-O0"), program)
    process = open_core(str(core)).process()
    assert process.main is None
    assert any(module.path.endswith("/libc.so.6") or "/libc-2" in module.path for module in process.modules)


@pytest.mark.parametrize("bits", ["0x0", "0x10"], ids=["nothing", "headers alone"])
def test_a_core_without_memory_says_so(bits, tmp_path):
    program = build("many_sizes")
    with running(program, directory=tmp_path) as process:
        core = filtered_core(process, tmp_path, bits)
    text = ask([str(program), str(core)], ["heap chunks", "heap leaks"]).text
    refusal = (
        "nothing of the heap is in this core: it holds no memory that the process wrote (bit 0 of "
        "coredump_filter is clear)\n"
    )
    assert text.count(refusal) == 2
