"""heap predict against what the inferior then really does."""

from __future__ import annotations

import ast
import json
import os
import random
import sys
from pathlib import Path

import pytest
from programs import build

sys.path.append(str(Path(__file__).parents[1] / "model"))
from before import libc_version
from traces import FLAVOURS, Builder

from gdbheap.analysis.prediction.calls import FUNCTIONS
from gdbheap.model.trace import RETURNS_BLOCK, Operation, unparse
from gdbheap.model.traits import traits

_DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
_ROUNDS = 200 if _DEEP else 12
_SEED = int(os.environ.get("GDBHEAP_SEED", "0")) if _DEEP else 7
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
}

# Run inside gdb: at each checkpoint ask what the next calls will do, let them be made, and keep answers and facts.
_SCRIPT = """
python
import json
rounds = json.load(open({rounds!r}))
gdb.execute("break checkpoint", to_string=True)
gdb.execute("run", to_string=True)
told = []
for thread, ops, first, count in rounds:
    gdb.execute("thread %d" % thread, to_string=True)
    answer = json.loads(gdb.execute("heap predict --json " + ops, to_string=True))
    gdb.execute("continue", to_string=True)
    facts = [int(gdb.parse_and_eval("results[%d].value" % (first + index))) for index in range(count)]
    told.append((answer["rows"], facts))
json.dump(told, open({told!r}, "w"))
end
"""


def driver(word: int) -> Path:
    return build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[word])


def rounds_of(trace: list[Operation]) -> tuple[list[Operation], list[tuple[int, str, int, int]]]:
    """Cut a trace into rounds of up to six calls, a checkpoint before each; return it and (gdb's thread, the calls as OPS, first, count)."""
    cut: list[Operation] = []
    rounds = []
    done = current = 0
    index = 0
    while index < len(trace):
        # what is no call, and some of the calls, make the state
        while index < len(trace) and (trace[index].what not in _CALLS or index % 12 < 6):
            current = trace[index].arguments[0] if trace[index].what == "T" else current
            cut.append(trace[index])
            done += 1
            index += 1
        calls = []
        while index < len(trace) and trace[index].what in _CALLS and len(calls) < 6:
            calls.append(trace[index])
            index += 1
        if calls:
            cut += [Operation("k"), *calls]
            rounds.append((current + 1, ops_of(calls), done, len(calls)))
            done += len(calls)
    return cut, rounds


def ops_of(calls: list[Operation]) -> str:
    """The calls as a user would type them; a block of an earlier call of the same line is @N."""
    made: dict[int, int] = {}
    texts = []
    for number, call in enumerate(calls, 1):
        words = [str(each) for each in call.arguments]
        place = {"f": 0, "r": 1}.get(call.what)
        if place is not None:
            slot = call.arguments[place]
            words[place] = f"@{made[slot]}" if slot in made else f"slots[{slot}]"
        if call.what != "f":
            made[call.arguments[0]] = number
            words = words[1:]
        texts.append(f"{_CALLS[call.what]} {' '.join(words)}")
    return "; ".join(texts)


def ask(gdb, tmp_path: Path, word: int, trace: list[Operation], rounds) -> list:
    text, plan, told = tmp_path / "trace", tmp_path / "rounds", tmp_path / "told"
    text.write_text(unparse(trace))
    plan.write_text(json.dumps(rounds))
    script = tmp_path / "script.gdb"
    script.write_text(_SCRIPT.format(rounds=str(plan), told=str(told)))
    said = gdb(driver(word), f"set args {text}", f"source {script}")
    assert told.exists(), said.text
    return json.loads(told.read_text())


@pytest.mark.parametrize("word", [8, 4])
@pytest.mark.parametrize("flavour", ["small", "mixed", "few sizes", "huge", "threads"])
def test_what_is_predicted_comes_true(gdb, tmp_path, word, flavour):
    choose = random.Random(f"{_SEED} {flavour} {word}")
    triples = [(choose.randrange(65536), choose.randrange(65536), choose.randrange(65536)) for _ in range(_ROUNDS * 13)]
    made = Builder(traits(libc_version(), word), next(each for each in FLAVOURS if each.name == flavour)).build(triples)
    # a thread that ends gives its number to another, which gdb's numbers do not follow
    trace, rounds = rounds_of([each for each in made if each.what not in "kx"])
    for (_, ops, first, _), (rows, facts) in zip(rounds, ask(gdb, tmp_path, word, trace, rounds)):
        names = [row["call"].split()[0] for row in rows]
        predicted = [0 if name == "free" else int(row["result"], 16) for name, row in zip(names, rows)]
        assert predicted == facts, f"seed {_SEED}, calls from {first}: {ops}\n{rows}"


def test_freeing_twice_is_predicted_in_mallocs_words(gdb, tmp_path):
    trace = [Operation("m", (1, 24)), Operation("k"), Operation("f", (1,)), Operation("k")]
    rows = ask(gdb, tmp_path, 8, trace, [(1, "free slots[1]; free slots[1]; malloc 24", 1, 1)])[0][0]
    assert [(row["call"], row["result"], row["message"]) for row in rows] == [
        ("free slots[1]", None, ""),
        ("free slots[1]", None, "free(): double free detected in tcache 2"),
    ]


def test_nothing_in_the_process_changes(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nf 1\nk\n")
    look = "heap chunks --json"
    said = gdb(
        driver(8),
        f"set args {text}",
        "break checkpoint",
        "run",
        look,
        "heap predict malloc 24; free @1; malloc 500000",
        f"{look} ",
    )
    assert said[look] == said[f"{look} "]


_MISTAKES = {
    "malloc 3; mallok 3; free 0": (
        f"no such function (there are {', '.join(FUNCTIONS)})\n  malloc 3; mallok 3; free 0\n            ^~~~~~\n"
    ),
    "malloc 3; free": "free takes ADDRESS\n  malloc 3; free\n                ^\n",
    "calloc 3": "calloc takes COUNT SIZE\n  calloc 3\n          ^\n",
    "calloc 3 4 5 6": "calloc takes COUNT SIZE\n  calloc 3 4 5 6\n             ^~~\n",
    "'malloc(3); free(@2)'": (
        "@N is the result of the Nth call before this one\n  malloc(3); free(@2)\n                  ^~\n"
    ),
    "malloc nothing": 'nothing: No symbol "nothing" in current context\n  malloc nothing\n         ^~~~~~~\n',
    "'malloc 3; free 0x5555zz'": (
        '0x5555zz: Invalid number "0x5555zz"\n  malloc 3; free 0x5555zz\n                 ^~~~~~~~\n'
    ),
    "'malloc 3": "quotes go around all the calls, or around none\n  'malloc 3\n  ^~~~~~~~~\n",
    "'malloc 3'; free 0": "quotes go around all the calls, or around none\n  'malloc 3'; free 0\n  ^~~~~~~~~~~~~~~~~~\n",
}


def test_a_mistake_is_pointed_at(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nk\n")
    commands = {f"heap predict {ops}": f"heap predict: {answer}" for ops, answer in _MISTAKES.items()}
    said = gdb(driver(8), f"set args {text}", "break checkpoint", "run", *commands)
    assert {command: said[command] for command in commands} == commands


def test_all_ways_to_write_calls_mean_the_same(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 40\nm 2 56\nf 1\nk\n")
    address = "print/x (long)slots[2]"
    find_address = "python p = hex(int(gdb.parse_and_eval('(long)slots[2]')))"
    ways = [
        "'malloc 0x30; free {p}; malloc 24; malloc 56'",
        '"malloc 0x30; free {p}; malloc 24; malloc 56"',
        "malloc 0x30; free {p}; malloc 24; malloc 56",
        "malloc(48);free ({p}) ; malloc (24);; malloc 7 * 8",
        "malloc 48; free slots[1 + 1]; malloc 3 << 3; malloc sizeof(void *)*7",
        "'malloc 48; free (char *)slots + 2 == 0 ? 0 : slots[2]; malloc 0x18; malloc 0x38'",
    ]
    asked = [
        f"python print(json.loads(gdb.execute({('heap predict --json ' + way)!r}.replace('{{p}}', p), to_string=True))['rows'])"
        for way in ways
    ]
    said = gdb(
        driver(8), f"set args {text}", "break checkpoint", "run", "python import json", find_address, *asked, address
    )
    answers = [
        [(row["result"], row["source"], row["message"]) for row in ast.literal_eval(said[each])] for each in asked
    ]
    block = said[address].split()[-1]
    assert answers[0][1][:2] == (None, "to tcache[2]")
    assert answers[0][3] == (block, "tcache[2]", "")
    assert answers[1:] == answers[:1] * (len(ways) - 1)


def test_the_way_is_explained(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nf 1\nk\n")
    command = "heap predict --explain malloc 24"
    said = gdb(driver(8), f"set args {text}", "break checkpoint", "run", command, "output/x slots[1]")
    block = said["output/x slots[1]"].strip()
    assert said[command] == (
        f"call       {'result':>{len(block)}}  source     message\n"
        f"malloc 24  {block}  tcache[0]\n"
        f"    the thread's tcache[0] has a block of this size: its first, {block}, is taken\n"
    )


def test_a_broken_heap_is_refused_at_its_fault(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nm 2 24\nw 1 -8 3\nk\n")
    said = gdb(driver(8), f"set args {text}", "break checkpoint", "run", "heap predict malloc 24")
    assert said["heap predict malloc 24"].startswith("cannot predict from a broken heap: 0x")


def test_every_call_has_its_block_kind():
    assert set(_CALLS) == RETURNS_BLOCK | {"f"}
