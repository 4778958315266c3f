"""The program that left a core is found in the core's own notes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gdbheap.errors import HeapError
from gdbheap.launch import places
from gdbheap.launch.core_program import program_of
from gdbheap.launch.demo import build


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A core that gdb made of the demo's program, with the program beside it."""
    place = tmp_path_factory.mktemp("core")
    program = build(places.program_source("demo"), place / "demo program")
    generate = ["break look_here", "run", f"generate-core-file {place / 'core'}", "kill"]
    words = [word for line in generate for word in ("-ex", line)]
    subprocess.run(["gdb", "-nx", "-batch", *words, str(program)], check=True, capture_output=True)
    return place / "core"


def test_the_program_is_found_while_it_exists(core: Path) -> None:
    program = core.with_name("demo program")
    assert program_of(core) == program
    moved = program.rename(core.with_name("moved"))
    assert program_of(core) is None
    moved.rename(program)


def test_a_32_bit_core_too(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-m32", "-o", tmp_path / "small", source], check=True)
    words = ["-ex", "break main", "-ex", "run", "-ex", f"generate-core-file {tmp_path / 'core'}", "-ex", "kill"]
    subprocess.run(["gdb", "-nx", "-batch", *words, tmp_path / "small"], check=True, capture_output=True)
    assert program_of(tmp_path / "core") == tmp_path / "small"


@pytest.mark.parametrize("size", [0, 3, 40, 64, 100, 700])
def test_a_torn_core_is_one_clear_error_or_nothing(core: Path, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn"
    torn.write_bytes(core.read_bytes()[:size])
    try:
        assert program_of(torn) is None
    except HeapError as error:
        assert str(torn) in str(error)


def test_what_is_no_core(tmp_path: Path) -> None:
    with pytest.raises(HeapError, match="/bin/sh is an ELF file but no core"):
        program_of(Path("/bin/sh"))
    with pytest.raises(HeapError, match="No such file or directory"):
        program_of(tmp_path / "nothing")
