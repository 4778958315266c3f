"""What the programs of fixtures/programs/leaks*.c* say of their own blocks, and what gdbheap, Valgrind and
LeakSanitizer say of them at the same moment.

Each answer is {(name, number): verdict}: the verdicts are "definitely", "indirectly", "possibly" and "reachable".
LeakSanitizer has only "definitely" (direct) and "indirectly"; what it does not name is "reachable". The answers are
kept: nobody may change them.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from support.gdb_runs import Answers, ask
from support.leak_promises import broken_promises
from support.programs import PATIENCE, build

Name = tuple[str, int]
Verdicts = dict[Name, str]
Kinds = dict[int, str]

KINDS = {
    "definitely_lost": "definitely",
    "indirectly_lost": "indirectly",
    "possibly_lost": "possibly",
    "still_reachable": "reachable",
}
_RECORD = re.compile(r"==\d+== .* (?:is|are) (definitely|indirectly|possibly|still) (?:lost|reachable) in loss record")
_BLOCK = re.compile(r"==\d+== 0x([0-9A-F]+)\[\d+\](?: \(found via heuristic \w+\))?")


def expected(text: str) -> Verdicts:
    """Return what the program's own notes say."""
    return {name: verdict for name, (verdict, _) in notes_in(text).items()}


def gdbheap_says(name: str, *flags: str, options: str = "", get_there: tuple[str, ...] = ()) -> tuple[str, Verdicts]:
    """Return the program's notes (its output), and gdbheap's verdicts where it stops itself."""
    output, kinds = gdbheap_kinds(name, *flags, options=options, get_there=get_there)
    text = output.decode()
    return text, verdicts_of(text, kinds)


def verdicts_of(text: str, kinds: Kinds) -> Verdicts:
    """Return the verdict that each block of the program's notes has by these verdicts of addresses, of gdbheap's."""
    assert broken_promises(notes_in(text), kinds) == []
    return {note: kinds.get(address, "no block") for note, (_, address) in notes_in(text).items()}


def gdbheap_kinds(
    name: str, *flags: str, options: str = "", get_there: tuple[str, ...] = (), patience: float = PATIENCE
) -> tuple[bytes, Kinds]:
    """Return the program's output and gdbheap's verdict of every block where the program stops itself."""
    output, rows = _gdbheap_rows(name, *flags, options=options, get_there=get_there, patience=patience)
    return output, {int(row["example"], 16): KINDS.get(row["kind"], row["kind"]) for row in rows}


def gdbheap_doubts(name: str, *flags: str, patience: float = PATIENCE) -> tuple[bytes, Kinds]:
    """Return the same with "doubtful" for what is still reachable by memory alone that the program may never have
    written."""
    output, rows = _gdbheap_rows(name, *flags, options="", get_there=(), patience=patience)
    doubtful = {int(row["example"], 16): "doubtful" for row in rows if row["doubt"] == "unwritten_memory"}
    return output, {int(row["example"], 16): KINDS[row["kind"]] for row in rows} | doubtful


@functools.cache
def _gdbheap_rows(
    name: str, *flags: str, options: str, get_there: tuple[str, ...], patience: float
) -> tuple[bytes, list[dict[str, Any]]]:
    command = f"heap leaks --kind all --blocks {options}"
    output, answers = stopped(name, *flags, commands=(command,), get_there=get_there, patience=patience)
    return output, answers[command]["rows"]


def stopped(
    name: str, *flags: str, commands: tuple[str, ...], get_there: tuple[str, ...] = (), patience: float = PATIENCE
) -> tuple[bytes, Answers]:
    """Return the program's output, and the answers to commands said where it stops itself."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "output"
        words = (f"set args < /dev/null > {output}", "break inspected", "run", *get_there)
        answers = ask([str(build(name, *flags))], commands, get_there=words, patience=patience)
        assert output.exists(), answers.text
        assert len(answers.json) == len(commands), answers.text
        return output.read_bytes(), answers


def valgrind_says(name: str, *flags: str) -> Verdicts:
    """Return memcheck's verdicts at the same place."""
    text, kinds = valgrind_kinds(name, *flags)
    return {note: kinds.get(address, "no block") for note, (_, address) in notes_in(text.decode()).items()}


@functools.cache
def valgrind_kinds(name: str, *flags: str, patience: float = 2 * PATIENCE) -> tuple[bytes, Kinds]:
    """Return the program's output and memcheck's verdict of every block; the program asks for it by monitor
    commands."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        program = build(name, *flags, "-DWITH_VALGRIND")
        # The program's own operator new is to stay: it takes the notes.
        words = ["valgrind", "--leak-check=no", "--soname-synonyms=somalloc=nouserintercepts"]
        words += [f"--log-file={log}", str(program)]
        text = _run(words, {"HOME": directory}, patience)
        return text, kinds_in_report(log.read_text())


def kinds_in_report(report: str) -> Kinds:
    """Return the verdict of every block that memcheck's leak_check and block_list have listed."""
    kinds: Kinds = {}
    kind = ""
    for line in report.splitlines():
        record = _RECORD.match(line)
        if record:
            kind = record[1].replace("still", "reachable")
        elif match := _BLOCK.fullmatch(line):
            kinds[int(match[1], 16)] = kind
    return kinds


def lsan_says(name: str, *flags: str) -> Verdicts:
    """Return LeakSanitizer's verdicts."""
    text, kinds = lsan_kinds(name, *flags)
    return {note: kinds.get(address, "reachable") for note, (_, address) in notes_in(text.decode()).items()}


def lsan_kinds(name: str, *flags: str, patience: float = 2 * PATIENCE) -> tuple[bytes, Kinds]:
    """Return the program's output and LeakSanitizer's verdict of the blocks that it names; its own allocator takes
    malloc's place.

    (gcc has it for 32 bits as a part of AddressSanitizer alone.)
    """
    program = build(name, *flags, "-DWITH_LSAN", f"-fsanitize={'address' if '-m32' in flags else 'leak'}")
    with tempfile.TemporaryDirectory() as directory:
        options = f"report_objects=1:use_registers=1:log_path={directory}/log:exitcode=0"
        text = _run([str(program)], {"LSAN_OPTIONS": options, "ASAN_OPTIONS": "detect_leaks=1"}, patience)
        report = "".join(path.read_text() for path in Path(directory).iterdir())
    kinds: Kinds = {}
    kind = ""
    for line in report.splitlines():
        if line.startswith(("Direct leak", "Indirect leak")):
            kind = "definitely" if line.startswith("Direct") else "indirectly"
        elif match := re.match(r"0x([0-9a-f]+) \(\d+ bytes\)", line):
            kinds[int(match[1], 16)] = kind
    return text, kinds


def differences(ours: Verdicts, theirs: Verdicts) -> dict[str, tuple[set[str], set[str]]]:
    """Return, for each name with a block that they judge differently, the verdicts of both over all blocks of that
    name."""
    names = {name for (name, number), verdict in ours.items() if theirs.get((name, number)) != verdict}
    return {
        name: tuple({verdict for (each, _), verdict in side.items() if each == name} for side in (ours, theirs))
        for name in sorted(names)
    }


def notes_in(text: str) -> dict[Name, tuple[str, int]]:
    """Return (verdict, address) of each block that the program's notes tell of."""
    notes = {}
    for line in text.splitlines():
        if line.startswith("block "):
            _, verdict, address, name, number = line.split()
            notes[name, int(number)] = verdict, int(address, 16)
    return notes


def _run(words: list[str], environment: dict[str, str], patience: float) -> bytes:
    run = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=patience,
        check=True,
    )
    assert run.stdout.endswith(b"ready\n"), run.stdout
    return run.stdout
