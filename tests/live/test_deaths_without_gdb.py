"""Every death of the galleries as the kernel's core, asked with and without gdb: the same answers, to the last note.

Each death is asked `fault` and its share of the other questions, in 32 bits every third one of them;
GDBHEAP_GALLERY=all asks each all of them.
"""

from __future__ import annotations

import functools
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gdbheap.analysis.snapshots.snapshot_file import read_snapshot
from support.asked_without_gdb import AskedCore
from support.fault_gallery import BITS, FAMILIES, build_family, cases_of
from support.gdb_runs import ROOT, run_gdb
from support.programs import PATIENCE

# Each share with what all of its questions read, so that it is read once.
SHARES = (
    ("heap", "heap chunks", "heap bins", "heap sizes", "heap arenas", "heap params"),
    ("heap leaks", "heap leaks --kind all --blocks", "heap check", "explain $sp"),
    ("heap types", "heap retained", "heap rss", "explain $pc"),
    ("vmmap", "mm", "explain {}", "heap owners {}", "heap search {}", "heap chunk {}", "vmmap {}"),
)
ALL = tuple(each for share in SHARES for each in share)
# What gdb gets wrong of i386, and the line of source that is right: it takes it that code without a function keeps a
# frame pointer, and leaves out who jumped there; and one line's later part for that of an inlined function before it.
WRONG_IN_GDB = {
    "jump_to_heap": "((void (*)(void))target)();",
    "jump_to_stack": "((void (*)(void))target)();",
    "delete_twice": "delete[] hidden(block);",
}
# (gdb 10 does not always find what free_this was given; gdb 18 not what strlen was.)
WRONG_IN_RELEASE = {10: {"free_interior": "free_this(void *p)"}, 18: {"null_in_libc": "strlen(text)"}}
# gdb 10 leaves free() out of i386's stacks where that ended in a jump to what it calls: nor does it know its argument.
LEFT_OUT = {10: "__GI___libc_free"}
# These releases number i386's frames in a way of their own: gdb 10 leaves out free(), which ended in a jump to what it
# calls; from 17 on it takes an inlined function for longer than it is.
ODD_NUMBERS = (10, 17, 18)
# As many of each gallery leave a core on every system (the others need what a system may lack).
LEAST = {"pointers": 20, "mappings": 26, "control": 34, "heap": 15, "signals": 11, "cxx": 22}


def kernel_cores(family: str, bits: str, directory: Path) -> Iterator[tuple[str, Path]]:
    """Let every case of a gallery die; yield the cases of which there is a core, and it."""
    program = build_family(family, *BITS[bits])
    unbounded = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    for name in cases_of(family, bits):
        run = directory / name
        run.mkdir()
        subprocess.run(
            [str(program), name],
            cwd=run,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unbounded),
        )
        for core in run.glob("core*"):
            yield name, core
            break


def questions(number: int, bits: str, core: AskedCore) -> Iterator[str]:
    """Yield what the death of that number is asked; where that takes a block, one in the middle of those in use."""
    yield "fault"
    if os.environ.get("GDBHEAP_GALLERY") == "all":
        share = ALL
    else:
        share = () if bits == "i386" and number % 3 else SHARES[number % len(SHARES)]
    block = None
    if any("{}" in each for each in share):
        core.ask(["heap chunks"])
        answer = core.asked["heap chunks"]
        rows = answer["rows"] if isinstance(answer, dict) else ()
        used = [row["mem"] for row in rows if row["state"] == "in_use"]
        block = used[len(used) // 2] if used else None
    yield from (each.format(block) for each in share if block is not None or "{}" not in each)


def asked_of_gdb(family: str, bits: str, asked: dict[str, tuple[Path, AskedCore]]) -> dict[tuple[str, str], Any]:
    """Return gdb's answers by case and question, a message where there is none: one gdb opens each core once. Snapshots
    are written beside the cores."""
    lines = [f"source {ROOT / 'gdb_init.py'}", f"file {build_family(family, *BITS[bits])}"]
    files = {}
    for name, (core, mine) in asked.items():
        lines.append(f"core-file {core}")
        for number, question in enumerate(mine.asked):
            file = files[name, question] = core.with_name(f"{number}.json")
            lines += [f"echo asked {file}\\n", f"{question} --json --output {file}"]
        lines.append(f"heap snapshot --output {core.with_name('gdbs.heap')}" if "heap types" in mine.asked else "echo")
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off"]
    for line in lines:
        words += ["-ex", line]
    said = run_gdb(words, patience=900)
    told = {}
    for place, _, rest in (each.partition("\n") for each in said.split("\nasked ")[1:]):
        error = re.search(r'^\{"schema": .*"error": .*$', rest, re.M)
        told[place] = json.loads(error[0])["error"]["message"] if error else rest
    return {key: json.loads(file.read_text()) if file.exists() else told[str(file)] for key, file in files.items()}


@functools.cache
def gdb_release() -> int:
    told = subprocess.run(["gdb", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split("\n", 1)[0].split()[-1].split(".")[0])


def comparable(answer: dict[str, Any] | str, bits: str) -> str:
    """Return an answer without what releases of gdb write in ways of their own: the segments of string instructions,
    GNU's name of long, numbers of frames."""
    text = json.dumps(answer)
    text = re.sub(r"%[de]s:(?=\(%[er][ds]i\))", "", text).replace("long int", "long")
    if bits == "i386" and gdb_release() in ODD_NUMBERS:
        text = re.sub(r'(\bframe |"frame": )\d+', r"\1", text)
    return text


def same_snapshot(core: Path) -> bool:
    """Whether both took a snapshot of the core, with the same blocks in it, or neither did."""
    files = [core.with_name(f"{who}.heap") for who in ("gdbs", "mine")]
    if not all(each.exists() for each in files):
        return not any(each.exists() for each in files)
    gdbs, mine = (read_snapshot(str(each)) for each in files)
    names = [[each.names[kind] for kind in each.kind] for each in (gdbs, mine)]
    return names[0] == names[1] and all(
        np.array_equal(getattr(gdbs, each), getattr(mine, each)) for each in ("address", "size", "head")
    )


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_death_is_told_as_gdb_tells_it(family, bits, tmp_path):
    asked = {}
    for number, (name, file) in enumerate(kernel_cores(family, bits, tmp_path)):
        core = AskedCore(file)
        core.ask(questions(number, bits, core))
        if "heap types" in core.asked:
            core.snapshot(file.with_name("mine.heap"))
        asked[name] = file, core
    gdbs = asked_of_gdb(family, bits, asked)
    right = {**WRONG_IN_GDB, **WRONG_IN_RELEASE.get(gdb_release(), {})} if bits == "i386" else {}
    left_out = LEFT_OUT.get(gdb_release()) if bits == "i386" else None
    wrong = []
    for (name, question), gdb_said in gdbs.items():
        mine = asked[name][1].asked[question]
        texts = [comparable(each, bits) for each in (gdb_said, mine)]
        if name in right and question.startswith(("fault", "explain")):
            assert question != "fault" or right[name] in mine["totals"]["source"]
        elif texts[0] != texts[1] and (left_out is None or left_out not in texts[1]):
            differs = next((at for at, pair in enumerate(zip(*texts)) if pair[0] != pair[1]), 0)
            wrong.append((name, question, *(each[max(0, differs - 100) : differs + 200] for each in texts)))
    wrong += [(name, "heap snapshot") for name, (file, _) in asked.items() if not same_snapshot(file)]
    assert wrong == []
    assert len(asked) >= LEAST[family] and len(gdbs) >= (2 if bits == "i386" else 4) * len(asked)
    shutil.rmtree(tmp_path)
