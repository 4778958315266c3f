"""Blocks that are held where no plain scan of open memory sees it (fixtures/programs/leaks_hidden.c): one gdb runs
the program once for each kind, and every block must have the verdict that the program itself notes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.gdb_runs import ask
from support.leak_oracles import KINDS, differences, expected, verdicts_of
from support.programs import PATIENCE, build

OF_WORDS = (
    "tagged_chain",
    "tagged_lost",
    "marked_and_counted",
    "few_marked",
    "xored_array",
    "tagged_array",
    "tagged_alone",
)
OF_MEMORY = ("closed_pages", "closed_shared", "in_hugepages", "rewritten", "rewritten_closed", "in_xmm")
OF_KERNEL = ("in_kernel", "signal_stacks", "in_uring")
ALL = (*OF_WORDS, *OF_MEMORY, *OF_KERNEL)
# What gdb writes into a core of its own: the registers, and memory whatever its permissions.
# (What is shared it leaves out: the file stands in for it.)
IN_CORES = ("tagged_chain", "closed_pages", "closed_shared", "in_hugepages", "rewritten", "rewritten_closed", "in_xmm")
KEPT_AS_CORES = (*IN_CORES, "in_kernel")
COMMAND = "heap leaks --kind all --blocks"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("hidden-leaks")


@pytest.fixture(scope="module")
def answers(directory):
    """Return the answer to heap leaks of each kind, live, and of some ("core KIND") in a core."""
    # (A file below /dev, as hugetlbfs has them, where we may make one.)
    path = f"/dev/{'' if os.access('/dev', os.W_OK) else 'shm/'}gdbheap-rtemap-{os.getpid()}"
    get_there = ["break inspected"]
    for kind in ALL:
        get_there += [f"set args {kind} {path} < /dev/null > {directory / kind}.notes", "run"]
        get_there += [f"{COMMAND} --json --output {directory / kind}"]
        get_there += [f"generate-core-file {directory / kind}.core"] if kind in KEPT_AS_CORES else []
    for kind in KEPT_AS_CORES:
        get_there += ["kill"] if kind == KEPT_AS_CORES[0] else []
        get_there += [f"core-file {directory / kind}.core", f"{COMMAND} --json --output '{directory}/core {kind}'"]
    said = ask([str(build("leaks_hidden"))], (), get_there=get_there, patience=4 * PATIENCE)
    names = [*ALL, *(f"core {kind}" for kind in KEPT_AS_CORES)]
    assert not [name for name in names if not (directory / name).exists()], said.text
    return {name: json.loads((directory / name).read_text()) for name in names}


def wrong(notes: Path, answer: dict) -> dict:
    """Return what differs between the program's notes and the answer."""
    text = notes.read_text()
    kinds = {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in answer["rows"]}
    assert text.endswith("ready\n")
    return differences(verdicts_of(text, kinds), expected(text))


@pytest.mark.parametrize("kind", ALL)
def test_every_block_has_the_verdict_that_the_program_notes(kind, answers, directory):
    assert wrong(directory / f"{kind}.notes", answers[kind]) == {}


@pytest.mark.parametrize("kind", IN_CORES)
def test_a_core_of_the_same_moment_says_the_same(kind, answers, directory):
    assert wrong(directory / f"{kind}.notes", answers[f"core {kind}"]) == {}


def test_operations_of_io_uring_in_flight_are_told_beside_what_looks_lost(answers, directory):
    # (Where the kernel has no io_uring for us, nothing is lost, and nothing is said.)
    notes = [note for note in answers["in_uring"]["notes"] if "io_uring" in note]
    here = "no io_uring" not in (directory / "in_uring.notes").read_text()
    assert len(notes) == here
    assert not here or "8 operations in flight" in notes[0]


def test_a_core_says_that_the_kernel_may_have_held_what_looks_lost(answers):
    """reports/in_kernel: no thread waits for epoll at that moment."""
    answer = answers["core in_kernel"]
    assert answer["totals"]["definitely_lost_blocks"] > 0
    (note,) = [note for note in answer["notes"] if "only the kernel knows" in note]
    assert note.startswith("the program can call epoll_ctl: ")
    assert not [note for note in answers["core in_xmm"]["notes"] if "kernel" in note]


def test_a_signals_stack_is_told_as_what_it_may_be(answers):
    (row,) = {row["doubt"] for row in answers["signal_stacks"]["rows"] if row["kind"] == "possibly_lost"}
    assert row == "signal_stack"
