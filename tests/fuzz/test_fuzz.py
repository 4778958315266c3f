"""Damaged cores, ELF files, debug info, snapshots and cache entries: never a traceback, 20 seconds of processor time or
2 GB of memory.

GDBHEAP_DEEP=N reads N times as many, from the seed in GDBHEAP_SEED or a fresh one. Each turn is made of the seed,
the kind and its number alone: what fails prints the words with which support/fuzz_child.py does that turn again.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.snapshots.snapshot import take_snapshot
from gdbheap.analysis.snapshots.snapshot_file import write_snapshot
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.process.columns.first_words import FirstWords
from support.built_library import build as build_library
from support.core_debugger import core_target
from support.gdb_runs import generated_core, kernel_core
from support.programs import build, running

CHILD = Path(__file__).parents[1] / "support" / "fuzz_child.py"
DEEP = int(os.environ.get("GDBHEAP_DEEP", "0"))
SEED = os.environ.get("GDBHEAP_SEED") or (str(random.SystemRandom().randrange(1 << 32)) if DEEP else "20261129")
# As many turns as take about three seconds of each.
TURNS = {"core": 15, "elf": 120, "dwarf": 60, "snapshot": 150, "cache": 10}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with what is to be damaged: a core of the kernel's and one of gdb's, a library with debug info,
    plain and compressed, a snapshot, and a cache."""
    place = tmp_path_factory.mktemp("fuzz")
    for name in ("cores", "libraries", "spans", "run"):
        (place / name).mkdir()
    program = build("many_sizes")
    with running(program, directory=place / "run") as process:
        generated_core(process.pid, place / "cores")
        kernel_core(process, place / "run").rename(place / "cores" / "kernel")
    for index, flags in enumerate(((), ("-gz=zlib",), ("-gdwarf-4",))):
        library = build_library(place / "run", *flags, name=f"{index}.so")
        library.rename(place / "libraries" / library.name)
        (place / "spans" / library.name).write_text(json.dumps(debug_spans(place / "libraries" / library.name)))
    target = core_target(str(place / "cores" / "kernel"), str(place / "cache"), DebugSearch())
    snapshot = take_snapshot(target.heap(), FirstWords(), Lookup(target.process, target.symbol_at), 0.0)
    write_snapshot(snapshot, str(place / "snapshot"))
    return place


def debug_spans(library: Path) -> list[tuple[int, int]]:
    """Return where the sections of debug info lie in the file, as readelf tells it."""
    text = subprocess.run(["readelf", "-SW", library], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"\] (\.debug_(?:info|abbrev|aranges|str|line_str))\s+\w+\s+\w+ (\w+) (\w+)", text)
    return [(int(offset, 16), int(offset, 16) + int(size, 16)) for _, offset, size in rows]


@pytest.mark.parametrize("kind", TURNS)
def test_no_file_is_a_traceback_or_takes_all_time_or_memory(place, kind):
    turns = TURNS[kind] * max(DEEP, 1)
    words = [sys.executable, str(CHILD), kind, str(place), SEED, str(turns)]
    result = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240 + 20 * turns, check=False
    )
    doing = (place / "turn").read_text()
    assert result.returncode == 0, f"{doing} (exit code {result.returncode}, seed {SEED}):\n{result.stdout[-5000:]}"
