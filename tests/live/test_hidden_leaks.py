"""Blocks that are held where no plain scan of open memory sees it (fixtures/programs/leaks_hidden.c): one gdb runs the program once for each kind,
and every block must have the verdict that the program itself notes."""

from __future__ import annotations

import json
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
COMMAND = "heap leaks --kind all --blocks"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("hidden-leaks")


@pytest.fixture(scope="module")
def answers(directory):
    """Return the answer to heap leaks of each kind."""
    get_there = ["break inspected"]
    for kind in OF_WORDS:
        get_there += [f"set args {kind} < /dev/null > {directory / kind}.notes", "run"]
        get_there += [f"{COMMAND} --json --output {directory / kind}"]
    said = ask([str(build("leaks_hidden"))], (), get_there=get_there, patience=2 * PATIENCE)
    missing = [kind for kind in OF_WORDS if not (directory / kind).exists()]
    assert not missing, said.text
    return {kind: json.loads((directory / kind).read_text()) for kind in OF_WORDS}


def wrong(notes: Path, answer: dict) -> dict:
    """Return what differs between the program's notes and the answer."""
    text = notes.read_text()
    kinds = {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in answer["rows"]}
    assert text.endswith("ready\n")
    return differences(verdicts_of(text, kinds), expected(text))


@pytest.mark.parametrize("kind", OF_WORDS)
def test_every_block_has_the_verdict_that_the_program_notes(kind, answers, directory):
    assert wrong(directory / f"{kind}.notes", answers[kind]) == {}
