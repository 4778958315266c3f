"""`heap bins` on live processes: every list holds what the order of the ledger's frees predicts, in that order."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.ledger import predicted_free_lists
from support.programs import build, running

WORDS = pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])


def bins_of(name, *arguments, flags=()):
    """Return the program's ledger, the lists that it predicts, and what `heap bins` said, attached at its stop."""
    with running(build(name, *flags), *arguments) as program:
        answer = ask(["-p", str(program.pid)], ["heap bins"])["heap bins"]
        ledger = program.finish()
    return ledger, predicted_free_lists(ledger, word_of(flags)), answer


def word_of(flags):
    return 4 if "-m32" in flags else 8


def mems(row, word):
    """Return the user's pointers of the chunks of one list, in its order."""
    return [int(chunk, 16) + 2 * word for chunk in row["chunks"]]


def of_kind(answer, *kinds):
    return [row for row in answer["rows"] if row["kind"] in kinds]


@WORDS
def test_one_thread_fills_every_kind_of_list_in_order(flags):
    word = word_of(flags)
    ledger, lists, answer = bins_of("many_sizes", flags=flags)
    assert answer["faults"] == []
    tcache = {(row["thread"], row["min_size"]): mems(row, word) for row in of_kind(answer, "tcache")}
    assert tcache == lists.tcache
    assert all(row["stored_count"] == row["count"] == len(row["chunks"]) for row in of_kind(answer, "tcache"))
    assert {row["min_size"]: mems(row, word) for row in of_kind(answer, "fastbin")} == lists.fastbins
    small_limit = 0x400 if word == 8 else 0x3F0
    straight_to_small = ledger.glibc >= (2, 41)
    late = [
        pointer
        for pointer, block in lists.rest.items()
        if block.part in ("unsorted", "fast") and not (straight_to_small and block.size < small_limit)
    ]
    (unsorted,) = of_kind(answer, "unsorted")
    assert mems(unsorted, word) == late
    by_size = {}
    for pointer, block in lists.rest.items():
        if block.size < small_limit and pointer not in late:
            by_size.setdefault(block.size, []).append(pointer)
    assert {row["min_size"]: mems(row, word) for row in of_kind(answer, "small")} == by_size
    in_order = []
    for row in sorted(of_kind(answer, "large"), key=lambda row: row["index"]):
        sizes = [size_of(lists, pointer) for pointer in mems(row, word)]
        assert sizes == sorted(sizes), "a large bin gives its smallest chunk first"
        assert row["min_size"] <= sizes[0] and (row["max_size"] is None or sizes[-1] <= row["max_size"])
        in_order += mems(row, word)
    merged = [pointer for pointer, block in lists.rest.items() if block.part == "merged"]
    apart = [
        pointer
        for pointer, block in lists.rest.items()
        if block.size >= small_limit and block.part != "merged" and pointer not in late
    ]
    assert sorted(in_order) == sorted([*apart, min(merged)])


def size_of(lists, pointer):
    """Return a freed chunk's size; the eight that merged are one, at the lowest of them."""
    block = lists.rest[pointer]
    if block.part != "merged":
        return block.size
    return sum(each.size for each in lists.rest.values() if each.part == "merged")


@WORDS
def test_each_thread_has_its_own_tcache_whoever_the_chunks_arena_is(flags):
    word = word_of(flags)
    _, lists, answer = bins_of("threads", "6", flags=flags)
    tcache = {(row["thread"], row["min_size"]): mems(row, word) for row in of_kind(answer, "tcache")}
    # The thread that has ended gave its tcache back.
    alive = {thread for thread, _ in tcache}
    assert len(alive) == 7
    assert tcache == {key: pointers for key, pointers in lists.tcache.items() if key[0] in alive}
    assert answer["faults"] == []


def test_a_child_has_the_lists_of_its_parent_and_what_it_added():
    with running(build("forked")) as program:
        answer = ask(["-p", str(program.pid)], ["heap bins"])["heap bins"]
        ledger = program.ledger
    # The child's only thread goes on with the tcache of the thread that forked.
    listed = sorted(pointer for row in of_kind(answer, "tcache") for pointer in mems(row, 8))
    assert listed == sorted(pointer for pointer, block in ledger.freed.items() if block.size <= 0x410)
    assert {(row["thread_number"], row["bin"]) for row in of_kind(answer, "tcache")} == {
        (1, f"tcache[{row['index']}]") for row in of_kind(answer, "tcache")
    }
    assert {row["thread"] for row in of_kind(answer, "tcache")} == {program.pid}
    assert answer["faults"] == []
