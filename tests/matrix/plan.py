"""The plan of a whole run: which test files run in which system, in parts that the processors work off side by side.

A file runs in every system unless it is named here. What the source alone decides runs once. What reads no system, but
only values and files that its own test makes, can fail differently by Python alone: it runs where that is the oldest
and where it is the newest, as do the slow tests of cores without gdb. What is decided by gdb, the compiler and the
kernel rather than by glibc runs with the oldest gdb, the usual one and the newest: trixie's lies between two of them,
and sid's is the newest, beside another glibc. The pages' answers are those of one system, and are compared there, and
so is every death's with and without gdb; the system that has an emulator of aarch64 has its tests, and that of the
whole machine (guest.py) has the machine's alone. `tests/run --everywhere` runs every file in every system that can.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matrix import roots

OF_THE_SOURCE = (
    "matrix/",
    "test_architecture.py",
    "test_lazy.py",
    "test_leak_promises.py",
    "test_packages.py",
    "test_sentences.py",
)
PURE = (
    "allocators/",
    "analysis/",
    "commands/",
    "elf/test_hostile_types.py",
    "fuzz/",
    "glibc/",
    "interface/",
    "machine/",
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
    "types/",
)
NOT_OF_GLIBC = (
    "elf/",
    "kernel/",
    "launch/",
    "process/",
    "live/test_address_answers.py",
    "live/test_beside.py",
    "live/test_charsets.py",
    "live/test_compiled_kernel.py",
    "live/test_copied_variables.py",
    "live/test_coroutines.py",
    "live/test_current_directory.py",
    "live/test_editors.py",
    "live/test_evaluation.py",
    "live/test_explain.py",
    "live/test_fault.py",
    "live/test_fault_in_the_wild.py",
    "live/test_foretold_accesses.py",
    "live/test_gdbserver.py",
    "live/test_growing",
    "live/test_guest.py",
    "live/test_heap_view.py",
    "live/test_held_inside.py",
    "live/test_interrupted.py",
    "live/test_killed.py",
    "live/test_leak_gate.py",
    "live/test_mm.py",
    "live/test_names_beyond.py",
    "live/test_odd_files.py",
    "live/test_operands.py",
    "live/test_owners.py",
    "live/test_plugin.py",
    "live/test_process.py",
    "live/test_published.py",
    "live/test_real_leaks.py",
    "live/test_record.py",
    "live/test_report.py",
    "live/test_reported_deaths.py",
    "live/test_retained.py",
    "live/test_screens.py",
    "live/test_search.py",
    "live/test_serving_leaks.py",
    "live/test_snapshots.py",
    "live/test_sparse.py",
    "live/test_suggestions.py",
    "live/test_typed",
    "live/test_types",
    "live/test_unread_stacks.py",
    "live/test_untold_mappings.py",
    "live/test_vmmap.py",
    "live/test_who_grows.py",
    "live/test_why_lost.py",
)
PAGES = "test_pages.py"
DEATHS = "live/test_deaths_without_gdb.py"  # gdb 10 and 18 get more of i386's stacks wrong than gdb 13 does
PAGES_SYSTEM = "bookworm"  # the usual development system, the one that README.md and the pages name
AARCH64 = "live/test_aarch64.py"  # where programs of aarch64 run
MACHINE = "live/test_aarch64_machine.py"  # where a whole machine of aarch64 is
PARTS = 3


def all_test_files(checkout: Path) -> list[str]:
    """Return all test files of the checkout, the largest first: size stands for the time that they take."""
    files = sorted((checkout / "tests").rglob("test_*.py"))
    return [
        str(path.relative_to(checkout)) for path in sorted(files, key=lambda path: path.stat().st_size, reverse=True)
    ]


def files_for(system: roots.System, files: Sequence[str], everywhere: bool = False) -> list[str]:
    """Return those of the test files that run in this system; `everywhere`, all that can."""
    if system.own_packages:
        return [each for each in files if is_of(each, MACHINE)]
    is_usual = system.name == PAGES_SYSTEM
    is_end = system in (roots.SYSTEMS[0], roots.SYSTEMS[-1])
    here: dict[str | tuple[str, ...], bool] = {
        PAGES: is_usual,
        DEATHS: is_usual,
        AARCH64: bool(system.aarch64_packages),
        MACHINE: False,
        OF_THE_SOURCE: is_usual or everywhere,
        PURE: is_end or everywhere,
        NOT_OF_GLIBC: is_end or is_usual or everywhere,
    }
    # (A file is of the first kind that names it.)
    return [each for each in files if next((runs for kind, runs in here.items() if is_of(each, kind)), True)]


def is_of(file: str, kind: str | tuple[str, ...]) -> bool:
    """Return whether the kind, names of files or beginnings of them, has this file."""
    return file.removeprefix("tests/").startswith(kind)


def parts_for(system: roots.System, files: Sequence[str], everywhere: bool = False) -> list[list[str]]:
    """Return them in parts that take about the same time; each file is in one of them."""
    mine = files_for(system, files, everywhere)
    return [mine[number::PARTS] for number in range(min(PARTS, len(mine)))]
