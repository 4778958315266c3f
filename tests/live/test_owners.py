"""heap owners on a real process: who holds a block, by the names that people know."""

from __future__ import annotations

import json
import re

import pytest

from support.gdb_runs import ROOT, ask, run_gdb
from support.leak_oracles import stopped
from support.programs import build, running


def owners_of(*expressions: str, flags: tuple[str, ...] = ()) -> list[dict]:
    """Return the answers for blocks that these expressions point to, where the program stops in main's frame."""
    commands = tuple(f"heap owners {expression}" for expression in expressions)
    _, answers = stopped("leaks", *flags, commands=commands, get_there=("up 2",))
    return [answers[command] for command in commands]


def holders(answer: dict) -> list[str]:
    return [re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", row["holder"]) for row in answer["rows"]]


def test_holders_are_symbols_locals_mappings_and_blocks():
    by_symbol, second, by_local, by_mapping, inside = owners_of(
        "held", "((struct node *)held_list)->left", "local", "mapped[100]", "held_inside"
    )
    assert holders(by_symbol) == ["held in leaks"]
    assert holders(second) == ["likely struct node.left (block ADDRESS + 0x0)"]
    assert second["rows"][0]["verdict"] == second["totals"]["kind"] == "still_reachable"
    assert "thread 1: frame 2 main, local local" in holders(by_local)
    assert holders(by_mapping) == ["mapping at ADDRESS + 0x320"]
    assert [row["points_to"] for row in inside["rows"]] == [50]
    assert (inside["totals"]["pointers"], inside["totals"]["kind"]) == (1, "possibly_lost")


def facts(row: dict) -> dict:
    """Return what a row says of the place beside its text: all that applies."""
    published = ("place", "kind", "points_to", "holder", "verdict")
    return {name: cell for name, cell in row.items() if name not in published and cell is not None}


def test_a_program_is_told_the_same_in_facts():
    by_symbol, second, by_local, by_mapping = owners_of(
        "held", "((struct node *)held_list)->left", "local", "mapped[100]"
    )
    assert facts(by_symbol["rows"][0]) == {"symbol": "held", "symbol_offset": 0, "module": "leaks", "member": "held"}
    (block,) = second["rows"]
    of_type = {"type": "struct node", "member": "struct node.left"}
    assert facts(block) == {"block": block["place"], "block_offset": 0, **of_type}
    in_frame = next(facts(row) for row in by_local["rows"] if row["kind"] == "stack" and row["local"])
    above = in_frame.pop("stack_offset")
    assert above > 0
    assert in_frame == {"thread_number": 1, "frame": 2, "function": "main", "local": "local", "local_offset": 0}
    (mapped,) = by_mapping["rows"]
    start = int(mapped["place"], 16) - 0x320
    assert facts(mapped) == {"area": "mapping", "area_start": f"{start:#x}", "area_offset": 0x320}
    steps = second["totals"]["steps"]
    first = {"symbol": "held_list", "symbol_offset": 0, "module": "leaks", "member": "held_list"}
    assert steps == [first, facts(block), {"block": steps[-1]["block"], "type": "struct node"}]


def test_the_way_from_a_root_is_the_shortest():
    (answer,) = owners_of("((struct node *)held_list)->left->left")
    path = [re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", step) for step in answer["totals"]["path"]]
    left = "likely struct node.left (block ADDRESS + 0x0)"
    assert path == ["held_list in leaks", left, left, "likely struct node (block ADDRESS)"]


# Where the program says that it keeps a block, and what that is called.
KEPT = {
    "in an anonymous namespace": "(anonymous namespace)::hidden in {program}",
    "in a hidden thread-local variable": "thread 1: thread-local (anonymous namespace)::hidden_of_thread in {program}",
    "in the first thread's own variable": "thread 1: of_thread[1] (thread-local of_thread+{word} in {program})",
    "in a thread's own variable": "thread 2: of_thread[3] (thread-local of_thread+{three} in {program})",
    "in a virtual base": "both+{base} in {program}",
    "in a static local": "keep_in_static_local()::remembered in {program}",
    "in a local of an inlined function": "thread 1: frame 1 inlined, local local+{word:#x}",
    "in a thread's local": "local own+{two:#x}",
}


@pytest.mark.parametrize("flags", [("-O2",), ("-m32",), ("-static",)], ids=["64", "32", "static"])
def test_each_place_that_a_program_keeps_a_block_in_is_named(flags, gdb):
    program = build("owned", *flags)
    searches = {text: f'heap search "{text}\\0" --in-use --json' for text in KEPT}
    found = gdb(program, "break inspected", "run", *searches.values())
    (blocks,) = zip(*([row["mem"] for row in json.loads(found[each])["rows"]] for each in searches.values()))
    said = gdb(program, "break inspected", "run", *(f"heap owners {block} --json" for block in blocks))
    word = 4 if "-m32" in flags else 8
    sizes = {"word": word, "two": 2 * word, "three": 3 * word, "base": 3 * word, "program": program.name}
    for text, block in zip(KEPT, blocks):
        answer = json.loads(said[f"heap owners {block} --json"])
        names = [row["holder"] for row in answer["rows"]]
        wanted = KEPT[text].format(**sizes)
        assert [name for name in names if wanted in name], (text, names)
        assert re.fullmatch(rf"block {block}|(likely )?char\[20[04]\] \(block {block}\)", answer["totals"]["path"][-1])


# Where no block in use is, and the line that it says.
NOWHERE = {
    "heap owners $sp": "heap owners: {sp} is in no block in use; `heap search {sp}` finds that very pointer, "
    "`explain {sp}` shows what is there",
    "heap leaks --why 0x10": "heap leaks: 0x10 is in no block in use; `heap search 0x10` finds that very pointer, "
    "`explain 0x10` shows what is there",
}


def test_an_address_in_no_block_is_one_line_that_says_where_to_look(gdb):
    said = gdb(
        build("leaks"), "break inspected", "run < /dev/null > /dev/null", *NOWHERE, "output/x (unsigned long)$sp"
    )
    pointer = said["output/x (unsigned long)$sp"].strip()
    assert {command: said[command] for command in NOWHERE} == {
        command: line.format(sp=pointer) + "\n" for command, line in NOWHERE.items()
    }


def test_a_long_list_and_many_holders_are_told_in_short():
    """The label of 2,000 nodes, and the last node of the list (in fixtures/programs/retained.c)."""
    with running(build("retained")) as program:
        label = "heap owners global_list->other"
        last = "heap owners $last"
        answers = ask(["-p", str(program.pid)], (label,))
        attach = ["gdb", "-nx", "-q", "-batch", "-p", str(program.pid), "-ex", f"source {ROOT / 'gdb_init.py'}"]
        walk = "python [gdb.execute('set $last = $last->next') for _ in range(1999)]"
        text = run_gdb([*attach, "-ex", "set $last = global_list", "-ex", walk, "-ex", last, "-ex", label])
    assert answers[label]["totals"]["pointers"] == 2000
    assert re.search(r"2,000 struct node\.other, the first: ", text), text
    assert re.search(r"shortest path to it from a root: global_list->next\{1,999 times\}", text), text
    assert "… that step comes 1,999 times" in text
