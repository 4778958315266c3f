"""The README's tour is what gdb says: its commands are run in the real gdb, and their whole answers compared.

The answers are those of the system that the README names beside them; on another system, whose heap is another, the commands must
begin their answers alike. `tests/run --readme` writes the answers anew.
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
STOP = "look_here"
MARK = "\x02answer\x03"

_BLOCK = re.compile(r"^```gdb\n(.*?)^```$", re.M | re.S)
_SYSTEM = re.compile(r"glibc (\d+\.\d+), gdb (\d+\.\d+)")


def typed(readme: str) -> list[str]:
    """Return every command that the tour types at gdb's prompt, in order."""
    return [command for block in _BLOCK.findall(readme) for command in re.findall(r"^\(gdb\) (.*)$", block, re.M)]


def answers(commands: list[str]) -> list[str]:
    """Run `commands` in one gdb on the demo's program; return what each of them said."""
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / "demo"
        source = ROOT / "fixtures" / "programs" / "demo.c"
        subprocess.run(["gcc", "-g", "-O1", "-pthread", "-o", program, source], check=True)
        words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py")]
        for line in ("set confirm off", "set print thread-events off", f"tbreak {STOP}", "run"):
            words += ["-ex", line]
        for command in commands:
            words += ["-ex", f"echo {MARK}", "-ex", command]
        words += ["-ex", f"echo {MARK}", str(program)]
        result = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True
        )
        assert not result.stderr, result.stderr
        return [said.replace(place, "/tmp") for said in result.stdout.split(MARK)[1:-1]]


def regenerated(readme: str) -> str:
    """Return `readme` with the answers of this system."""
    said = dict(zip(typed(readme), answers(typed(readme))))

    def block(match: re.Match[str]) -> str:
        commands = re.findall(r"^\(gdb\) (.*)$", match.group(1), re.M)
        return "```gdb\n" + "\n".join(f"(gdb) {command}\n{said[command]}" for command in commands) + "```"

    return _BLOCK.sub(block, readme)


def without_chance(text: str) -> str:
    """Return `text` with what differs from run to run replaced: addresses, and the numbers of processes."""
    text = re.sub(r"0x[0-9a-f]{5,}", lambda match: "0x" + "?" * (len(match.group()) - 2), text)
    return re.sub(r"(process|LWP) \d+\)? *", r"\1 N ", text)


def test_the_tour_shows_what_gdb_says() -> None:
    readme = README.read_text()
    commands = typed(readme)
    assert len(set(commands)) == len(commands) > 5
    glibc, gdb = (re.search(_SYSTEM, readme) or pytest.fail("the README does not name the tour's system")).groups()
    version = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if os.confstr("CS_GNU_LIBC_VERSION") == f"glibc {glibc}" and f" {gdb}" in version:
        assert without_chance(regenerated(readme)) == without_chance(readme)
        return
    shown = [said for block in _BLOCK.findall(readme) for said in re.split(r"^\(gdb\) .*\n", block, flags=re.M)[1:]]
    for command, here, there in zip(commands, answers(commands), shown):
        assert without_chance(here).split()[0] == without_chance(there).split()[0], command


if __name__ == "__main__":
    sys.stdout.write(regenerated(README.read_text()))
