"""One run of a whole aarch64 machine (aarch64_guest.py): programs built here by gcc's cross compiler, looked at there
by the machine's gdb; the galleries of fixtures/programs/faults_*, which die there, some of them in that gdb, all of
them with a core that gdb-multiarch reads here."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import fault_gallery
from support.aarch64_guest import Guest
from support.aarch64_stub import Told
from support.fault_gallery import cases_of
from support.gdb_runs import ROOT, Answers, run_gdb
from support.programs import SOURCES

SYSTEM = Path("/opt/aarch64")
IMAGE = Path("/opt/aarch64.ext4")
OWN_KERNEL = Path("/opt/kernel")  # of the user's, in place of the system's
MACHINE = "aarch64"
PAGE = int(os.environ.get("GDBHEAP_GUEST_PAGE", "4096"))
FAMILIES = (*fault_gallery.FAMILIES, MACHINE)
PATIENCE = 3600.0  # seconds, of which a quiet machine takes two hundred
# The processor with all that it may have: memory tags, branch targets, signed addresses (by a cheap algorithm), SVE.
_CPU = ("max,pauth-impdef=on", "virt,mte=on")
_FLAGS = {"many_sizes_static": ("-static",), "resident": ("-DMODE=RETENTION",)}
# Where a program that does not call inspected() is looked at.
_THERE = {"mappings": ("run crash",)}
_CALLS = ("malloc(24)", "malloc(5000)", "malloc(24)", "malloc(300000)", "malloc(1032)")
_FILTER = 0x33  # written memory, the first page of every ELF file, as is usual, and huge pages
_DIE = """
export PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
mkdir /out/live /out/dead; cd /tmp
echo {filter} > /proc/self/coredump_filter
words=()
while IFS= read -r line; do words+=(-ex "$line"); done < /src/lines
gdb -nx -q -batch -iex 'set confirm off' "${{words[@]}}" > /out/gdb 2>&1 < /dev/null
cat /proc/uptime
ulimit -c unlimited
while read family name; do
    /src/programs/faults_$family $name aloud > /out/dead/$name.out 2>&1 < /dev/null
    for core in /out/core.*; do [ -e $core ] && mv $core /out/dead/$name.core; done
done < /src/deaths
cat /proc/uptime
"""


@dataclass(frozen=True)
class Machine:
    """What the machine told: of each program, and of each death what the program told beforehand, and what `fault` said
    of it live and of its core."""

    out: Path
    told: Mapping[str, Told]
    live: Mapping[str, dict[str, Any]]
    dead: Mapping[str, dict[str, Any]]

    @property
    def maps(self) -> list[tuple[str, str, str]]:
        """The kernel's mappings of the program `mappings`."""
        lines = [line.split() for line in (self.out / "maps").read_text().splitlines()]
        wheres = [(where.split("-"), rights) for where, rights, *_ in lines]
        return [(f"{int(start, 16):#x}", f"{int(end, 16):#x}", rights) for (start, end), rights in wheres]

    @property
    def returned(self) -> list[int]:
        """What the calls have returned that `heap predict` foretold."""
        return [int(each, 16) for each in re.findall(r"^returned (0x\w+)$", (self.out / "gdb").read_text(), re.M)]

    def told_of(self, name: str, where: str) -> dict[str, int]:
        """Return what the case told of itself before it died, "live" or "dead"."""
        text = (self.out / where / f"{name}.out").read_text(errors="replace")
        return {key: int(value, 0) for key, value in re.findall(rf"^told {name} (\w+) (\w+)$", text, re.M)}


def run(questions: Mapping[str, Sequence[str]], live: Mapping[str, Sequence[str]], directory: Path) -> Machine:
    """Run the machine once: ask each program its questions where it stops, and let every case of the galleries die,
    those of `live` in gdb, too."""
    programs, out = directory / "programs", directory / "out"
    programs.mkdir()
    out.mkdir()
    for name in questions:
        _build(name.removesuffix("_static"), programs / name, "-O1", *_FLAGS.get(name, ()))
    for family in FAMILIES:
        _build(f"faults_{family}", programs / f"faults_{family}", "-O0", *fault_gallery.FLAGS)
    lines, deaths = directory / "lines", directory / "deaths"
    lines.write_text("\n".join(_lines(questions, live)) + "\n")
    names = [(family, name) for family in FAMILIES for name in cases_of(family, MACHINE)]
    deaths.write_text("".join(f"{family} {name}\n" for family, name in names))
    files = {
        "programs": programs,
        "lines": lines,
        "deaths": deaths,
        "fixtures/programs": ROOT / "fixtures" / "programs",
    }
    files |= {name: ROOT / name for name in ("gdbheap", "gdb_init.py")}
    _guest().run(files, _DIE.format(filter=_FILTER), out, PATIENCE)
    return read(questions, live, directory)


def read(questions: Mapping[str, Sequence[str]], live: Mapping[str, Sequence[str]], directory: Path) -> Machine:
    """Return what a machine has told that has run in the directory."""
    programs, out = directory / "programs", directory / "out"
    told = {name: _told(out, name, commands) for name, commands in questions.items()}
    alive = {name: json.loads((out / "live" / name).read_text()) for names in live.values() for name in names}
    return Machine(out, told, alive, dict(_dead(programs, out / "dead")))


def _guest() -> Guest:
    kernel = OWN_KERNEL if OWN_KERNEL.exists() else next(SYSTEM.glob("boot/vmlinuz-*"))
    return Guest(kernel, IMAGE, SYSTEM, *_CPU)


def _build(name: str, target: Path, *flags: str) -> None:
    source = next(path for path in (SOURCES / f"{name}.c", SOURCES / f"{name}.cc") if path.exists())
    compiler = "aarch64-linux-gnu-" + ("gcc" if source.suffix == ".c" else "g++")
    page = [f"-DPAGE={PAGE}"] if name.startswith("faults_") else []
    subprocess.run([compiler, "-g", "-pthread", "-w", *flags, *page, "-o", str(target), str(source)], check=True)


def _lines(questions: Mapping[str, Sequence[str]], live: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what gdb is told. (A second process keeps libc's debug information read.)"""
    first = next(iter(questions))
    yield from ("source /src/gdb_init.py", f"add-inferior -exec /src/programs/{first}", "inferior 2", "tbreak main")
    yield from ("run > /dev/null 2>&1 < /dev/null", "inferior 1")
    for name, commands in questions.items():
        yield from (f"file /src/programs/{name}", "delete", "break inspected")
        start, *then = _THERE.get(name, ("run",))
        yield from (f"{start} < /dev/null > /out/{name}.said", *then)
        for number, command in enumerate(commands):
            yield f"{command} --json --output /out/{name}.{number}"
        if name == "mappings":
            yield "python import shutil; shutil.copyfile(f'/proc/{gdb.selected_inferior().pid}/maps', '/out/maps')"
        if any(command.startswith("heap predict") for command in commands):
            yield from (f'printf "returned %p\\n", {call}' for call in _CALLS)
        yield "kill"
    yield "handle SIGUSR1 nostop noprint pass"
    for family, names in live.items():
        yield f"file /src/programs/faults_{family}"
        for name in names:
            yield from (
                f"run {name} aloud > /out/live/{name}.out 2>&1",
                f"fault --json --output /out/live/{name}",
                "kill",
            )


def _told(out: Path, name: str, commands: Sequence[str]) -> Told:
    files = {command: out / f"{name}.{number}" for number, command in enumerate(commands)}
    answers = {command: json.loads(file.read_text()) for command, file in files.items() if file.exists()}
    said = (out / "gdb").read_text(errors="replace")
    return Told((out / f"{name}.said").read_text(), "", Answers(said, answers))


def _dead(programs: Path, dead: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what `fault` says in gdb-multiarch of each core, by case."""
    words = ["gdb-multiarch", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"]
    words += ["-iex", f"set sysroot {SYSTEM}", "-iex", f"set debug-file-directory {SYSTEM}/usr/lib/debug"]
    words += ["-ex", f"source {ROOT / 'gdb_init.py'}"]
    died = []
    for family in FAMILIES:
        words += ["-ex", f"file {programs}/faults_{family}"]
        for name in cases_of(family, MACHINE):
            if (dead / f"{name}.core").exists():
                died.append(name)
                words += ["-ex", f"core-file {dead}/{name}.core", "-ex", f"fault --json --output {dead}/{name}.fault"]
    run_gdb(words, patience=PATIENCE, fresh=True)
    yield from ((name, json.loads((dead / f"{name}.fault").read_text())) for name in died)
