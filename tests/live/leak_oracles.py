"""What the programs of fixtures/programs/leaks*.c* say of their own blocks, and what gdbheap, Valgrind and LeakSanitizer say of them at the same moment.

Each answer is {(name, number): verdict}: the verdicts are "definitely", "indirectly", "possibly" and "reachable". LeakSanitizer has only
"definitely" (direct) and "indirectly"; what it does not name is "reachable".
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from gdb_runs import Answers, ask
from programs import PATIENCE, build

Name = tuple[str, int]
Verdicts = dict[Name, str]

_KINDS = {
    "definitely_lost": "definitely",
    "indirectly_lost": "indirectly",
    "possibly_lost": "possibly",
    "still_reachable": "reachable",
}
_RECORD = re.compile(r"==\d+== .* (?:is|are) (definitely|indirectly|possibly|still) (?:lost|reachable) in loss record")
_BLOCK = re.compile(r"==\d+== 0x([0-9A-F]+)\[\d+\](?: \(found via heuristic \w+\))?")


def expected(text: str) -> Verdicts:
    """Return what the program's own notes say."""
    return {name: verdict for name, (verdict, _) in _notes(text).items()}


def gdbheap_says(name: str, *flags: str, options: str = "", get_there: tuple[str, ...] = ()) -> tuple[str, Verdicts]:
    """Return the program's notes (its output), and gdbheap's verdicts where it stops itself."""
    text, answers = stopped(name, *flags, commands=(f"heap leaks --kind all --blocks {options}",), get_there=get_there)
    rows = next(iter(answers.json.values()))["rows"]
    found = {int(row["example"], 16): _KINDS.get(row["kind"], row["kind"]) for row in rows}
    return text, {note: found.get(address, "no block") for note, (_, address) in _notes(text).items()}


def stopped(name: str, *flags: str, commands: tuple[str, ...], get_there: tuple[str, ...] = ()) -> tuple[str, Answers]:
    """Return the program's notes, and the answers to commands said where it stops itself."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "output"
        words = (f"set args < /dev/null > {output}", "break inspected", "run", *get_there)
        answers = ask([str(build(name, *flags))], commands, get_there=words)
        assert output.exists(), answers.text
        assert len(answers.json) == len(commands), answers.text
        return output.read_text(), answers


def valgrind_says(name: str, *flags: str) -> Verdicts:
    """Return memcheck's verdicts at the same place; the program asks it by monitor commands."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        program = build(name, *flags, "-DWITH_VALGRIND")
        # The program's own operator new is to stay: it takes the notes.
        words = ["valgrind", "--leak-check=no", "--soname-synonyms=somalloc=nouserintercepts"]
        words += [f"--log-file={log}", str(program)]
        text = _run(words, {"HOME": directory})
        kinds: dict[int, str] = {}
        kind = ""
        for line in log.read_text().splitlines():
            record = _RECORD.match(line)
            if record:
                kind = record[1].replace("still", "reachable")
            elif match := _BLOCK.fullmatch(line):
                kinds[int(match[1], 16)] = kind
    return {note: kinds.get(address, "no block") for note, (_, address) in _notes(text).items()}


def lsan_says(name: str, *flags: str) -> Verdicts:
    """Return LeakSanitizer's verdicts; its own allocator takes malloc's place."""
    program = build(name, *flags, "-DWITH_LSAN", "-fsanitize=leak")
    with tempfile.TemporaryDirectory() as directory:
        options = f"report_objects=1:use_registers=1:log_path={directory}/log:exitcode=0"
        text = _run([str(program)], {"LSAN_OPTIONS": options})
        report = "".join(path.read_text() for path in Path(directory).iterdir())
    kinds: dict[int, str] = {}
    kind = ""
    for line in report.splitlines():
        if line.startswith(("Direct leak", "Indirect leak")):
            kind = "definitely" if line.startswith("Direct") else "indirectly"
        elif match := re.match(r"0x([0-9a-f]+) \(\d+ bytes\)", line):
            kinds[int(match[1], 16)] = kind
    return {note: kinds.get(address, "reachable") for note, (_, address) in _notes(text).items()}


def differences(ours: Verdicts, theirs: Verdicts) -> dict[str, tuple[set[str], set[str]]]:
    """Return, for each name with a block that they judge differently, the verdicts of both over all blocks of that name."""
    names = {name for (name, number), verdict in ours.items() if theirs.get((name, number)) != verdict}
    return {
        name: tuple({verdict for (each, _), verdict in side.items() if each == name} for side in (ours, theirs))  # type: ignore[misc]
        for name in sorted(names)
    }


def _notes(text: str) -> dict[Name, tuple[str, int]]:
    notes = {}
    for line in text.splitlines():
        if line.startswith("block "):
            _, verdict, address, name, number = line.split()
            notes[name, int(number)] = verdict, int(address, 16)
    return notes


def _run(words: list[str], environment: dict[str, str]) -> str:
    run = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=2 * PATIENCE,
        check=True,
    )
    text = run.stdout.decode()
    assert text.endswith("ready\n"), text
    return text
