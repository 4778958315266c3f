"""The `gdb` fixture: gdb in batch on a program, with gdbheap sourced, and what each command said.

    def test_something(gdb):
        said = gdb(build("mixed"), "break inspected", "run", "heap chunks")
        assert said["heap chunks"] == "..."

- `gdb(program, *commands, before=(), source=True, environment=None, fresh=False)` runs `gdb -batch` on the program
  (None: none), with the `before` lines, then gdb_init.py, then the commands. A command that is said more than once
  keeps its last output.
- `said[command]` is all that gdb printed for it, errors included, without the inferior's own output; `said.text` is
  the whole run.
- It fails on a Python traceback, a crash of gdb's, or no end in time (gdb_runs.run_gdb). An error does not end the run.
- Python in gdb: the command "python print(...)".

For JSON answers see gdb_runs.ask; for programs that run already, programs.running.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import PATIENCE

_MARK = "\x02{}\x03"


@dataclass(frozen=True)
class Said:
    """What gdb printed: `text` in one, `outputs` by command."""

    text: str
    outputs: dict[str, str]

    def __getitem__(self, command: str) -> str:
        return self.outputs[command]


class Gdb(Protocol):
    def __call__(
        self,
        program: Path | None,
        *commands: str,
        before: Sequence[str] = (),
        source: bool = True,
        environment: dict[str, str] | None = None,
        patience: float = PATIENCE,
        fresh: bool = False,
    ) -> Said: ...


@pytest.fixture
def gdb(tmp_path: Path) -> Gdb:
    """Run gdb in batch; see the top of this file."""

    def run(
        program: Path | None,
        *commands: str,
        before: Sequence[str] = (),
        source: bool = True,
        environment: dict[str, str] | None = None,
        patience: float = PATIENCE,
        fresh: bool = False,
    ) -> Said:
        words = ["gdb", "-nx", "-q", "-batch", "-ex", "set confirm off"]
        if program is not None:
            words += ["-ex", f"file {program}", "-ex", f"set args < /dev/null > {tmp_path / 'program.out'}"]
        for line in (*before, *([f"source {ROOT / 'gdb_init.py'}"] if source else [])):
            words += ["-ex", line]
        for index, command in enumerate(commands):
            words += ["-ex", f"echo {_MARK.format(index)}", "-ex", command]
        text = run_gdb(words, environment, patience, fresh=fresh)
        return Said(text, _outputs(text, commands))

    return run


def _outputs(text: str, commands: Sequence[str]) -> dict[str, str]:
    outputs = {}
    for index, command in enumerate(commands):
        after = text.partition(_MARK.format(index))[2]
        outputs[command] = after.partition(_MARK.format(index + 1))[0]
    return outputs
