"""What programs say of the types of their own blocks (fixtures/programs/types.h), and how an answer goes with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from support.gdb_runs import run_gdb


@dataclass(frozen=True)
class Told:
    """A block's type in the program's own words, "[]" behind it for several; `fate` is "reachable" or "lost"."""

    type: str
    fate: str


def read_types(text: str) -> dict[int, Told]:
    """Return what the program's lines say, by address."""
    lines = re.findall(r"^t (0x[0-9a-f]+) (\w+) (.+)$", text, re.MULTILINE)
    return {int(address, 16): Told(name, fate) for address, fate, name in lines}


def typed_core(program: Path, directory: Path) -> tuple[Path, dict[int, Told]]:
    """Run the program to its stop, and return a core of it and what it says."""
    core, output = directory / "core", directory / "output"
    words = [f"set args < /dev/null > {output}", "break inspected", "run", f"generate-core-file {core}"]
    run_gdb(["gdb", "-nx", "-q", "-batch", *(word for each in words for word in ("-ex", each)), str(program)])
    return core, read_types(output.read_text())


@dataclass
class Score:
    """How names go with the truth: the blocks by confidence and whether the name is right, and those without one."""

    right: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)
    total: int = 0

    def precision(self, confidence: str) -> float:
        """Return which part of the names of this confidence are right."""
        right, wrong = self.right.get(confidence, 0), len(self.wrong.get(confidence, ()))
        return right / (right + wrong) if right + wrong else 1.0

    @property
    def named(self) -> float:
        """Return which part of the blocks have a right name that is certain or likely."""
        return (self.right.get("certain", 0) + self.right.get("likely", 0)) / self.total


def score(truth: dict[int, Told], fate: str, answers: Iterable[tuple[int, str, str]]) -> Score:
    """Return how the answers (address, name, confidence) go with the truth about the blocks of this fate."""
    found = Score(total=sum(each.fate == fate for each in truth.values()))
    for address, name, confidence in answers:
        told = truth.get(address)
        if told is None or told.fate != fate:
            continue
        if not name:
            found.unnamed.append(told.type)
        elif _same(name, told.type):
            found.right[confidence] = found.right.get(confidence, 0) + 1
        else:
            found.wrong.setdefault(confidence, []).append(f"{told.type} is called {name}")
    return found


def _same(name: str, truth: str) -> bool:
    return _plain(name) == _plain(truth)


def _plain(name: str) -> str:
    """How many there are is left out: malloc rounds up; and so is C's word for what a type is."""
    return re.sub(r"^(struct|union) ", "", re.sub(r"\[\d*\]$", "[]", name))
