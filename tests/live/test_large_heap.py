"""Questions about one address of a large heap are answered without reading or typing all of it: the answers are those
of the whole, and say what they leave out."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build, running

# Held against the heap as a whole: each arena by itself, with the state of each chunk and its place in a free list.
_ARENAS = """python
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.read_arena import read_arena
from gdbheap.inside_gdb.answering import TARGET
whole, process, layout = TARGET.heap(), TARGET.process, TARGET.layout()
assert len(whole.arenas) > 4, len(whole.arenas)
for arena in whole.arenas:
    region = arena.regions[0]
    part = read_arena(process, layout, region.start)
    rows = whole.table.arena == arena.index
    for column in ("address", "size", "flags", "state", "arena"):
        assert (getattr(part.table, column) == getattr(whole.table, column)[rows]).all(), (arena.index, column)
    free = [int(each) for each in part.table.address[part.table.state == 1][:4]]
    assert [part.place_of(each) for each in free] == [whole.place_of(each) for each in free]
assert read_arena(process, layout, 8) is None
print("the arenas are the same")

# A block of one arena's in a list of another's: nobody can tell from the one alone.
import dataclasses
class Overlaid:
    def __init__(self, memory, words):
        self.memory, self.words = memory, words
    def read(self, address, size):
        buffer = bytearray(size)
        self.read_into(address, memoryview(buffer))
        return bytes(buffer)
    def read_into(self, address, buffer):
        self.memory.read_into(address, buffer)
        for at, word in self.words.items():
            for index, byte in enumerate(word.to_bytes(8, "little")):
                if 0 <= at + index - address < len(buffer):
                    buffer[at + index - address] = byte
used = (whole.table.state == State.IN_USE) & (whole.table.arena == 1) & (whole.table.size > 64)
chunk = int(whole.table.address[used][3])
first = next(each for each in whole.bins if each.kind in ("small", "large", "unsorted") and each.arena != 1).chunks[0]
before = process.words.read(first + 24)
links = {before + 16: chunk, chunk + 16: first, chunk + 24: before, first + 24: chunk}
broken = dataclasses.replace(process, memory=Overlaid(process.memory, links))
assert read_arena(process, layout, chunk + 16) is not None
assert read_arena(broken, layout, chunk + 16) is None
print("nor is a block in another's list")
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    script = tmp_path_factory.mktemp("arenas") / "arenas.gdb"
    script.write_text(_ARENAS)
    commands = ("heap chunk somebody", "heap owners somebody", "heap owners somebody --path", "heap types --count 1")
    with running(build("scaled"), "mixed", "120000") as process:
        return ask(["-p", str(process.pid)], commands, then=(f"source {script}", "heap chunk somebody"))


def test_a_chunk_is_told_from_its_arena_alone(answers):
    assert "the arenas are the same" in answers.text
    assert "nor is a block in another's list" in answers.text
    fields = {row["field"]: row for row in answers["heap chunk somebody"]["rows"]}
    assert fields["state"]["value"] == "in_use"
    assert "type" not in fields
    (note,) = answers["heap chunk somebody"]["notes"]
    assert note.startswith("this heap is large: `heap types --why 0x")


def test_what_is_known_by_then_is_told(answers):
    shown = answers.text.rsplit("the arenas are the same", 1)[1]
    assert "what somebody points to" in shown
    assert "this heap is large" not in shown


def test_owners_of_a_block_are_the_same_with_and_without_the_way_to_it(answers):
    alone, all_told = answers["heap owners somebody"], answers["heap owners somebody --path"]
    assert [(row["place"], row["points_to"], row["kind"]) for row in alone["rows"]] == [
        (row["place"], row["points_to"], row["kind"]) for row in all_told["rows"]
    ]
    assert alone["rows"][0]["symbol"] == "somebody"
    assert {name: alone["totals"][name] for name in ("kind", "path", "steps")} == dict.fromkeys(
        ("kind", "path", "steps")
    )
    assert all_told["totals"]["kind"] == "still_reachable"
    assert any(note.startswith("this heap is large: `heap owners 0x") for note in alone["notes"])
    assert not any("large" in note for note in all_told["notes"])
