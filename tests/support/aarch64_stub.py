"""aarch64 programs that run here: built by clang for the system in /opt/aarch64, run by qemu's user emulation, looked
at by gdb-multiarch through the stub that it has for gdb."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.gdb_runs import ROOT, Answers, run_gdb
from support.programs import PATIENCE, SOURCES, kill

SYSTEM = Path("/opt/aarch64")
_GDB = ("gdb-multiarch", "-nx", "-q", "-batch", "-iex", "set confirm off", "-iex", f"set sysroot {SYSTEM}")
_DEBUG = ("-iex", f"set debug-file-directory {SYSTEM}/usr/lib/debug")

_built = tempfile.TemporaryDirectory(prefix="gdbheap-aarch64-")


@functools.cache
def build(name: str, *flags: str) -> Path:
    """Return the program, NAME.c or NAME.cc, for aarch64 (once per session)."""
    source = next(path for path in (SOURCES / f"{name}.c", SOURCES / f"{name}.cc") if path.exists())
    target = Path(_built.name) / "-".join([name, *(flag.strip("-").replace("=", "_") for flag in flags)])
    compiler = "clang" if source.suffix == ".c" else "clang++"
    command = [compiler, "--target=aarch64-linux-gnu", f"--sysroot={SYSTEM}", "-fuse-ld=lld", "-g", "-O1", "-pthread"]
    subprocess.run([*command, *flags, "-w", "-o", str(target), str(source)], check=True)
    return target


@dataclass(frozen=True)
class Told:
    """What the program wrote up to its stop and after it, and gdbheap's answers where it stopped."""

    story: str
    rest: str
    answers: Answers

    @property
    def text(self) -> str:
        """All that the program wrote."""
        return self.story + self.rest


def look(
    program: Path,
    commands: Sequence[str],
    *arguments: str,
    get_there: Sequence[str] = ("break inspected", "continue"),
    without_symbols: bool = False,
    tunables: str = "",
    bits: int = 0,
) -> Told:
    """Run the program under qemu and gdb to where `get_there` brings it, say the commands with --json, and let the
    program end. With `bits` that is all that its addresses have."""
    options = ("-E", f"GLIBC_TUNABLES={tunables}") if tunables else ()
    options += ("-R", hex(1 << bits)) if bits else ()
    with tempfile.TemporaryDirectory() as directory, _emulated(program, arguments, Path(directory), options) as door:
        output = Path(directory) / "output"
        words = [*_GDB, *(("-iex", "set debug-file-directory /nonexistent") if without_symbols else _DEBUG)]
        lines = [f"source {ROOT / 'gdb_init.py'}", f"target remote {door}", *get_there]
        files = {command: Path(directory) / str(number) for number, command in enumerate(commands)}
        lines += [f"{command} --json --output {file}" for command, file in files.items()]
        lines += [f"shell cp {output} {output}.then", "delete", "continue"]
        said = run_gdb([*words, *(word for line in lines for word in ("-ex", line)), str(program)])
        answers = {command: json.loads(file.read_text()) for command, file in files.items() if file.exists()}
        story = Path(f"{output}.then").read_text()
        return Told(story, output.read_text()[len(story) :], Answers(said, answers))


@contextmanager
def _emulated(program: Path, arguments: Sequence[str], directory: Path, options: Sequence[str]) -> Iterator[str]:
    """Start the program in qemu, which waits for gdb before its first instruction; yield where."""
    door = directory / "door"
    words = ["qemu-aarch64", "-L", str(SYSTEM), "-g", str(door), *options]
    with open(directory / "output", "wb") as output:
        process = subprocess.Popen(
            [*words, str(program), *arguments], stdin=subprocess.DEVNULL, stdout=output, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE
        while not door.exists():
            assert process.poll() is None and time.monotonic() < end, "qemu has made no socket for gdb"
            time.sleep(0.01)
        yield str(door)
    finally:
        kill(process)
