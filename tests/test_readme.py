"""The README shows what gdb says: its commands are run in the real gdb, and their whole answers compared.

The answers are those of the system that the README names beside them; on another system, whose heap is another, the
commands must begin their answers alike. `tests/run --readme` writes the answers anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
# The programs of fixtures/programs that the README's blocks are about ("```gdb" the tour's, "```gdb NAME" the others),
# and where each stops: one runs to its end, until it is told how to die, one runs when it is told to.
STOPS = {
    "demo": ("tbreak look_here", "run"),
    "guests": (),
    "resident": ("break inspected", "run"),
    "experiments": ("break look", "run"),
    "faults_pointers": ("run",),
    "faults_mappings": ("run",),
}
FLAGS = {"resident": ("-DMODE=RETENTION",)}
MARK = "\x02answer\x03"

_BLOCK = re.compile(r"^```gdb(?: (\w+))?\n(.*?)^```$", re.M | re.S)
_SYSTEM = re.compile(r"glibc (\d+\.\d+), gdb (\d+\.\d+)")


def typed(readme: str, program: str) -> list[str]:
    """Return every command that the README types at gdb's prompt in the blocks about a program, in order."""
    blocks = [block for name, block in _BLOCK.findall(readme) if (name or "demo") == program]
    return [command for block in blocks for command in re.findall(r"^\(gdb\) (.*)$", block, re.M)]


def answers(name: str, commands: list[str]) -> list[str]:
    """Run `commands` in one gdb on the program; return what each of them said."""
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / name
        source = Path("fixtures", "programs", f"{name}.c")
        subprocess.run(
            ["gcc", "-g", "-O1", "-pthread", *FLAGS.get(name, ()), "-o", program, source], check=True, cwd=ROOT
        )
        words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py")]
        for line in ("set confirm off", "set print thread-events off", *STOPS[name]):
            words += ["-ex", line]
        for command in commands:
            words += ["-ex", f"echo {MARK}", "-ex", command]
        words += ["-ex", f"echo {MARK}", str(program)]
        result = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=True,
        )
        assert "Traceback" not in result.stdout, result.stdout
        assert "Python Exception" not in result.stdout, result.stdout
        told = re.sub(r"(\[Thread debugging|Using host libthread_db).*\n", "", result.stdout)
        return [said.replace(place, "/tmp").lstrip("\n") for said in told.split(MARK)[1:-1]]


def regenerated(readme: str) -> str:
    """Return `readme` with the answers of this system."""
    said = {program: iter(answers(program, typed(readme, program))) for program in STOPS}

    def block(match: re.Match[str]) -> str:
        heading = match[0].partition("\n")[0]
        commands = re.findall(r"^\(gdb\) (.*)$", match[2], re.M)
        told = said[match[1] or "demo"]
        return heading + "\n" + "\n".join(f"(gdb) {command}\n{next(told)}" for command in commands) + "```"

    return _BLOCK.sub(block, readme)


def without_chance(text: str) -> str:
    """Return `text` with what differs from run to run replaced: addresses, the numbers of processes, names of files
    made for the while, how deep a stack is (the environment lies on it too), and how much of the libraries is in
    memory (the kernel maps what is near and cached)."""
    text = re.sub(r"0x[0-9a-f]{5,}", lambda match: "0x" + "?" * (len(match.group()) - 2), text)
    text = re.sub(r"0x[0-9a-f]+ bytes (before|into it)", r"0x? bytes \1", text)
    text = re.sub(r"experiments-file-\w+", "experiments-file-?", text)
    text = re.sub(r"\bdepth=\d+|about [\d,]+ deep", "depth ?", text)
    text = re.sub(r"(files: code and read-only data .* )[\d.]+ [KM]iB", r"\1?", text)
    text = re.sub(r"(resident in all: )\d+ (MiB; the kernel counts )\d+ MiB", r"\1? \2?", text)
    return re.sub(r"(process|LWP) \d+\)? *", r"\1 N ", text)


def test_the_tour_shows_what_gdb_says() -> None:
    readme = README.read_text()
    assert {name or "demo" for name, _ in _BLOCK.findall(readme)} == set(STOPS)
    assert all(typed(readme, program) for program in STOPS)
    glibc, gdb = (re.search(_SYSTEM, readme) or pytest.fail("the README does not name the tour's system")).groups()
    version = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if os.confstr("CS_GNU_LIBC_VERSION") == f"glibc {glibc}" and f" {gdb}" in version:
        assert without_chance(regenerated(readme)) == without_chance(readme)
        return
    for program in STOPS:
        blocks = [block for name, block in _BLOCK.findall(readme) if (name or "demo") == program]
        shown = [said for block in blocks for said in re.split(r"^\(gdb\) .*\n", block, flags=re.M)[1:]]
        commands = typed(readme, program)
        for command, here, there in zip(commands, answers(program, commands), shown):
            assert without_chance(here).split()[0] == without_chance(there).split()[0], command


if __name__ == "__main__":
    sys.stdout.write(regenerated(README.read_text()))
