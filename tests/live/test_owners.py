"""heap owners on a real process: who holds a block, by the names that people know."""

from __future__ import annotations

import re

from leak_oracles import stopped


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
    assert holders(second) == ["block ADDRESS + 0x0"]
    assert second["rows"][0]["verdict"] == "still reachable"
    assert "thread 1: frame 2 main, local local" in holders(by_local)
    assert holders(by_mapping) == ["mapping at ADDRESS + 0x320"]
    assert [row["points_to"] for row in inside["rows"]] == [50]
    assert (inside["totals"]["pointers"], inside["totals"]["kind"]) == (1, "possibly_lost")


def test_the_way_from_a_root_is_the_shortest():
    (answer,) = owners_of("((struct node *)held_list)->left->left")
    path = [re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", step) for step in answer["totals"]["path"]]
    assert path == ["held_list in leaks", "block ADDRESS + 0x0", "block ADDRESS + 0x0", "block ADDRESS"]
