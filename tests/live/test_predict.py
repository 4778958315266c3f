"""heap predict as a user sees it: how calls are written, what a mistake says, what an answer looks like. (Whether it is true: test_foretold_calls.py.)"""

from __future__ import annotations

import ast
from pathlib import Path

from programs import build

from gdbheap.analysis.prediction.calls import FUNCTIONS

_FLAGS = {8: (), 4: ("-m32",)}


def driver(word: int) -> Path:
    return build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[word])


def test_freeing_twice_is_predicted_in_mallocs_words(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nk\n")
    command = "heap predict free slots[1]; free slots[1]; malloc 24"
    said = gdb(driver(8), f"set args {text}", "break checkpoint", "run", command)
    assert said[command] == (
        "call           result  source        message\n"
        "free slots[1]          to tcache[0]\n"
        "free slots[1]                        free(): double free detected in tcache 2\n"
        "note: what would follow is not predicted\n"
    )


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
