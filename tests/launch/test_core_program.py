"""The program that left a core is found in the core's own notes."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gdbheap.errors import HeapError
from gdbheap.launch import places
from gdbheap.launch.core_program import origin_of
from gdbheap.launch.demo import build
from gdbheap.launch.launcher import Launch
from support.made_core import Load, make_core, note, nt_file


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A core that gdb made of the demo's program, with the program beside it."""
    place = tmp_path_factory.mktemp("core")
    program = build(places.program_source("demo"), place / "demo program")
    generate = ["break look_here", "run", f"generate-core-file {place / 'core'}", "kill"]
    words = [word for line in generate for word in ("-ex", line)]
    subprocess.run(["gdb", "-nx", "-batch", *words, str(program)], check=True, capture_output=True)
    return place / "core"


def test_the_program_is_found_while_it_exists(core: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = core.with_name("demo program")
    assert origin_of(core).program == str(program)
    launch = Launch("gdb")
    assert f"--exec={program}" in launch.core(str(core), None)
    moved = program.rename(core.with_name("moved"))
    assert not any(word.startswith("--exec") for word in launch.core(str(core), None))
    said = f"the program that left {core} cannot be read ({program}: No such file or directory)"
    assert capsys.readouterr().err == f"gdbheap: {said}; name a copy of it after the core\n"
    moved.rename(program)


def test_a_32_bit_core_too(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-m32", "-o", tmp_path / "small", source], check=True)
    words = ["-ex", "break main", "-ex", "run", "-ex", f"generate-core-file {tmp_path / 'core'}", "-ex", "kill"]
    subprocess.run(["gdb", "-nx", "-batch", *words, tmp_path / "small"], check=True, capture_output=True)
    assert origin_of(tmp_path / "core").program == str(tmp_path / "small")


@pytest.mark.parametrize("size", [0, 3, 40, 64, 100, 700])
def test_a_torn_core_is_one_clear_error_or_nothing(core: Path, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn"
    torn.write_bytes(core.read_bytes()[:size])
    try:
        assert origin_of(torn).program == ""
    except HeapError as error:
        assert str(torn) in str(error)


def test_what_is_no_core(tmp_path: Path) -> None:
    with pytest.raises(HeapError, match="/bin/sh is an ELF file but no core"):
        origin_of(Path("/bin/sh"))
    with pytest.raises(HeapError, match="No such file or directory"):
        origin_of(tmp_path / "nothing")


def names_program(directory: Path, name: str) -> Path:
    """Write a core that names the program that left it (longpath, component, noaccess)."""
    auxv = note(6, struct.pack("<QQQQ", 9, 0x400010, 0, 0))
    core = directory / "core"
    notes = note(0x46494C45, nt_file([(0x400000, 0x401000, 0, name)])) + auxv
    core.write_bytes(make_core([Load(0x400000, bytes(4096))], notes))
    return core


@pytest.mark.parametrize(
    ("name", "told", "reason"),
    [
        ("/" + "A" * 5000, "", "File name too long"),
        ("/tmp/" + "A" * 300, "", "File name too long"),
        ("/nowhere/program", "/nowhere/program", "No such file or directory"),
        ("/dev/zero", "/dev/zero", "it is not a regular file"),
        ("/tmp/a b\x1b[31m\u202e\n", "/tmp/a b\\x1b[31m\\u202e\\n", "No such file or directory"),
    ],
    ids=["longpath", "component", "gone", "device", "escapes"],
)
def test_a_program_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, told: str, reason: str
) -> None:
    core = names_program(tmp_path, name)
    assert Launch("gdb").core(str(core), None)[-1] == f"--core={core}"
    told = told or f"{name[:67]}…{name[-132:]}"
    said = (
        f"gdbheap: the program that left {core} cannot be read ({told}: {reason}); name a copy of it after the core\n"
    )
    assert capsys.readouterr().err == said


def test_another_users_program_is_one_line(tmp_path: Path) -> None:
    """noaccess: the program lies in a directory that this user may not enter; everything else is as root sees it."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "program").write_bytes(b"")
    (tmp_path / "closed").chmod(0)
    core = names_program(tmp_path, str(tmp_path / "closed" / "program"))
    for path in (core, *core.parents):
        if path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    # Where this user may not enter the checkout either, its files have been looked for before.
    code = (
        "import os, sys; from gdbheap.launch.launcher import Launch, places; places.gdb_init = "
        "places.gdb_init().__str__\n"
    )
    code += "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    code += "print(Launch('gdb').core(sys.argv[1], None)[-1])"
    words = [sys.executable, "-c", code, str(core)]
    result = subprocess.run(words, capture_output=True, text=True, cwd=places.root(), check=False)
    assert result.stdout == f"--core={core}\n", result.stderr
    assert "closed/program: Permission denied); name a copy of it after the core" in result.stderr


def debuggers(place: Path, **known: str) -> None:
    """Write debuggers to a directory, which know these architectures."""
    for name, architectures in known.items():
        path = place / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\necho 'Requires an argument. Valid arguments are {architectures}, auto.'\n")
        path.chmod(0o755)


def test_another_machines_core_is_for_a_gdb_that_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "core"
    core.write_bytes(make_core([Load(0x400000, bytes(4096))], b"", machine=183))
    monkeypatch.setenv("PATH", str(tmp_path))
    debuggers(tmp_path, gdb="i386, i386:x86-64")
    with pytest.raises(HeapError, match="of an aarch64 process, which gdb does not know: apt install gdb-multiarch"):
        Launch("gdb").core(str(core), None)
    debuggers(tmp_path, gdb_multiarch="i386, aarch64")
    assert Launch("gdb").core(str(core), None)[0] == str(tmp_path / "gdb-multiarch")
    debuggers(tmp_path, gdb="i386, aarch64:ilp32, aarch64")
    assert Launch("gdb").core(str(core), None)[0] == str(tmp_path / "gdb")
