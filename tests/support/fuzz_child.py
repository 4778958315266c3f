"""The fuzzer's child: reads damaged files, within 2 GB of memory and 20 seconds of processor time for each.

argv: KIND DIRECTORY SEED TURNS. The directory holds what is damaged (see fuzz/test_fuzz.py). What was being read is
in DIRECTORY/turn when this dies; a turn alone is done again with KIND DIRECTORY SEED TURN-TURN.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gdbheap.commands import all_commands  # noqa: E402
from gdbheap.commands.heap_diff import diff_report  # noqa: E402
from gdbheap.elf.debug_search import DebugSearch  # noqa: E402
from gdbheap.elf.elf_reader import read_elf  # noqa: E402
from gdbheap.elf.thread_locals import thread_locals  # noqa: E402
from gdbheap.errors import HeapError  # noqa: E402
from gdbheap.interface.arguments import parse  # noqa: E402
from gdbheap.process.process import Module  # noqa: E402
from gdbheap.report.json import json_lines  # noqa: E402
from gdbheap.report.report import Report  # noqa: E402
from gdbheap.report.text import text_lines  # noqa: E402
from gdbheap.session.target import Target  # noqa: E402
from support.core_debugger import core_target  # noqa: E402
from support.mutations import damaged, damaged_json, damaged_snapshot  # noqa: E402

MEMORY, SECONDS = 2 << 30, 20
LINES = (
    *(
        "gdbheap",
        "heap",
        "heap chunks --count 20",
        "heap bins",
        "heap arenas",
        "heap sizes",
        "heap check",
        "fault",
        "vmmap",
        "mm",
    ),
    *(
        "heap params",
        "heap predict malloc(24)",
        "explain {}",
        "heap leaks",
        "heap owners {}",
        "heap search {}",
        "heap rss",
    ),
    *("heap chunk {}", "heap vis {} --count 4", 'heap search "text"'),
)
SEARCH = DebugSearch(("/usr/lib/debug",), "")


def show(report: Report) -> None:
    """Make all of the answer, as people and as programs see it."""
    json.loads("".join(json_lines(report)))
    for _ in text_lines(report, 100):
        pass


def ask(target: Target, chance: random.Random, count: int) -> None:
    """Ask a few commands of the target."""
    pointers = [0, 1 << 63, *(vma.start + 0x2A0 for vma in target.process.address_space.vmas[:50])]
    for line in chance.sample(LINES, count):
        line = line.format(chance.choice(pointers))
        command = max((each for each in all_commands() if line.startswith(each.name)), key=lambda each: len(each.name))
        try:
            show(command.run(target, parse(command, line[len(command.name) :].strip(), target.evaluate)))
        except HeapError:
            continue


def fuzz_core(place: Path, chance: random.Random) -> None:
    core = chance.choice(sorted((place / "cores").iterdir()))
    data = core.read_bytes()
    table = int.from_bytes(data[32:40], "little")
    notes = (
        int.from_bytes(data[table + 8 : table + 16], "little"),
        int.from_bytes(data[table + 32 : table + 40], "little"),
    )
    headers = [(0, 64), (table, table + 56 * 40), (notes[0], notes[0] + notes[1])]
    spans = chance.choice((headers, [*headers, (notes[0], len(data))], [(notes[0] + notes[1], len(data))]))
    (place / "input").write_bytes(damaged(chance, data, spans))
    ask(core_target(str(place / "input"), str(place / "cache"), SEARCH), chance, 3)


def fuzz_elf(place: Path, chance: random.Random) -> None:
    library = chance.choice(sorted((place / "libraries").iterdir()))
    data = library.read_bytes()
    sections = int.from_bytes(data[40:48], "little")
    spans = chance.choice(([(0, 64)], [(sections, len(data))], [(0, len(data))]))
    read_library(place, damaged(chance, data, spans))


def fuzz_dwarf(place: Path, chance: random.Random) -> None:
    library = chance.choice(sorted((place / "libraries").iterdir()))
    data = library.read_bytes()
    spans = json.loads((place / "spans" / library.name).read_text())
    read_library(place, damaged(chance, data, [tuple(each) for each in spans]))


def read_library(place: Path, data: bytes) -> None:
    (place / "input").write_bytes(data)
    contents = read_elf(str(place / "input"), SEARCH)
    assert all(0 < each.size <= 1 << 16 for each in contents.structs.values())
    thread_locals(Module("input", str(place / "input"), 0), SEARCH)


def fuzz_snapshot(place: Path, chance: random.Random) -> None:
    snapshot = (place / "snapshot").read_bytes()
    names = []
    for index in range(chance.choice((2, 3))):
        names.append(str(place / f"input.{index}"))
        Path(names[-1]).write_bytes(damaged_snapshot(chance, snapshot) if chance.random() < 0.7 else snapshot)
    show(diff_report(names, 0))
    os.environ["XDG_STATE_HOME"] = str(place / "state")


def fuzz_cache(place: Path, chance: random.Random) -> None:
    cache = place / "broken cache"
    cache.mkdir(exist_ok=True)
    for entry in (place / "cache").iterdir():
        old = json.loads(entry.read_text())
        new = (
            {**old, "module": damaged_json(chance, old["module"])}
            if chance.random() < 0.8
            else damaged_json(chance, old)
        )
        text = json.dumps(new).encode()
        (cache / entry.name).write_bytes(damaged(chance, text, [(0, len(text))]) if chance.random() < 0.1 else text)
        (cache / entry.name).chmod(0o600)
    core = chance.choice(sorted((place / "cores").iterdir()))
    ask(core_target(str(core), str(cache), SEARCH), chance, 3)


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "core": fuzz_core,
    "elf": fuzz_elf,
    "dwarf": fuzz_dwarf,
    "snapshot": fuzz_snapshot,
    "cache": fuzz_cache,
}


def main(kind: str, place: Path, seed: str, turns: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    first, _, last = turns.rpartition("-")
    for turn in range(int(first or 0), int(last) + 1):
        (place / "turn").write_text(f"{kind} {seed} {turn}-{turn}")
        used = int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used + 1 + SECONDS, resource.RLIM_INFINITY))
        try:
            KINDS[kind](place, random.Random(f"{seed} {kind} {turn}"))
        except HeapError:
            continue
        except Exception:
            print(f"{kind} {seed} {turn}-{turn}")
            traceback.print_exc(file=sys.stdout)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
