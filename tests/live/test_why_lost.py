"""heap leaks --why on a real process: each reason by its published name, against what the program says it did with the
block; and the sentence that people read."""

from __future__ import annotations

from support.gdb_runs import ask
from support.leak_oracles import notes_in, stopped
from support.programs import build

# Of blocks by the program's names: why, and on which other block that hangs.
WHY = {
    ("single", 0): ("definitely_lost", "nothing_points_to_it", None),
    ("cycle", 0): ("definitely_lost", "first_of_cycle", None),
    ("list", 9): ("indirectly_lost", "only_lost_blocks", ("list", 0)),
    ("interior", 0): ("possibly_lost", "interior_pointer", None),
    ("chain", 2): ("possibly_lost", "interior_pointer", ("chain", 0)),
    ("held-list", 5): ("still_reachable", "pointer_to_start", None),
}
LINES = {
    ("single", 0): (
        "the block at {block} (chunk of 0x30) is definitely lost",
        "because no root and no other block in use points into it",
    ),
    ("list", 9): (
        "the block at {block} (chunk of 0x40) is indirectly lost",
        "because only lost blocks point to it; it is reachable from the definitely lost one at {via}",
    ),
    ("interior", 0): (
        "the block at {block} (chunk of 0x70) is possibly lost",
        "because what is held points to the inside of it (+0x32), and nothing that is held to its start: the pointer "
        "may be there by chance",
        "only one word holds it",
    ),
}


def test_each_reason_is_told_as_a_fact_and_in_a_sentence():
    output, _ = stopped("leaks", commands=("heap leaks",))
    blocks = {name: f"{address:#x}" for name, (_, address) in notes_in(output.decode()).items()}
    asked = {name: f"heap leaks --why {blocks[name]}" for name in WHY}
    sentences = [f"heap leaks --why {blocks[name]}" for name in LINES]
    run = ("set args < /dev/null > /dev/null", "break inspected", "run")
    answers = ask([str(build("leaks"))], tuple(asked.values()), get_there=run, then=sentences)
    totals = {name: answers[command]["totals"] for name, command in asked.items()}
    assert {name: (each["kind"], each["because"], each["via"]) for name, each in totals.items()} == {
        name: (kind, because, via and blocks[via]) for name, (kind, because, via) in WHY.items()
    }
    assert [totals[name]["offset"] for name in (("interior", 0), ("chain", 2), ("single", 0))] == [50, 16, None]
    assert all(each["block"] == blocks[name] for name, each in totals.items())
    assert "total: kind" not in answers.text
    for name, lines in LINES.items():
        told = "\n".join(lines).format(block=blocks[name], via=totals[name]["via"])
        assert f"\n{told}\n" in answers.text
