"""heap leaks on random graphs of blocks: every verdict against what follows from the program's own record, and
Valgrind's against the same.

GDBHEAP_DEEP=1 makes hundreds of graphs where CI makes a few dozen, from the seed in GDBHEAP_SEED or a fresh one;
both print the seeds.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from support.gdb_runs import ask
from support.leak_oracles import KINDS, kinds_in_report
from support.programs import PATIENCE, build
from support.random_leaks import Graph, Round, heuristics_of, read_rounds

DEEP = bool(os.environ.get("GDBHEAP_DEEP"))
# (The program counts on from it in an int.)
SEED = int(os.environ.get("GDBHEAP_SEED", "0")) % (1 << 30) or (
    random.SystemRandom().randrange(1 << 20) if DEEP else 2000
)
COUNT = 300 if DEEP else 12
LASTING = 20 * PATIENCE if DEEP else PATIENCE
# (A static program that is no PIE has its heap where small numbers are pointers.)
BUILDS = {"optimised": ("-O2",), "static": ("-static-pie",), "32-bit": ("-m32",)}
ORDER = ("definitely", "indirectly", "possibly", "reachable")


@dataclass(frozen=True)
class Asked:
    """A graph, what heap leaks says of it by the heuristics of its seed (a row for each block), and what follows
    from the record."""

    round: Round
    answer: dict[str, Any]
    graph: Graph


@pytest.fixture(params=BUILDS.values(), ids=BUILDS, scope="module")
def flags(request):
    return request.param


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("random-leaks")


def command(seed: int) -> str:
    return f"heap leaks --kind all --blocks --heuristics {heuristics_of(seed)}"


@pytest.fixture(scope="module")
def asked(flags, directory) -> list[Asked]:
    """One gdb on all of the graphs; there is a core of the last."""
    seeds = range(SEED, SEED + COUNT)
    get_there = [f"set args {SEED} {COUNT} < /dev/null > {directory / 'output'}", "break inspected", "run"]
    for seed in seeds:
        get_there += [f"{command(seed)} --json --output {directory / str(seed)}"]
        get_there += ["continue"] if seed != seeds[-1] else [f"generate-core-file {directory / 'core'}"]
    said = ask([str(build("leaks_random", *flags))], (), get_there=get_there, patience=LASTING)
    rounds = read_rounds((directory / "output").read_bytes(), word_of(flags))
    assert [each.seed for each in rounds] == list(seeds), said.text
    print(f"GDBHEAP_SEED={SEED}: {COUNT} graphs, {sum(len(each.blocks) for each in rounds)} blocks")
    answers = [json.loads((directory / str(each.seed)).read_text()) for each in rounds]
    return [Asked(each, answer, graph_of(each, answer)) for each, answer in zip(rounds, answers)]


def graph_of(round_: Round, answer: dict[str, Any]) -> Graph:
    """Return the graph of a round. Where a header is told, or not, by a block or two, the blocks of libc and libstdc++
    decide, which the program does not know: then the graph with these."""
    # (A block may be as large as a signal's stack by chance: of the large ones one in some dozens.)
    doubted = {int(row["example"], 16) for row in answer["rows"] if row["doubt"] == "signal_stack"}
    assert all(block.size > 1 << 10 for block in round_.blocks if block.start in doubted)
    graphs = [Graph(round_, False, heuristics_of(round_.seed), others=others, doubted=doubted) for others in range(3)]
    return next((each for each in graphs if not differences(each, each.heads, said_kinds(answer))), graphs[0])


def said_kinds(answer: dict[str, Any]) -> dict[int, str]:
    """Return {address: verdict} of an answer with a row for each block."""
    return {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in answer["rows"]}


def word_of(flags: tuple[str, ...]) -> int:
    return 4 if "-m32" in flags else 8


def differences(graph: Graph, heads: set[int], said: dict[int, str]) -> dict[int, tuple[str, str]]:
    """Return {block's number: (what is said, by the block's address; what follows from the record)} where they
    differ."""
    expected = graph.verdicts(heads)
    verdicts = {block.number: said.get(block.start, "no block") for block in graph.blocks}
    return {number: (one, expected[number]) for number, one in verdicts.items() if one != expected[number]}


def are_chance(found: dict[int, dict[int, tuple[str, str]]]) -> bool:
    """Whether all of the differences, by seeds, are blocks that are less lost than expected, in few of the graphs:
    of a million words of the libraries', some look like addresses of blocks, where addresses are small numbers
    (in 32 bits, and under Valgrind)."""
    fewer = all(
        said in ORDER and ORDER.index(said) > ORDER.index(expected)
        for each in found.values()
        for said, expected in each.values()
    )
    return fewer and sum(map(bool, found.values())) <= COUNT / 3


def test_every_block_of_a_random_graph_has_the_verdict_that_follows_from_its_pointers(flags, asked):
    found = {}
    for each in asked:
        found[each.round.seed] = differences(each.graph, each.graph.heads, said_kinds(each.answer))
    found = {seed: differ for seed, differ in found.items() if differ}
    assert found == {} or (word_of(flags) == 4 and are_chance(found))


def test_what_hangs_on_a_leak_is_what_it_leads_to_and_nothing_is_counted_twice(flags, asked):
    for each in asked:
        rows, totals = {int(row["example"], 16): row for row in each.answer["rows"]}, each.answer["totals"]
        hanging = {kind: [row for row in rows.values() if row["kind"] == kind] for kind in KINDS}
        for kind, blocks, size in (
            ("definitely_lost", totals["indirectly_lost_blocks"], totals["indirectly_lost_bytes"]),
            (
                "possibly_lost",
                totals["possibly_lost_blocks"] - totals["possibly_lost_entries_blocks"],
                totals["possibly_lost_bytes"] - totals["possibly_lost_entries_bytes"],
            ),
        ):
            assert sum(row["hanging_count"] for row in hanging[kind]) == blocks
            assert sum(row["hanging_bytes"] for row in hanging[kind]) == size
        led = {head: each.graph.hangs_on(head) for head in each.graph.heads}
        leaders = Counter(node for nodes in led.values() for node in nodes)
        for head, nodes in led.items():
            row = rows[each.graph.blocks[head].start]
            if row["kind"] != "definitely_lost":
                assert word_of(flags) == 4  # (by a word of chance, which the test above counts)
                continue
            hanging = row["hanging_count"]
            alone = sum(leaders[node] == 1 for node in nodes)
            # (In 32 bits a word of chance may hold some of it, which hangs on nobody then.)
            assert (alone <= hanging or word_of(flags) == 4) and hanging <= len(nodes), (each.round.seed, head)


def test_only_what_unwritten_blocks_lead_to_is_doubtful_and_no_key_is_seen_where_none_is(asked):
    for each in asked:
        doubtful = {int(row["example"], 16) for row in each.answer["rows"] if row["doubt"] == "unwritten_memory"}
        sure = Graph(each.round, False, heuristics_of(each.round.seed), with_unwritten=False)
        assert not doubtful & {sure.blocks[index].start for index in sure.reachable}, each.round.seed
        assert not [note for note in each.answer["notes"] if "XORed" in note], each.round.seed


def test_a_core_says_the_same_of_a_random_graph(flags, asked, directory):
    last = asked[-1]
    words = [str(build("leaks_random", *flags)), str(directory / "core")]
    assert ask(words, (command(last.round.seed),))[command(last.round.seed)]["rows"] == last.answer["rows"]


def test_valgrind_says_the_same_but_for_cycles_that_it_comes_to_by_their_inside(tmp_path):
    program, log = build("leaks_random", "-O2", "-DWITH_VALGRIND"), tmp_path / "log"
    words = ["valgrind", "--leak-check=no", f"--log-file={log}", str(program), str(SEED), str(COUNT)]
    run = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LASTING, check=True)
    reports = re.split(r"^\*\*\d+\*\* seed (\d+)$", log.read_text(), flags=re.MULTILINE)
    rounds = read_rounds(run.stdout, 8)
    assert [int(seed) for seed in reports[1::2]] == [each.seed for each in rounds] == list(range(SEED, SEED + COUNT))
    found = {}
    for each, report in zip(rounds, reports[2::2]):
        graph = Graph(each, True, heuristics_of(each.seed))
        found[each.seed] = differences(graph, graph.memchecks_heads, kinds_in_report(report))
        # It counts a cycle's first block as a leak, whoever owns the others, and though another lost block leads to the
        # cycle, if that block comes later.
        assert {min(cycle) for cycle in graph.leading} <= graph.memchecks_heads, each.seed
    assert are_chance(found), found
