"""heap predict as a user sees it: how calls are written, what a mistake says, what an answer looks like. (Whether it
is true: test_foretold_calls.py.)"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from gdbheap.analysis.prediction.calls import FUNCTIONS
from support.programs import build

_FLAGS = {8: (), 4: ("-m32",)}


def driver(pointer_size: int) -> Path:
    return build("replay", "-fno-builtin", "-Wl,-z,now", *_FLAGS[pointer_size])


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
        "next: heap bins (the lists that blocks come from)\n"
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
        f"there is no such function (known are {', '.join(FUNCTIONS)})\n"
        "  malloc 3; mallok 3; free 0\n            ^~~~~~\n"
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
    "'malloc 3": "put quotes around all the calls, or around none\n  'malloc 3\n  ^~~~~~~~~\n",
    "'malloc 3'; free 0": "put quotes around all the calls, or around none\n  'malloc 3'; free 0\n  "
    "^~~~~~~~~~~~~~~~~~\n",
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
        f"python print(json.loads(gdb.execute({('heap predict --json ' + way)!r}.replace('{{p}}', p), "
        "to_string=True))['rows'])"
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
    said = gdb(
        driver(8), f"set args {text}", "break checkpoint", "run", command, "output/x slots[1]", f"{command} --json"
    )
    block = said["output/x slots[1]"].strip()
    assert said[command] == (
        f"call       {'result':>{len(block)}}  source     message\n"
        f"malloc 24  {block}  tcache[0]\n"
        f"    the thread's tcache[0] has a block of this size: its first, {block}, is taken\n"
        "next: heap bins (the lists that blocks come from)\n"
    )
    assert json.loads(said[f"{command} --json"])["rows"] == [
        {
            "call": "malloc 24",
            "result": block,
            "source": "tcache[0]",
            "message": "",
            "steps": [f"the thread's tcache[0] has a block of this size: its first, {block}, is taken"],
        }
    ]


def test_a_broken_heap_is_refused_at_its_fault(gdb, tmp_path):
    text = tmp_path / "trace"
    text.write_text("m 1 24\nm 2 24\nw 1 -8 3\nk\n")
    said = gdb(driver(8), f"set args {text}", "break checkpoint", "run", "heap predict malloc 24")
    assert said["heap predict malloc 24"].startswith("cannot predict from a broken heap: 0x")


# Run inside gdb at a checkpoint: what is foretold, and what comes of it.
_FORETELL = """
python
import json
answer = json.loads(gdb.execute("heap predict --json OPS", to_string=True))
first = int(gdb.parse_and_eval("operations"))
gdb.execute("continue", to_string=True)
facts = [int(gdb.parse_and_eval("results[%d].value" % each)) for each in range(first,
int(gdb.parse_and_eval("operations")))]
print(json.dumps([[row["result"] and int(row["result"], 16) for row in answer["rows"]], facts,
[row["message"] for row in answer["rows"]], answer["notes"]]))
end
"""


def foretell(gdb, tmp_path: Path, program: Path, calls: list[str], *settings: str) -> tuple[list, list, list, list]:
    """Return what is foretold of these calls of malloc, what they return, the messages and the notes."""
    trace, script = tmp_path / "trace", tmp_path / "script"
    trace.write_text("m 1 24\nf 1\nk\n" + "".join(f"m {slot} {size}\n" for slot, size in enumerate(calls, 2)) + "k\n")
    script.write_text(_FORETELL.replace("OPS", "; ".join(f"malloc {size}" for size in calls)))
    said = gdb(program, f"set args {trace}", *settings, "break checkpoint", "run", f"source {script}")
    return tuple(json.loads(said[f"source {script}"].splitlines()[-1]))


def test_what_the_kernel_refuses_is_foretold(gdb, tmp_path):
    everything = str(1 << 46)
    calls = ["300000000", "100000000", "24", everything, "50000000", "50000000"]
    wrapper = "set exec-wrapper prlimit --as=400000000"
    foretold, facts, messages, notes = foretell(gdb, tmp_path, driver(8), calls, wrapper)
    assert foretold == facts
    assert messages == ["", "NULL: ENOMEM", "", "NULL: ENOMEM", "", "NULL: ENOMEM"]
    assert notes == []


def test_more_than_all_memory_is_refused_where_the_kernel_does_that(gdb, tmp_path):
    foretold, facts, messages, _ = foretell(gdb, tmp_path, driver(8), [str(1 << 45), str(1 << 50), "24"])
    assert foretold == facts
    assert messages[1:] == ["NULL: ENOMEM", ""]


@pytest.mark.parametrize("word", [8, 4])
def test_a_static_program_is_foretold_too(gdb, tmp_path, word):
    program = build("replay", "-fno-builtin", "-static", *_FLAGS[word])
    foretold, facts, messages, notes = foretell(gdb, tmp_path, program, ["24", "5000", "200000", "1", "3000000"])
    assert foretold == facts
    assert messages == [""] * 5
    # a static program need not say which glibc it has in it
    assert all(each.startswith("glibc release unknown: ") for each in notes)


def test_of_a_core_it_is_said_what_is_not_known(gdb, tmp_path):
    trace, core = tmp_path / "trace", tmp_path / "core"
    trace.write_text("m 1 24\nf 1\nk\n")
    command = "heap predict malloc 24; malloc 200000; malloc 0x1ff000; malloc 24"
    stopped = (f"set args {trace}", "break checkpoint", "run", f"generate-core-file {core}")
    live = gdb(driver(8), *stopped, command)[command].splitlines()
    dead = gdb(driver(8), f"core-file {core}", command)[command].splitlines()
    assert dead[1:3] == live[1:3]
    assert dead[3].split()[:3] == ["malloc", "0x1ff000", "cannot"]
    assert dead[3].endswith(
        "cannot be told: whether the kernel aligns large mappings (Linux 6.7 and later do) is not known"
    )
    assert dead[4:] == [
        "note: malloc 200000: it is assumed that the kernel grants the memory",
        "note: what would follow is not predicted",
        "next: heap bins (the lists that blocks come from)",
    ]


def test_without_symbols_what_is_taken_for_granted_is_said(gdb, tmp_path):
    """The eighth freed block goes to a fastbin, if global_max_fast is what it is by default."""
    trace = tmp_path / "trace"
    trace.write_text("".join((*(f"m {slot} 40\n" for slot in range(8)), *(f"f {slot}\n" for slot in range(7)), "k\n")))
    command = "heap predict free slots[7]; malloc 40"
    said = gdb(
        driver(8),
        f"set args {trace}",
        "set debug-file-directory /nowhere",
        "break checkpoint",
        "run",
        command,
        before=("set debug-file-directory /nowhere",),
    )[command].splitlines()
    fast = said[1].split()[-1]
    assumed = "note: free slots[7]: global_max_fast, which only a symbol tells, is taken to be its default, 0x80"
    then = "next: heap bins (the lists that blocks come from)"
    assert (fast, said[3:]) in [("fastbin[1]", [assumed, then]), ("tcache[1]", [then])]
    assert said[2].split()[-1] == "tcache[1]"


def test_another_malloc_in_place_of_libcs_is_not_foretold(gdb, tmp_path):
    """Since 2.34 MALLOC_CHECK_ works only with libc_malloc_debug.so; before, in libc itself."""
    trace = tmp_path / "trace"
    trace.write_text("m 1 24\nk\n")
    settings = ("set environment MALLOC_CHECK_ 3", "set environment LD_PRELOAD libc_malloc_debug.so.0")
    command = "heap predict malloc 24"
    said = gdb(driver(8), f"set args {trace}", *settings, "break checkpoint", "run", command)[command]
    assert said in (
        "cannot predict: libc_malloc_debug.so serves malloc here, and adds checks of its own to each block\n",
        "cannot predict: __malloc_hook and __free_hook serve malloc's calls here (MALLOC_CHECK_ does that, too)\n",
    )


def test_a_call_that_is_not_finished_is_told_of(gdb, tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("m 1 24\nk\nm 2 5000\n")
    command = "heap predict malloc 24"
    said = gdb(driver(8), f"set args {trace}", "break checkpoint", "run", "break _int_malloc", "continue", command)[
        command
    ].splitlines()
    assert said[1].split()[:2] == ["malloc", "24"]
    assert re.fullmatch(r"note: thread \d+ is inside \w*malloc\(\): the heap may be in the middle of a change", said[2])
