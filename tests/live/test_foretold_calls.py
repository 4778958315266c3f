"""heap predict at many states of random programs, and what the inferior then really does: results, reasons, and how it
dies.

One gdb for each word size; in it replay.c performs trace after trace, stops before some of its calls, gdb asks, and
the calls are made.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from gdbheap.model.trace import Operation, parse, unparse
from gdbheap.model.traits import Traits, traits
from support.before import libc_version
from support.cases import tunable_sets
from support.foretold_reasons import Scene, reason_holds
from support.programs import build
from support.traces import FLAVOURS, Builder

_DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
_SEED = int(os.environ.get("GDBHEAP_SEED", "0")) if _DEEP else 7
_TRACES = 4 * _DEEP if _DEEP else 1
_LENGTH = 150
_FLAGS = {8: (), 4: ("-m32",)}
_CALLS = {
    "m": "malloc",
    "c": "calloc",
    "r": "realloc",
    "a": "memalign",
    "l": "aligned_alloc",
    "p": "posix_memalign",
    "v": "valloc",
    "q": "pvalloc",
    "f": "free",
    "t": "malloc_trim",
    "o": "mallopt",
}
# What a trace ends with: errors that malloc aborts at, or dies of.
_ENDS = (
    "m 900 24\nf 900\nf 900",
    "m 900 24\nm 901 24\nf 900\nf 901\nf 900",
    "m 900 3000\nm 901 24\nf 900\nf 900",
    "m 900 400000\nm 901 24\nf 900\nf 900",
    "".join((*(f"m {slot} 40\n" for slot in range(900, 920)), *(f"f {slot}\n" for slot in range(900, 920)), "f 919\n")),
    "m 900 1500\nm 901 24\nf 900\nr 902 900 5000",
    "m 900 40\nr 901 900 0\nr 902 900 100\nf 900\nf 902",
)
_ALIGNED = ("memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc")


@dataclass(frozen=True)
class Round:
    """Calls that are foretold: `thread` makes them (its index in replay.c), they are operations `first` and on;
    `watched` where a checkpoint follows, so that one can see what the one call did, with the block in slot
    `given` (-1: none)."""

    thread: int
    ops: str
    first: int
    count: int
    watched: bool
    given: int


def rounds_of(trace: list[Operation], end: list[Operation]) -> tuple[list[Operation], list[Round]]:
    """Return the trace with a checkpoint before each round, and the rounds: six calls, then one, and so on, with six
    operations between. The last round is what the trace ends with, by thread 0."""
    cut: list[Operation] = []
    rounds: list[Round] = []
    done = current = index = 0
    while index < len(trace):
        between = index + 6
        # what is no call, and some of the calls, make the state
        while index < len(trace) and (trace[index].what not in _CALLS or index < between):
            current = trace[index].arguments[0] if trace[index].what == "T" else current
            cut.append(trace[index])
            done += 1
            index += 1
        watched = len(rounds) % 2 == 1
        calls = []
        while index < len(trace) and trace[index].what in _CALLS and len(calls) < (1 if watched else 6):
            calls.append(trace[index])
            index += 1
        if calls:
            cut += [Operation("k"), *calls, *([Operation("k")] if watched else [])]
            rounds.append(Round(current, ops_of(calls), done, len(calls), watched, given_slot(calls[0])))
            done += len(calls)
    cut += [Operation("T", (0,)), Operation("k"), *end]
    rounds.append(Round(0, ops_of(end), done + 1, len(end), False, -1))
    return cut, rounds


def given_slot(call: Operation) -> int:
    if call.what not in "fr":
        return -1
    return call.arguments[0] if call.what == "f" else call.arguments[1]


def ops_of(calls: list[Operation]) -> str:
    """Return the calls as a user would type them; a block of an earlier call of the same line is @N."""
    made: dict[int, int] = {}
    texts = []
    for number, call in enumerate(calls, 1):
        words = [str(each) for each in call.arguments]
        place = {"f": 0, "r": 1}.get(call.what)
        if place is not None:
            slot = call.arguments[place]
            words[place] = f"@{made[slot]}" if slot in made else f"slots[{slot}]"
        if call.what not in "fto":
            made[call.arguments[0]] = number
            words = words[1:]
        texts.append(f"{_CALLS[call.what]} {' '.join(words)}")
    return "; ".join(texts)


# Run inside gdb: `plan` holds (tunables, file of the trace, rounds).
_SCRIPT = """
python
import json

def ask(command):
    return json.loads(gdb.execute(command + " --json", to_string=True))

def state():
    with open("/proc/%d/maps" % inferior().pid) as file:
        maps = [[int(part, 16) for part in line.split()[0].split("-")] for line in file]
    return dict(bins=ask("heap bins")["rows"], arenas=ask("heap arenas")["rows"], maps=maps)

def inferior():
    return gdb.selected_inferior()

def switch_to(index):
    pthread = int(gdb.parse_and_eval("threads[%d].id" % index)) if index else 0
    for thread in inferior().threads():
        if int.from_bytes(thread.handle(), "little") == pthread if index else thread.num == 1:
            thread.switch()

def waits():
    return gdb.selected_thread() is not None and gdb.selected_frame().name() == "checkpoint"

def foretell(round):
    thread, ops, first, count, watched, given = round
    switch_to(thread)
    told = dict(lwp=gdb.selected_thread().ptid[1])
    told["given"] = int(gdb.parse_and_eval("(unsigned long)slots[%d]" % given)) if given >= 0 else 0
    try:
        answer = ask("heap predict '" + ops + "'")
    except gdb.error as error:
        told["refused"] = str(error)
        answer = None
    told["before"] = state() if watched and answer else None
    gdb.execute("continue", to_string=True)
    told["alive"] = waits()
    if gdb.selected_thread() is not None:
        done = int(gdb.parse_and_eval("operations"))
        told["facts"] = [int(gdb.parse_and_eval("results[%d].value" % (first + index))) for
        index in range(min(count, done - first))]
    if answer:
        told.update(rows=answer["rows"], notes=answer["notes"])
    if watched and told["alive"]:
        told["after"] = state() if answer else None
        gdb.execute("continue", to_string=True)
    return told

told = []
gdb.execute("set confirm off")
gdb.execute("break checkpoint", to_string=True)
for tunables, path, rounds in json.load(open({plan!r})):
    gdb.execute("set environment GLIBC_TUNABLES " + tunables)
    gdb.execute("set args " + path + " 2> " + path + ".said")
    gdb.execute("run", to_string=True)
    answers = []
    for round in rounds:
        if not waits():
            # what only made the state has ended the process
            break
        answers.append(foretell(round))
    told.append(answers)
json.dump(told, open({told!r}, "w"))
end
"""


def plan_of(shape: Traits, directory: Path) -> list[tuple[str, str, list[Round]]]:
    """Write the traces into the directory; return (tunables, file, rounds)."""
    plan = []
    for number, flavour in enumerate(each for each in FLAVOURS for _ in range(_TRACES)):
        choose = random.Random(f"{_SEED} {flavour.name} {shape.pointer_size} {number}")
        triples = [(choose.randrange(65536), choose.randrange(65536), choose.randrange(65536)) for _ in range(_LENGTH)]
        tunables = choose.choice(tunable_sets(shape))
        made = [each for each in Builder(shape, flavour).build(triples) if each.what != "k"]
        trace, rounds = rounds_of(made, parse(_ENDS[number % len(_ENDS)]))
        path = directory / f"trace{number}"
        path.write_text(unparse(trace))
        text = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
        plan.append((text, str(path), rounds))
    return plan


@pytest.mark.parametrize("word", [8, 4])
def test_what_is_foretold_comes_true(gdb, tmp_path, word):
    shape = traits(libc_version(), word)
    plan = plan_of(shape, tmp_path)
    plan_file, told_file, script = tmp_path / "plan", tmp_path / "told", tmp_path / "script.gdb"
    plan_file.write_text(
        json.dumps([(text, path, [list(vars(each).values()) for each in rounds]) for text, path, rounds in plan])
    )
    script.write_text(_SCRIPT.format(plan=str(plan_file), told=str(told_file)))
    said = gdb(
        build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[word]), f"source {script}", patience=60 + 600 * _DEEP
    )
    assert told_file.exists(), said.text
    counts: Counter[str] = Counter()
    for (tunables, path, rounds), answers in zip(plan, json.loads(told_file.read_text())):
        for each, answer in zip(rounds, answers):
            where = (
                f"seed {_SEED}, {path}, tunables {tunables!r}, calls from {each.first} by thread {each.thread}: "
                f"{each.ops}"
            )
            judge(answer, Path(path + ".said").read_text().strip(), where, word, counts)
    assert counts["states"] >= 100
    assert counts["ends"] >= 3
    assert counts["reasons"] >= 30
    if _DEEP:
        print(f"seed {_SEED}, {8 * word} bit: {dict(counts)}")


def judge(answer: dict, dying_words: str, where: str, pointer_size: int, counts: Counter[str]) -> None:
    """Compare what was foretold at one state with what came of it."""
    if "rows" not in answer:
        # a heap that was written over is refused, with the fault that shows it
        assert answer["refused"].startswith("cannot predict from a broken heap: 0x"), f"{where}\n{answer['refused']}"
        counts["refused"] += 1
        return
    rows, facts = answer["rows"], answer.get("facts", [])
    counts["states"] += 1
    counts["calls"] += len(facts)
    returned = [
        row for row in rows if row["result"] is not None or (row["call"].startswith("free ") and not row["message"])
    ]
    foretold = [int(row["result"] or "0", 16) for row in returned]
    shown = (
        f"{where}\n{json.dumps(rows, indent=1)}\nfacts {[hex(fact) for fact in facts]}, alive {answer['alive']}, "
        f"{dying_words!r}"
    )
    assert foretold == facts[: len(foretold)], shown
    assert answer["notes"] == [] or not answer["alive"], shown
    if len(returned) == len(rows):
        assert len(facts) == len(rows), shown
    else:
        counts["ends"] += 1
        message = rows[-1]["message"].replace("assertion failed: ", "")
        assert not answer["alive"], shown
        assert len(facts) == len(returned), shown
        assert message in dying_words or message.startswith(("SIGSEGV", "would not end")), shown
    if answer.get("after") and len(facts) == len(rows):
        aligned = rows[0]["call"].split()[0] in _ALIGNED
        chunks = (facts[0] - 2 * pointer_size, answer["given"] - 2 * pointer_size)
        scene = Scene(answer["before"], answer["after"], answer["lwp"], pointer_size, *chunks, aligned)
        counts["reasons"] += reason_holds(rows[0], scene, shown)
