"""The plan of a whole run: which test files run in which system, in parts that the processors work off side by side.

Nearly everything runs everywhere. What reads no system, but only values and files that its own test makes, can fail
differently by Python alone: it runs where that is the oldest and where it is the newest, as do the slow tests of
cores without gdb. The pages' answers are those of one system, and are compared there, and so is every death's with and
without gdb; the system that has an emulator of aarch64 has its tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matrix import roots

PURE = (
    "allocators/",
    "analysis/",
    "commands/",
    "elf/test_hostile_types.py",
    "fuzz/",
    "glibc/",
    "interface/",
    "machine/",
    "matrix/",
    "model/test_ranges.py",
    "model/test_recorded_malloc.py",
    "model/test_trace.py",
    "pictures/",
    "report/",
    "sentences/",
    "session/",
    "triage/",
    "bundle/",
    "without_gdb/",
    "live/test_triage.py",
    "live/test_without_gdb.py",
    "live/test_stacks_without_gdb.py",
    "live/test_bundle.py",
    "test_architecture.py",
    "test_lazy.py",
    "test_leak_promises.py",
    "test_sentences.py",
    "types/",
)
PAGES = "test_pages.py"
DEATHS = "live/test_deaths_without_gdb.py"  # gdb 10 and 18 get more of i386's stacks wrong than gdb 13 does
PAGES_SYSTEM = "bookworm"  # the usual development system, the one that README.md and the pages name
AARCH64 = "live/test_aarch64.py"  # where programs of aarch64 run
PARTS = 3


def all_test_files(checkout: Path) -> list[str]:
    """Return all test files of the checkout, the largest first: size stands for the time that they take."""
    files = sorted((checkout / "tests").rglob("test_*.py"))
    return [
        str(path.relative_to(checkout)) for path in sorted(files, key=lambda path: path.stat().st_size, reverse=True)
    ]


def files_for(system: roots.System, files: Sequence[str]) -> list[str]:
    """Return those of the test files that run in this system."""
    pure = tuple(f"tests/{each}" for each in PURE)
    everything = system in (roots.SYSTEMS[0], roots.SYSTEMS[-1])
    mine = [each for each in files if everything or not each.startswith(pure)]
    is_usual = system.name == PAGES_SYSTEM
    elsewhere = {f"tests/{PAGES}": not is_usual, f"tests/{DEATHS}": not is_usual}
    elsewhere[f"tests/{AARCH64}"] = not system.aarch64_packages
    return [each for each in mine if not elsewhere.get(each)]


def parts_for(system: roots.System, files: Sequence[str]) -> list[list[str]]:
    """Return them in parts that take about the same time; each file is in one of them."""
    mine = files_for(system, files)
    return [mine[number::PARTS] for number in range(PARTS)]
