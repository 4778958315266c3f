"""The demo: build a small program, stop it in gdb in mid-life, and show what each main command says about it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from gdbheap.errors import HeapError
from gdbheap.files import open_new
from gdbheap.launch import places
from gdbheap.launch.debugger import InstalledGdb

BUILD = ("gcc", "-g", "-O1", "-pthread")
STOP = "look_here"


class DemoStep(NamedTuple):
    """A command as typed in gdb, and one line that says what it shows."""

    command: str
    shows: str


STEPS = (
    DemoStep(
        "heap", "Each arena at a glance: what it has from the system, what is live, free, and not yet used (top)."
    ),
    DemoStep(
        "heap chunks --count 20", "The chunks one by one: where, how big, in use or in which free list, what they hold."
    ),
    DemoStep(
        "heap chunk order->customer", "The chunk that an address falls into, bit by bit; any gdb expression will do."
    ),
    DemoStep("heap bins", "The free lists in their order: tcache, fastbins, unsorted, small and large bins."),
    DemoStep("heap sizes", "Which sizes the program asks for, and how much of each is free."),
    DemoStep("heap vis order --count 4", "The words in memory, with headers and links explained."),
    DemoStep(
        "heap leaks", "What nothing points to any more: the order that was lost, and its customer's name hanging on it."
    ),
    DemoStep("heap owners order->next->next->customer", "Who holds a block, and the path to it from a variable."),
    DemoStep("vmmap", "Every mapping, and what it is."),
    DemoStep("vmmap desk->ledger", "What an address is, and what lies around it."),
    DemoStep("gdbheap", "What gdbheap found in this process, and how it knew."),
)


def run_demo(gdb: InstalledGdb) -> None:
    """Build the demo's program, run it in `gdb` and let every step print; HeapError if one of them fails."""
    source = places.program_source("demo")
    with tempfile.TemporaryDirectory(prefix="gdbheap-demo-") as place:
        program = build(source, Path(place) / "demo")
        finished = Path(place) / "finished"
        script = Path(place) / "demo.gdb"
        with open_new(str(script)) as file:
            file.write("".join(f"{line}\n" for line in _script(finished)).encode())
        print(f"\nThe program is {_relative(source)}; gdb stops it in {STOP}(), and there:", flush=True)
        words = [gdb.path, "-nx", "-q", "-batch", "-x", str(places.gdb_init()), "-x", str(script), str(program)]
        subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
        if not finished.exists():
            raise HeapError("the demo ended early; what may be wrong: python3 -m gdbheap doctor")
    print("\nThe same on a program of your own: python3 -m gdbheap run PROGRAM, or attach PID, or core CORE.")


def build(source: Path, program: Path) -> Path:
    """Compile `source` with debug information; return `program`, or HeapError with the compiler's words."""
    try:
        result = subprocess.run(
            [*BUILD, "-o", str(program), str(source)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        raise HeapError(f"{BUILD[0]} does not run: {error.strerror}") from None
    if result.returncode:
        raise HeapError(f"{source} does not compile:\n{result.stdout.decode(errors='replace')}")
    return program


def _script(finished: Path) -> list[str]:
    """Return the lines of a gdb script; it ends at the first command that fails, and makes `finished` only at its
    end."""
    lines = ["set confirm off", "set print thread-events off"]
    if _in_colour():
        lines.append("set style enabled on")  # gdb switches it off for -batch
    lines += [f"tbreak {STOP}", "run"]
    for step in STEPS:
        lines += [f"echo \\n(gdb) {step.command}\\n", f"echo -- {step.shows}\\n", step.command]
    return [*lines, "kill", f"shell touch '{finished}'"]


def _in_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and here != Path("/") else str(path)
