"""Three witnesses at checkpoints of random traces: the model, gdbheap's own reading in gdb, and the driver's ledger,
agreeing in every field.

One gdb for each word size; in it replay.c performs trace after trace, each under its own tunables.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from gdbheap.model.arenas import ring
from gdbheap.model.machine import ModelMalloc
from gdbheap.model.mmapped import usable_tail
from gdbheap.model.trace import RETURNS_BLOCK, Operation, Player, unparse
from gdbheap.model.traits import traits
from gdbheap.model.view import MMAPPED, chunks, free_lists
from support.before import Before, libc_version
from support.cases import tunable_sets
from support.programs import PATIENCE, build
from support.traces import FLAVOURS, Builder

_DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
_LENGTH = 3000 if _DEEP else 108
_SEED = int(os.environ.get("GDBHEAP_SEED", "0")) if _DEEP else 3
_FLAGS = {8: (), 4: ("-m32",)}
# What is written over is another matter: broken heaps have tests of their own.
_FLAVOURS = [each for each in FLAVOURS if "broken" not in each.name]

# Run inside gdb: what the process is before its first call, and then at each checkpoint what gdbheap reads and what the
# ledger says.
_SCRIPT = """
python
import json
from gdbheap.inside_gdb import answering

def ask(command):
    return json.loads(gdb.execute(command + " --json", to_string=True))

def inferior():
    return gdb.selected_inferior()

def lwps():
    handles = {int.from_bytes(each.handle(), "little"): each.ptid[1] for each in inferior().threads()}
    used = [index for index in range(1, 24) if int(gdb.parse_and_eval("threads[%d].used" % index))]
    first = next(each for each in inferior().threads() if each.num == 1)
    return {**{index: handles[int(gdb.parse_and_eval("threads[%d].id" % index))] for index in used}, 0: first.ptid[1]}

def members(value):
    # the mutex is whoever's holds it
    fields = [each for each in value.struct.fields.values() if each.name != "mutex"]
    return {each.name: list(value.array(each.name)) if each.count > 1 else value[each.name] for each in fields}

def stop():
    count = int(gdb.parse_and_eval("operations"))
    start = int(gdb.parse_and_eval("results"))
    said = dict(
        chunks=ask("heap chunks"), bins=ask("heap bins"), params=ask("heap params")["rows"],
        check=ask("heap check")["rows"],
        threads=lwps(),
        ledger=bytes(inferior().read_memory(start, 16 * count)).hex(),
    )
    view = answering.TARGET.heap()
    layout = view.layout
    return dict(
        said, arenas=[dict(members(each.value), address=each.address) for each in view.arenas], brk=layout.brk.value,
        statics=layout.statics,
        tcaches={each.lwp: each.tcache.value if each.tcache else 0 for each in layout.threads},
        attached={each.lwp: each.arena.value if each.arena else 0 for each in layout.threads},
    )

told = []
gdb.execute("set confirm off")
gdb.execute("break checkpoint", to_string=True)
for tunables, path, stops in json.load(open(PLAN)):
    gdb.execute("set environment GLIBC_TUNABLES " + tunables)
    gdb.execute("set args " + path)
    gdb.execute("run", to_string=True)
    with open("/proc/%d/maps" % inferior().pid) as file:
        maps = file.read()
    brk = int(gdb.parse_and_eval("first_break"))
    found = []
    told.append(dict(maps=maps, brk=brk, stops=found))
    for _ in range(stops):
        gdb.execute("continue", to_string=True)
        found.append(stop())
json.dump(told, open(TOLD, "w"))
end
"""


def with_checkpoints(trace: list[Operation]) -> list[Operation]:
    """The trace with a checkpoint before all, one behind every 12th call, and none elsewhere."""
    cut = [Operation("k"), Operation("m", (0, 24))]
    for index, each in enumerate(each for each in trace if each.what != "k"):
        cut.append(each)
        if index % 12 == 11:
            cut.append(Operation("k"))
    return cut


def segments(trace: list[Operation]) -> list[list[Operation]]:
    """The operations between checkpoints, the first empty segment left out."""
    parts: list[list[Operation]] = [[]]
    for each in trace:
        if each.what == "k":
            parts.append([])
        else:
            parts[-1].append(each)
    return parts[1:]


def cases(pointer_size: int) -> list[tuple[str, dict[str, int], list[Operation]]]:
    """Return (flavour, tunables, trace)."""
    shape = traits(libc_version(), pointer_size)
    made = []
    for flavour in _FLAVOURS:
        choose = random.Random(f"{_SEED} {flavour.name} {pointer_size}")
        triples = [(choose.randrange(65536), choose.randrange(65536), choose.randrange(65536)) for _ in range(_LENGTH)]
        trace = with_checkpoints(Builder(shape, flavour).build(triples))
        made.append((flavour.name, choose.choice(tunable_sets(shape)), trace))
    return made


def in_gdb(
    gdb, tmp_path: Path, pointer_size: int, made: list[tuple[str, dict[str, int], list[Operation]]]
) -> list[dict]:
    plan, told, script = tmp_path / "plan", tmp_path / "told", tmp_path / "script.gdb"
    lines = []
    for number, (_, tunables, trace) in enumerate(made):
        file = tmp_path / f"trace{number}"
        file.write_text(unparse(trace))
        text = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
        lines.append((text, str(file), sum(each.what == "k" for each in trace)))
    plan.write_text(json.dumps(lines))
    script.write_text(_SCRIPT.replace("PLAN", repr(str(plan))).replace("TOLD", repr(str(told))))
    program = build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[pointer_size])
    said = gdb(program, f"source {script}", patience=PATIENCE * (1 + 3 * _DEEP))
    assert told.exists(), said.text
    return json.loads(told.read_text())


@pytest.mark.parametrize("word", [8, 4])
def test_three_witnesses_agree(gdb, tmp_path, word):
    made = cases(word)
    checkpoints = 0
    for (flavour, tunables, trace), told in zip(made, in_gdb(gdb, tmp_path, word, made)):
        player = Before(word, told["maps"], told["brk"]).player(lambda page: None, tunables)
        machine = player.process.machine
        for number, (part, stop) in enumerate(zip(segments(trace), told["stops"])):
            for operation in part:
                player.perform(operation)
            where = f"seed {_SEED}, {flavour}, tunables {tunables}, checkpoint {number}"
            assert ledger_of(player, trace) == ledger_read(stop, trace), where
            assert rows_read(stop) == rows_of(player, word), where
            assert lists_read(stop) == lists_of(player), where
            assert parameters_read(stop, machine) == parameters_of(machine), where
            assert stop["arenas"] == [arena_of(machine, each) for each in ring(machine)], where
            assert rest_read(stop) == rest_of(machine), where
            assert stop["chunks"]["faults"] == [], where
            assert stop["check"] == [], (where, json.dumps(stop["check"]))
            assert live_blocks(stop, trace).items() <= blocks_in_use(stop, machine).items(), where
            checkpoints += 1
    assert checkpoints >= 70


def operations(trace: list[Operation]) -> list[Operation]:
    return [each for each in trace if each.what != "k"]


def ledger_of(player: Player, trace: list[Operation]) -> list[tuple[int, int]]:
    return [
        (done.value, done.usable) for done, each in zip(player.results, operations(trace)) if each.what in RETURNS_BLOCK
    ]


def ledger_words(stop: dict) -> list[tuple[int, int]]:
    raw = bytes.fromhex(stop["ledger"])
    words = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
    return list(zip(words[::2], words[1::2]))


def ledger_read(stop: dict, trace: list[Operation]) -> list[tuple[int, int]]:
    return [pair for pair, each in zip(ledger_words(stop), operations(trace)) if each.what in RETURNS_BLOCK]


def rows_of(player: Player, pointer_size: int) -> list[tuple[int, int, str, str, bool]]:
    # the last header of a full heap says 0; gdbheap gives it the two words that it takes
    return [
        (each.address, each.size or 2 * pointer_size, each.state, _arena(each.arena), bool(each.flags & 1))
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
    indices = {lwp: int(index) for index, lwp in stop["threads"].items()}
    cached = [row for row in stop["bins"]["rows"] if row["kind"] == "tcache"]
    assert all(row["stored_count"] == len(row["chunks"]) for row in cached)
    return {
        (row["kind"], row["index"], indices[row["thread"]] if row["kind"] == "tcache" else row["arena"]): [
            int(chunk, 16) for chunk in row["chunks"]
        ]
        for row in stop["bins"]["rows"]
        if row["chunks"]
    }


def parameters_of(machine: ModelMalloc) -> dict[str, int]:
    found = {
        name: machine.parameter(name) for name in machine.traits.mp_members() if not name.startswith(("thp", "hp"))
    }
    return {**found, **({"global_max_fast": machine.global_max_fast} if machine.traits.has_fastbins else {})}


def parameters_read(stop: dict, machine: ModelMalloc) -> dict[str, int]:
    """mp_ as gdbheap reads it, under the model's names: one member was renamed, one is not malloc's to use."""
    names = {"tcache_small_bins": "tcache_bins"}
    rows = {names.get(row["name"], row["name"]): row["value"] for row in stop["params"]}
    return {name: int(str(rows[name]), 0) for name in parameters_of(machine)}


def arena_of(machine: ModelMalloc, arena: int) -> dict[str, object]:
    """Every member of an arena, by where the model keeps it."""
    pointer_size = machine.pointer_size
    places = {
        "flags": (4, 4, 1),
        **({"have_fastchunks": (machine.HAVE_FASTCHUNKS, 4, 1)} if machine.traits.has_fastbins else {}),
        **(
            {"fastbinsY": (machine.FASTBINS, pointer_size, machine.traits.fastbins)}
            if machine.traits.has_fastbins
            else {}
        ),
        "top": (machine.TOP, pointer_size, 1),
        "last_remainder": (machine.LAST_REMAINDER, pointer_size, 1),
        "bins": (machine.BINS, pointer_size, 254),
        "binmap": (machine.BINMAP, 4, 4),
        "next": (machine.NEXT, pointer_size, 1),
        "next_free": (machine.NEXT_FREE, pointer_size, 1),
        "attached_threads": (machine.ATTACHED_THREADS, pointer_size, 1),
        "system_mem": (machine.SYSTEM_MEM, pointer_size, 1),
        "max_system_mem": (machine.MAX_SYSTEM_MEM, pointer_size, 1),
    }
    found: dict[str, object] = {"address": arena}
    for name, (offset, size, count) in places.items():
        raw = machine.memory.read(arena + offset, size * count)
        values = [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]
        found[name] = values if count > 1 else values[0]
    return found


def rest_of(machine: ModelMalloc) -> dict[str, object]:
    """What is in no struct: the break, malloc's static variables, each thread's tcache and arena."""
    statics = {
        "narenas": machine.narenas,
        "narenas_limit": machine.narenas_limit,
        "next_to_use": machine.next_to_use,
        "free_list": machine.free_arenas,
        "aligned_heap_area": machine.aligned_heap_area,
    }
    threads = {index: each for index, each in enumerate(machine.threads) if not each.ended}
    return {
        **statics,
        "brk": machine.kernel.brk,
        "tcaches": {index: each.tcache for index, each in threads.items()},
        "arenas": {index: each.arena for index, each in threads.items()},
    }


def rest_read(stop: dict) -> dict[str, object]:
    names = ("narenas", "narenas_limit", "next_to_use", "free_list", "aligned_heap_area")
    return {
        **{name: stop["statics"][name] for name in names},
        "brk": stop["brk"],
        "tcaches": {int(index): stop["tcaches"][str(lwp)] for index, lwp in stop["threads"].items()},
        "arenas": {int(index): stop["attached"][str(lwp)] for index, lwp in stop["threads"].items()},
    }


def live_blocks(stop: dict, trace: list[Operation]) -> dict[int, int]:
    """What the ledger alone says is allocated: mem -> usable size."""
    live: dict[int, tuple[int, int]] = {}
    for (value, usable), each in zip(ledger_words(stop), operations(trace)):
        if each.what == "f":
            live.pop(each.arguments[0], None)
        elif each.what in RETURNS_BLOCK:
            if each.what == "r" and (value or not each.arguments[2]):
                live.pop(each.arguments[1], None)
            if value:
                live[each.arguments[0]] = value, usable
    return dict(live.values())


def blocks_in_use(stop: dict, machine: ModelMalloc) -> dict[int, int]:
    """What gdbheap shows as in use: mem -> usable size."""
    return {
        int(row["mem"], 16): row["size"] - (usable_tail(machine) if row["arena"] == "mmapped" else machine.pointer_size)
        for row in stop["chunks"]["rows"]
        if row["state"] == "in_use"
    }
