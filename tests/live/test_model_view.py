"""Three witnesses at every checkpoint of a random trace: the model, gdbheap's own reading in gdb, and the driver's ledger."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import pytest
from programs import build

sys.path.append(str(Path(__file__).parents[1] / "model"))
from before import Before, libc_version
from traces import FLAVOURS, Builder

from gdbheap.model.trace import RETURNS_BLOCK, Operation, Player, unparse
from gdbheap.model.traits import traits
from gdbheap.model.view import MMAPPED, chunks, free_lists

_DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
_LENGTH = 3000 if _DEEP else 240
_SEED = int(os.environ.get("GDBHEAP_SEED", "0")) if _DEEP else 3
_FLAGS = {8: (), 4: ("-m32",)}

# Run inside gdb: what the process is before its first call, and then at each checkpoint what gdbheap reads and what the ledger says.
_SCRIPT = """
python
import json
def ask(command):
    return json.loads(gdb.execute(command + " --json", to_string=True))
gdb.execute("break checkpoint", to_string=True)
gdb.execute("run", to_string=True)
inferior = gdb.selected_inferior()
with open("/proc/%d/maps" % inferior.pid) as file:
    maps = file.read()
with open("/proc/%d/stat" % inferior.pid) as file:
    brk = int(file.read().rpartition(")")[2].split()[44])
stops = []
for _ in range({stops}):
    gdb.execute("continue", to_string=True)
    count = int(gdb.parse_and_eval("operations"))
    start = int(gdb.parse_and_eval("results"))
    stops.append(dict(
        chunks=ask("heap chunks"), bins=ask("heap bins"), threads=[thread.ptid[1] for thread in sorted(inferior.threads(), key=lambda each: each.num)],
        ledger=bytes(inferior.read_memory(start, 16 * count)).hex(),
    ))
json.dump(dict(maps=maps, brk=brk, stops=stops), open({told!r}, "w"))
end
"""


def with_checkpoints(trace: list[Operation]) -> list[Operation]:
    """The trace with a checkpoint before all, one behind every 12th call, and none elsewhere."""
    bare = [each for each in trace if each.what not in "kx"]
    cut = [Operation("k"), Operation("m", (0, 24))]
    for index, each in enumerate(bare):
        cut.append(each)
        if index % 12 == 11:
            cut.append(Operation("k"))
    return cut


def in_gdb(gdb, tmp_path: Path, word: int, trace: list[Operation]) -> dict:
    text, told, script = tmp_path / "trace", tmp_path / "told", tmp_path / "script.gdb"
    text.write_text(unparse(trace))
    stops = sum(each.what == "k" for each in trace)
    script.write_text(_SCRIPT.format(stops=stops, told=str(told)))
    program = build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[word])
    said = gdb(program, f"set args {text}", f"source {script}")
    assert told.exists(), said.text
    return json.loads(told.read_text())


def segments(trace: list[Operation]) -> list[list[Operation]]:
    """The operations between checkpoints, the first empty segment left out."""
    parts: list[list[Operation]] = [[]]
    for each in trace:
        if each.what == "k":
            parts.append([])
        else:
            parts[-1].append(each)
    return parts[1:]


@pytest.mark.parametrize("word", [8, 4])
@pytest.mark.parametrize("flavour", ["small", "mixed", "few sizes", "large", "huge", "threads", "threads, large"])
def test_three_witnesses_agree(gdb, tmp_path, word, flavour):
    choose = random.Random(f"{_SEED} {flavour} {word}")
    triples = [(choose.randrange(65536), choose.randrange(65536), choose.randrange(65536)) for _ in range(_LENGTH)]
    kind = next(each for each in FLAVOURS if each.name == flavour)
    trace = with_checkpoints(Builder(traits(libc_version(), word), kind).build(triples))
    told = in_gdb(gdb, tmp_path, word, trace)
    player = Before(word, told["maps"], told["brk"]).player(lambda page: None)
    for number, (part, stop) in enumerate(zip(segments(trace), told["stops"])):
        for operation in part:
            player.perform(operation)
        where = f"seed {_SEED}, checkpoint {number}"
        assert ledger_of(player, trace) == ledger_read(stop, trace), where
        assert rows_read(stop) == rows_of(player, word), where
        assert lists_read(stop) == lists_of(player), where
        assert stop["chunks"]["faults"] == [], where
        assert live_blocks(stop, trace).items() <= blocks_in_use(stop, word).items(), where


def operations(trace: list[Operation]) -> list[Operation]:
    return [each for each in trace if each.what != "k"]


def ledger_of(player: Player, trace: list[Operation]) -> list[tuple[int, int]]:
    return [
        (done.value, done.usable) for done, each in zip(player.results, operations(trace)) if each.what in RETURNS_BLOCK
    ]


def ledger_read(stop: dict, trace: list[Operation]) -> list[tuple[int, int]]:
    raw = bytes.fromhex(stop["ledger"])
    words = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
    pairs = zip(words[::2], words[1::2])
    return [pair for pair, each in zip(pairs, operations(trace)) if each.what in RETURNS_BLOCK]


def rows_of(player: Player, word: int) -> list[tuple[int, int, str, str, bool]]:
    # the last header of a full heap says 0; gdbheap gives it the two words that it takes
    return [
        (each.address, each.size or 2 * word, each.state, _arena(each.arena), bool(each.flags & 1))
        for each in chunks(player.process.machine)
    ]


def _arena(number: int) -> str:
    return "mmapped" if number == MMAPPED else str(number) if number else "main"


def rows_read(stop: dict) -> list[tuple[int, int, str, str, bool]]:
    return [
        (int(row["address"], 16), row["size"], row["state"], row["arena"], row["prev_inuse"])
        for row in stop["chunks"]["rows"]
    ]


def lists_of(player: Player) -> dict[tuple[str, int, object], list[int]]:
    return {
        (each.kind, each.index, each.owner if each.kind == "tcache" else _arena(each.owner)): list(each.chunks)
        for each in free_lists(player.process.machine)
    }


def lists_read(stop: dict) -> dict[tuple[str, int, object], list[int]]:
    return {
        (
            row["kind"],
            row["index"],
            stop["threads"].index(row["thread"]) if row["kind"] == "tcache" else row["arena"],
        ): [int(chunk, 16) for chunk in row["chunks"]]
        for row in stop["bins"]["rows"]
        if row["chunks"]
    }


def live_blocks(stop: dict, trace: list[Operation]) -> dict[int, int]:
    """What the ledger alone says is allocated: mem -> usable size."""
    raw = bytes.fromhex(stop["ledger"])
    live: dict[int, tuple[int, int]] = {}
    for index, each in enumerate(operations(trace)[: len(raw) // 16]):
        value, usable = (int.from_bytes(raw[at : at + 8], "little") for at in (16 * index, 16 * index + 8))
        if each.what == "f":
            live.pop(each.arguments[0], None)
        elif each.what in RETURNS_BLOCK:
            if each.what == "r" and (value or not each.arguments[2]):
                live.pop(each.arguments[1], None)
            if value:
                live[each.arguments[0]] = value, usable
    return dict(live.values())


def blocks_in_use(stop: dict, word: int) -> dict[int, int]:
    """What gdbheap shows as in use: mem -> usable size."""
    late = libc_version() == "2.43"
    return {
        int(row["mem"], 16): row["size"] - (2 * word if row["arena"] == "mmapped" and not late else word)
        for row in stop["chunks"]["rows"]
        if row["state"] == "in_use"
    }
