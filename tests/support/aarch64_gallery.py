"""The galleries of fixtures/programs/faults_* as aarch64's kernel lets them die: its cores, opened in gdb-multiarch,
held against fixtures/faults. (By hand: it takes an emulated machine.)

    PYTHONPATH=.:tests python3 -m support.aarch64_gallery ROOT PROGRAMS CORES

ROOT is the machine's root directory, with its libraries and their debug files; PROGRAMS has faults_FAMILY, each built
by aarch64-linux-gnu-gcc (g++) with `-g -O0 -pthread` and FLAGS; CORES has, of each case, CASE.core, and in CASE.out
what `faults_FAMILY CASE aloud` wrote. MTE and BTI want `-M virt,mte=on -cpu max`.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.fault_gallery import FAMILIES, cases_of, expected, said
from support.gdb_runs import ROOT

MACHINE = "aarch64"


def differences(root: Path, programs: Path, cores: Path) -> Iterator[str]:
    """Yield, of each case that has died and is not told as it should be, its name and what differs."""
    names = [(family, name) for family in (*FAMILIES, MACHINE) for name in cases_of(family, MACHINE)]
    died = [(family, name) for family, name in names if (cores / f"{name}.core").exists()]
    words = [
        "gdb-multiarch",
        "-nx",
        "-q",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        "-iex",
        f"set sysroot {root}",
    ]
    words += ["-iex", f"set debug-file-directory {root}/usr/lib/debug", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    for family, name in died:
        place = cores / name
        words += ["-ex", f"file {programs}/faults_{family}", "-ex", f"core-file {place}.core"]
        words += ["-ex", f"fault --json --output {place}.fault"]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _, name in died:
        told = re.findall(rf"^told {name} (\w+) (\w+)$", (cores / f"{name}.out").read_text(errors="replace"), re.M)
        answer = json.loads((cores / f"{name}.fault").read_text())
        got = said(answer, {key: int(value, 0) for key, value in told})
        wanted = expected(name, MACHINE, "core")
        if got != wanted:
            yield "\n".join((f"== {name}", *difflib.unified_diff(wanted, got, n=0, lineterm="")))


if __name__ == "__main__":
    found = list(differences(*map(Path, sys.argv[1:])))
    print("\n".join(found), f"{len(found)} cases are told otherwise", sep="\n")
    sys.exit(bool(found))
