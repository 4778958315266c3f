"""README.md and the pages of gdbheap/docs show what gdb says: their commands are run in the real gdb, and the whole
answers compared.

The answers are those of the system that each page names; on another system, whose heap is another, the commands must
begin their answers alike. `tests/run --readme` writes the answers anew.
"""

from __future__ import annotations

import fcntl
import functools
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pytest

from gdbheap.launch.help import topics

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "gdbheap" / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# The programs of fixtures/programs that the pages' blocks are about ("```gdb NAME"), and where each stops: one runs to
# its end, until it is told how to die, one runs when it is told to.
STOPS = {
    "demo": ("tbreak look_here", "run"),
    "guests": (),
    "resident": ("break inspected", "run"),
    "experiments": ("break look", "run"),
    "faults_pointers": ("run",),
    "faults_mappings": ("run",),
    "growing_server": ("break inspected", "run < /dev/null"),
    "reused_block": ("run reused", "generate-core-file app.core", "kill", "core-file app.core"),
}
FLAGS = {"resident": ("-DMODE=RETENTION",), "growing_server": ("-std=c++17",)}
MARK = "\x02answer\x03"
PATIENCE = 300  # seconds without a word
LONGEST = 200  # lines of README.md

_BLOCK = re.compile(r"^```gdb (\w+)\n(.*?)^```$", re.M | re.S)
_SYSTEM = re.compile(r"glibc (\d+\.\d+), gdb (\d+\.\d+)")
_COMMAND = re.compile(r"^\(gdb\) (.*)$", re.M)


def programs(page: str) -> list[str]:
    """Return the programs that a page's blocks are about."""
    return list(dict.fromkeys(name for name, _ in _BLOCK.findall(page)))


def typed(page: str, program: str) -> list[str]:
    """Return every command that the page types at gdb's prompt in the blocks about a program, in order."""
    return [each for name, block in _BLOCK.findall(page) if name == program for each in _COMMAND.findall(block)]


def answers(name: str, commands: list[str]) -> list[str]:
    """Run `commands` in one gdb on the program; return what each of them said."""
    with tempfile.TemporaryDirectory() as directory:
        # (A path that a narrow column cuts has this name at least.)
        place = os.path.join(directory, "built")
        os.mkdir(place)
        program = Path(place) / name
        program.write_bytes(built(name))
        program.chmod(0o755)
        words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py")]
        for line in (
            "set confirm off",
            "set style enabled off",
            "set width 100",
            "set print thread-events off",
            *STOPS[name],
        ):
            words += ["-ex", line]
        for command in commands:
            words += ["-ex", f"echo {MARK}", "-ex", as_by_hand(command)]
        words += ["-ex", f"echo {MARK}", str(program)]
        said = in_terminal(words, place)
        assert "Traceback" not in said, said
        assert "Python Exception" not in said, said
        told = re.sub(r"(\[Thread debugging|Using host libthread_db).*\n", "", said)
        return [said.replace(place, "/tmp").lstrip("\n") for said in told.split(MARK)[1:-1]]


@functools.cache
def built(name: str) -> bytes:
    """Return the program, which several pages may show."""
    sources = Path("fixtures", "programs")
    source = next(each for each in (sources / f"{name}.c", sources / f"{name}.cc") if (ROOT / each).exists())
    compiler = "gcc" if source.suffix == ".c" else "g++"
    with tempfile.NamedTemporaryFile() as made:
        words = [compiler, "-g", "-O1", "-pthread", *FLAGS.get(name, ()), "-o", made.name, str(source)]
        subprocess.run(words, check=True, cwd=ROOT)
        return Path(made.name).read_bytes()


def as_by_hand(command: str) -> str:
    """Return the line by which gdb takes one of gdbheap's commands as typed at its prompt, whose answers fit the
    terminal."""
    ours = command.split()[0] in ("heap", "vmmap", "mm", "explain", "fault", "gdbheap")
    return f"python gdb.execute({command!r}, True)" if ours else command


def in_terminal(words: list[str], place: str) -> str:
    """Run gdb in `place`, its output a terminal of 100 columns; return what it said."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    environment = {**os.environ, "TERM": "dumb", "XDG_STATE_HOME": f"{place}/state"}
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=its, stderr=its, cwd=place, env=environment) as gdb:
        os.close(its)
        said = b""
        while select.select([ours], [], [], PATIENCE)[0]:
            try:
                said += os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
        else:
            gdb.kill()
            pytest.fail(f"no end within {PATIENCE} s: {said[-2000:]!r}")
    os.close(ours)
    assert gdb.returncode == 0, said
    # (What says how far a long walk has come is gone from the terminal's line when it is over.)
    return re.sub(r"\r[^\n]*\r", "", said.decode().replace("\r\n", "\n"))


def regenerated(page: str) -> str:
    """Return the page with the answers of this system."""
    said = {program: iter(answers(program, typed(page, program))) for program in programs(page)}

    def block(match: re.Match[str]) -> str:
        commands = _COMMAND.findall(match[2])
        told = (f"(gdb) {command}\n{_plain(next(said[match[1]]))}" for command in commands)
        return f"```gdb {match[1]}\n" + "\n".join(told) + "```"

    return _BLOCK.sub(block, page)


def _plain(said: str) -> str:
    return re.sub(r"[ \t]+$", "", said, flags=re.M)


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
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b\d+\.\d\d(?= s\b| +/tmp/)", "a time", text)
    return re.sub(r"(process|LWP) \d+\)? *", r"\1 N ", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_what_gdb_says(path: Path) -> None:
    page = path.read_text()
    if not programs(page):
        return
    glibc, gdb = (re.search(_SYSTEM, page) or pytest.fail("the page does not name the system it is from")).groups()
    version = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if os.confstr("CS_GNU_LIBC_VERSION") == f"glibc {glibc}" and f" {gdb}" in version:
        assert without_chance(regenerated(page)) == without_chance(page)
        return
    for program in programs(page):
        blocks = [block for name, block in _BLOCK.findall(page) if name == program]
        shown = [said for block in blocks for said in re.split(r"^\(gdb\) .*\n", block, flags=re.M)[1:]]
        commands = typed(page, program)
        for command, here, there in zip(commands, answers(program, commands), shown):
            # (Rows are sorted by what differs between systems: the first word of a headed table is its heading.)
            assert without_chance(here).split()[:1] == without_chance(there).split()[:1], command


def test_what_the_pages_refer_to_is_there() -> None:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= LONGEST
    for topic in topics():
        assert f"gdbheap/docs/{topic}.md" in readme, topic


if __name__ == "__main__":
    for each in PAGES:
        there = Path(sys.argv[1]) / each.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(regenerated(each.read_text()))
