"""The galleries of fixtures/programs/faults_*: every case run in one gdb, its core read in another, and what `fault`
says made comparable.

What differs between compilers, systems and runs is written as a word: registers R (SP the stack pointer), an
instruction's operand MEM, a mapping MAPPING, a number that nobody foretold N. What the program itself has told of
before it died is {name}, so that an address that stands where it should not shows. fixtures/faults/*.txt hold the
answers in that form.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import SOURCES, build

EXPECTED = ROOT / "fixtures" / "faults"
FAMILIES = ("pointers", "mappings", "control", "heap", "signals", "cxx")
FLAGS = ("-fno-omit-frame-pointer", "-fstack-protector-strong", "-w")
# Variables are in memory without optimisation, in registers with it: each is tried once.
BITS = {"x86-64": ("-O0",), "i386": ("-O1", "-m32")}
# Under these a gallery lists what another machine has.
_NOT_FOR = {
    "x86-64": ("#ifdef __aarch64__",),
    "i386": ("#ifdef __aarch64__", "#ifdef __x86_64__", "#ifdef __LP64__"),
    "aarch64": ("#ifndef __aarch64__", "#ifdef __x86_64__"),
}
GLIBC = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")))
VERSIONS = ("2.31", "2.36", "2.41", "2.43")
# What is typed between `run` and `fault`: the first signal of these is caught.
_THEN = {"overflow_handled": "continue", "undelivered": "continue"}
# What keeps the kernel's own words on the mappings; nothing where the case lived.
_MAPS = "python pid = gdb.selected_inferior().pid; pid and __import__('shutil').copyfile(f'/proc/{{pid}}/maps', '{}')"
# What a case says that has not died.
_NOTHING = {"rows": [], "notes": ["it lived"]}


@dataclass(frozen=True)
class Death:
    """What a case told before it died (hex words by name), what `fault` said, live and on its core, and the mappings
    that the kernel told of when it had died: (start, end, "rwxp")."""

    told: dict[str, int]
    live: dict[str, Any]
    core: dict[str, Any]
    mappings: list[tuple[int, int, str]]


def build_family(family: str, *flags: str) -> Path:
    """Return a gallery's program."""
    # dlopen is in a library of its own before glibc 2.34.
    return build(f"faults_{family}", *FLAGS, *flags, *(("-Wl,--no-as-needed,-ldl",) if family == "cxx" else ()))


def cases_of(family: str, bits: str) -> list[str]:
    """Return the cases of a gallery's source, without those that other machines have alone."""
    source = next(path for path in SOURCES.glob(f"faults_{family}.*")).read_text()
    gallery = source[source.index("\nGALLERY(") :]
    for guard in _NOT_FOR[bits]:
        gallery = re.sub(rf"{guard}.*?#endif", "", gallery, flags=re.S)
    return re.findall(r"CASE\((\w+)\)", gallery)


def run_gallery(bits: str, directory: Path) -> dict[str, Death]:
    """Return every case's death; the families in one gdb, one after the other."""
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    for line in kept_symbols(build_family(FAMILIES[0], *BITS[bits])):
        words += ["-ex", line]
    live = [*words, "-ex", "handle SIGUSR1 nostop noprint pass"]
    core = list(words)
    names = []
    for family in FAMILIES:
        program = build_family(family, *BITS[bits])
        live += ["-ex", f"file {program}"]
        core += ["-ex", f"file {program}"]
        for name in cases_of(family, bits):
            names.append(name)
            place = directory / name
            lines = [
                f"run {name} aloud",
                f"fault --json --output {place}.live",
                f"generate-core-file {place}.core",
                _MAPS.format(f"{place}.maps"),
                "kill",
            ]
            lines[1:1] = [_THEN[name]] if name in _THEN else []
            for line in lines:
                live += ["-ex", line]
            core += ["-ex", f"core-file {place}.core", "-ex", f"fault --json --output {place}.dead"]
    text = run_gdb(live, patience=900)
    run_gdb(core, patience=900)
    return {name: _death(name, directory / name, text) for name in names}


def _death(name: str, place: Path, text: str) -> Death:
    told = re.findall(rf"^told {name} (\w+) (\w+)$", text, re.M)
    files = [Path(f"{place}.{kind}") for kind in ("live", "dead")]
    answers = [json.loads(file.read_text()) if file.exists() else _NOTHING for file in files]
    return Death({key: int(value, 0) for key, value in told}, *answers, _mappings(Path(f"{place}.maps")))


def _mappings(file: Path) -> list[tuple[int, int, str]]:
    found = []
    for line in file.read_text().splitlines() if file.exists() else ():
        where, rights = line.split()[:2]
        start, end = (int(each, 16) for each in where.split("-"))
        found.append((start, end, rights))
    return found


def expected(name: str, bits: str, kind: str) -> list[str]:
    """Return what the case must say on this system, live or from its core.

    A section of the files begins with "== CASE" and the words for which it holds: a kind of machine, "live" or
    "core", glibc's versions (a version that is not among them goes by the one before it).
    """
    if bits in BITS and name in _lucky():
        return ["note it lived"]
    here = {bits, kind, max(each for each in VERSIONS if tuple(map(int, each.split("."))) <= GLIBC)}
    for heads, lines in _sections():
        if any(words[0] == name and _holds(words[1:], here) for words in heads):
            return lines
    raise AssertionError(f"fixtures/faults does not tell of {name} on {sorted(here)}")


def _holds(words: list[str], here: set[str]) -> bool:
    versions = [word for word in words if word in VERSIONS]
    return all(word in here for word in words if word not in VERSIONS) and (
        not versions or any(v in here for v in versions)
    )


@functools.cache
def _sections() -> list[tuple[list[list[str]], list[str]]]:
    found = []
    for family in sorted(EXPECTED.glob("*.txt")):
        for block in family.read_text().strip().split("\n\n"):
            lines = block.split("\n")
            heads = [line[3:].split() for line in lines if line.startswith("== ")]
            found.append((heads, lines[len(heads) :]))
    return found


@functools.cache
def _lucky() -> set[str]:
    """Return the cases that this machine does not let die: it has no protection keys, or huge pages to spare."""
    lucky = set()
    if "ospke" not in Path("/proc/cpuinfo").read_text().split():
        lucky |= {"protection_key", "execute_only"}
    if not re.search(r"^HugePages_Free:\s+0$", Path("/proc/meminfo").read_text(), re.M):
        lucky |= {"bus_huge_page"}
    return lucky


def said(answer: dict[str, Any], told: dict[str, int]) -> list[str]:
    """Return an answer as comparable lines."""
    return list(_normalised(_lines(answer), told))


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    for row in answer["rows"]:
        if row["verdict"] in ("malloc_abort", "invalid_free"):
            yield row["verdict"]  # what these say is held by test_aborts
            continue
        yield f"{row['verdict']} ({row['confidence']}) {row['address']} {row['access']}: {row['summary']}"
        yield from (f"  because {fact}" for fact in row["evidence"])
        yield f"  next {' | '.join(row['next'])}"
    yield from (f"note {note}" for note in answer["notes"])


_OPERAND = re.compile(
    r"(?:%[a-z]s:)?-?(?:0x[0-9a-f]+)?\([^() ]*%[^() ]*\)(?:\s+# 0x[0-9a-f]+(?: <[^>]*>)?)?|\[(?:x\d+|sp)\b[^\]]*\]!?"
)
_REGISTER = re.compile(r"(%?)\b(r[a-d]x|e[a-d]x|r[sd]i|e[sd]i|rbp|ebp|r\d+|x(?:30|[12]?\d))\b")
_MAPPING = re.compile(
    r"[0-9a-f]{6,16}-[0-9a-f]{6,16} ([-r?])([-w?])([-x?])[-ps?] (\(anonymous\)|/\S+|\[\w+\])( \(deleted\))?"
)
_PERMISSIONS = re.compile(r"\(([-r?])([-w?])([-x?])[-ps?](?=[,)])")
_HEX = re.compile(r"(?<![0-9a-f])-?0x[0-9a-f]+")
_DECIMAL = re.compile(r"\b\d{4,}\b")


# What compilers, libraries and systems say in words of their own.
_WORDS = (
    (_OPERAND, "MEM"),
    (_REGISTER, "R"),
    (re.compile(r"\b[re]?sp\b"), "SP"),
    (re.compile(r"/\S*/(faults\w*\.\w+)(:\d+)?"), r"\1"),
    (re.compile(r"(?:/\S*/)?faults_(?:[-\w.=]|,(?! ))*"), "PROGRAM"),
    (re.compile(r"\+\d+ in PROGRAM"), "+N in PROGRAM"),
    (re.compile(r"/\S*/libc[-.]\S*so\S*?(?=,? )"), "LIBC"),
    (re.compile(r"[\d,]+(?= mappings| deep)|\d+(?= bytes of stack)|(?<=ulimit -s )\d+|(?<=bytes \()[\d,]+"), "N"),
    (re.compile(r"\blong int\b"), "long"),
    (re.compile(r"\blibanl\.[\w.]*"), "LIBRARY"),
    (re.compile(r"\b(ping -> pong|pong -> ping)\b"), "ping and pong"),
    (re.compile(r"(?<=interrupted )(__pthread_kill\w*|(__GI_)?raise|__kernel_vsyscall)"), "LIBC"),
    (
        re.compile(r"(?<=because )(the argument \w+ of \w+ is(?: the chunk of)?|p is|the pointer is)(?= 0x\S+: )"),
        "WHAT WAS PASSED is",
    ),
    (re.compile(r"(?<=: )the (?:argument \w+ of|value in) \w+$"), "WHERE"),
)
_BESIDE = re.compile(r"  because -?0x[0-9a-f]+ bytes (past the end of|before) MAPPING")


def _normalised(lines: Iterator[str], told: dict[str, int]) -> Iterator[str]:
    last = ""
    for line in lines:
        line = _MAPPING.sub(lambda match: f"MAPPING {_rights(match)}", line)
        line = _PERMISSIONS.sub(lambda match: f"({_rights(match)}", line)
        line = "  because NEIGHBOURS" if _BESIDE.match(line) else line
        for pattern, word in _WORDS:
            line = pattern.sub(word, line)
        line = _HEX.sub(lambda match: _number(int(match[0], 16), told), line)
        # A process's number may be any.
        for name in ("pid", "child") if "process" in line else ():
            line = re.sub(rf"\b{told.get(name, 'no such process')}\b", f"{{{name}}}", line)
        line = _DECIMAL.sub(lambda match: _number(int(match[0]), told), line)
        line = re.sub(r"\S+ bytes into MAPPING [-rwx]{3}", "N bytes into MAPPING", line)
        if line != last or "NEIGHBOURS" not in line:
            yield line
        last = line


def _rights(match: re.Match[str]) -> str:
    return "".join("-" if each == "?" else each for each in match.groups()[:3])


def _number(value: int, told: dict[str, int]) -> str:
    """Return a number by the name that the program told it by, a small one as it is."""
    for name, known in told.items():
        if known and value == known:
            return f"{{{name}}}"
    for name, known in told.items():
        if known >= 0x10000 and -64 <= value - known <= 64:
            return f"{{{name}{value - known:+}}}"
    return f"{value:#x}" if -0x1000 <= value <= 0x1000 else "N"
