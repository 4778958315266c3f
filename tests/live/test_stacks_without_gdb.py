"""Call stacks without gdb are gdb's, wherever the program keeps what they are unwound by: .eh_frame with and without a
table to search, .debug_frame alone, symbols in a compressed section (Fedora's minidebuginfo), no symbols at all."""

from __future__ import annotations

import json
import lzma
import resource
import subprocess
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

import pytest

from gdbheap.without_gdb.command_line import reader_of
from support.gdb_runs import run_gdb
from support.programs import build

NO_TABLES = ("-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
KINDS = {
    "debug_frame": ("-O2", *NO_TABLES),
    "debug_frame, static": ("-O1", "-static", *NO_TABLES),
    "static, stripped": ("-O2", "-static", "-s"),
    "minidebuginfo": ("-O0",),
    "i386, debug_frame": ("-O1", "-m32", "-fomit-frame-pointer", *NO_TABLES),
}
OWN = ("die", "aligned", "sized", "compare", "again", "main")
# What gdb tells of a frame; without names where nobody has them.
PRINT = """python
import gdb, json
found, frame = [], gdb.newest_frame()
while frame is not None:
    jumped = frame.type() == gdb.TAILCALL_FRAME
    found.append((frame.pc(), int(frame.read_register('sp')) % 2**64, frame.name(), jumped))
    frame = frame.older()
open('{file}', 'w').write(json.dumps([int(gdb.VERSION.split('.')[0]), found]))
"""


def with_minidebuginfo(program: Path, directory: Path) -> Path:
    """Return the program as Fedora ships one: stripped, its symbols in a section of their own, packed by xz."""
    symbols, kept, packed, made = (directory / name for name in ("symbols", "kept", "packed", "shipped"))
    kept.write_text("\n".join(OWN))
    subprocess.run(["objcopy", "--only-keep-debug", program, symbols], check=True)
    subprocess.run(["objcopy", "-S", f"--keep-symbols={kept}", symbols], check=True)
    packed.write_bytes(lzma.compress(symbols.read_bytes()))
    subprocess.run(["strip", program, "-o", made], check=True)
    subprocess.run(["objcopy", "--add-section", f".gnu_debugdata={packed}", made], check=True)
    return made


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """Return gdb's frames and ours for each kind."""
    directory = tmp_path_factory.mktemp("stacks")
    words: dict[bool, list[str]] = {False: [], True: []}
    cores = {}
    unbounded = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for number, (kind, flags) in enumerate(KINDS.items()):
        run = directory / str(number)
        run.mkdir()
        program = build("unwound", *flags)
        program = with_minidebuginfo(program, directory) if kind == "minidebuginfo" else program
        subprocess.run([program], cwd=run, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unbounded))
        (core,) = run.iterdir()
        script = directory / f"{number}.gdb"
        script.write_text(PRINT.replace("{file}", f"{directory / str(number)}.json"))
        words["-m32" in flags] += ["-ex", f"file {program}", "-ex", f"core-file {core}", "-ex", f"source {script}"]
        cores[kind] = core
    for each in words.values():  # (one gdb does not change its machine well)
        run_gdb(["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", *each])
    told = {kind: json.loads((directory / f"{number}.json").read_text()) for number, kind in enumerate(KINDS)}
    return {kind: (*told[kind], frames_of(core)) for kind, core in cores.items()}


def frames_of(core: Path) -> list[list]:
    options = Namespace(core=str(core), pid=None, program=None, sysroot="", debug_dir=[])
    with ExitStack() as hold:
        reader = reader_of(options, hold)
        frames = reader.frames(reader.gather(), None, 64)
    return [[each.program_counter, each.stack_pointer, each.function or None] for each in frames]


def comparable(release: int, gdbs: list[list], mine: list[list]) -> tuple[list[list], list[list]]:
    """Return gdb's frames and ours, without what old releases get wrong of a function that ended in a jump to what it
    calls: its stack pointer is as on entry, a word below the caller's; gdb 10 leaves it out (__GI_qsort)."""
    frames = [frame[:3] for frame in gdbs]
    for index, (_, pointer, _, jumped) in enumerate(gdbs):
        if jumped and release < 16 and pointer == gdbs[index + 1][1]:
            frames[index][1] -= 8
    if release < 12:
        return ([frame for frame in each if frame[2] != "__GI_qsort"] for each in (frames, mine))
    return frames, mine


def named(frames: list[list]) -> list[list]:
    """Return frames with the names of the program's own functions (of libc's, several are right)."""
    return [[counter, pointer, name if name in OWN else None] for counter, pointer, name in frames]


@pytest.mark.parametrize("kind", KINDS)
def test_the_stack_is_gdbs(stacks, kind):
    release, gdbs, mine = stacks[kind]
    gdbs, mine = comparable(release, gdbs, mine)
    assert named(mine) == named(gdbs) and len(mine) >= 6
    if "stripped" not in kind:
        names = [name for _, _, name in mine]
        assert names[:3] == ["die", "aligned", "sized"] and names[-1] == "main"
