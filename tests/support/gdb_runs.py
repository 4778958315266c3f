"""gdb as the live tests use it: one batch run, several commands of gdbheap's, their JSON answers read back."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from support.forked_gdb import forker, lines_of
from support.kept import DIRECTORY
from support.programs import PATIENCE

ROOT = Path(__file__).parents[2]
TELL_TALES = ("Traceback (most recent call last)", "Python Exception", "internal-error", "Error occurred in Python")

_home = tempfile.TemporaryDirectory(prefix="gdbheap-home-")
# gdb reads all of libc's debug information anew for each program that is run or core that is loaded (0.1 s of processor
# time), except what its own cache of indexes holds. Before gdb 12 that has another name.
_QUICKLY = [
    *(["-iex", f"set index-cache directory {DIRECTORY / 'indexes'}"] if DIRECTORY else []),
    "-iex",
    "python gdb.execute('set index-cache ' + ('on' if int(gdb.VERSION.split('.')[0]) < 12 else 'enabled on'))",
]


@dataclass(frozen=True)
class Answers:
    """What one run of gdb said: `text` is all of its output, `json` the answers by command line."""

    text: str
    json: dict[str, dict[str, Any]]

    def __getitem__(self, command: str) -> dict[str, Any]:
        assert command in self.json, f"no answer to {command!r}:\n{self.text}"
        return self.json[command]


def ask(
    target: Sequence[str],
    commands: Sequence[str],
    *,
    first: Sequence[str] = (),
    get_there: Sequence[str] = (),
    then: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    patience: float = PATIENCE,
    fresh: bool = False,
) -> Answers:
    """Run gdb on `target` (its command-line words), say the `first` lines before the target is loaded, then
    `get_there`, then each command with
    --json --output, and then the last lines. Fail on a traceback, a crash, or no end within `patience` seconds."""
    with tempfile.TemporaryDirectory() as directory:
        words = ["gdb", "-nx", "-q", "-batch"]
        for line in ("set confirm off", *first):
            words += ["-iex", line]
        for line in (f"source {ROOT / 'gdb_init.py'}", *get_there):
            words += ["-ex", line]
        files = {command: Path(directory) / str(i) for i, command in enumerate(commands)}
        for command, file in files.items():
            words += ["-ex", f"{command} --json --output {file}"]
        for line in then:
            words += ["-ex", line]
        said = run_gdb([*words, *target], environment, patience, fresh=fresh)
        # What there is no answer to is said for people as well.
        text = "".join(line for line in said.splitlines(keepends=True) if not line.startswith('{"schema": '))
        answers = {command: json.loads(file.read_text()) for command, file in files.items() if file.exists()}
    return Answers(text, answers)


def ask_in_turn(
    program: Path, turns: Mapping[str, Sequence[str]], commands: Sequence[str], *, first: Sequence[str] = ()
) -> dict[str, Answers]:
    """Run one gdb on the program; for each of the `turns` say its lines, and then each command with --json --output.
    Return the answers by turn."""
    with tempfile.TemporaryDirectory() as directory:
        words = ["gdb", "-nx", "-q", "-batch"]
        for line in ("set confirm off", *first):
            words += ["-iex", line]
        lines, files = [f"source {ROOT / 'gdb_init.py'}", *kept_symbols(program)], {}
        for turn, there in turns.items():
            lines += there
            for command in commands:
                files[turn, command] = Path(directory) / str(len(files))
                lines.append(f"{command} --json --output {files[turn, command]}")
        for line in lines:
            words += ["-ex", line]
        said = run_gdb([*words, str(program)], patience=4 * PATIENCE)
        return {
            turn: Answers(said, {each: json.loads(files[turn, each].read_text()) for each in commands})
            for turn in turns
        }


def run_gdb(
    words: Sequence[str | bytes],
    environment: dict[str, str] | None = None,
    patience: float = PATIENCE,
    *,
    fresh: bool = False,
) -> str:
    """Run this gdb to its end and return all that it said; fail on a traceback, a signal or too long a time. A `fresh`
    one has read nothing before, and has one inferior (see forked_gdb)."""
    forked = None if fresh else _forked(words, environment, patience)
    output, code = forked or _fresh(words, environment, patience)
    text = output.decode(errors="replace")
    assert code >= 0, f"gdb died of signal {-code}:\n{text}"
    assert not any(word in text for word in TELL_TALES), text
    return text


def _forked(
    words: Sequence[str | bytes], environment: Mapping[str, str] | None, patience: float
) -> tuple[bytes, int] | None:
    """Have a forked gdb do it, where one can; return its output and exit code."""
    lines = None if environment else lines_of(words)
    if lines is None:
        return None
    parent = forker([str(words[0]), *_QUICKLY], variables())
    return parent.run(lines, patience) if parent.serves(variables()) else None


def _fresh(words: Sequence[str | bytes], environment: Mapping[str, str] | None, patience: float) -> tuple[bytes, int]:
    """Run a gdb of its own; return its output and exit code."""
    process = subprocess.Popen(
        gdb_words(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**variables(), **(environment or {})},
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=patience)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return output, process.returncode


def gdb_words(words: Sequence[str | bytes]) -> list[str | bytes]:
    """Return the words of a gdb that keeps indexes of debug information."""
    return [words[0], *_QUICKLY, *words[1:]]


def variables() -> dict[str, str]:
    """Return the environment of every gdb: a home of its own, and not the name of the test at hand."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return {**inherited, "HOME": _home.name, "XDG_CACHE_HOME": f"{_home.name}/.cache", "LC_ALL": "C.UTF-8"}


def kept_symbols(program: Path) -> list[str]:
    """Return lines that keep a second process of the program stopped in main. While it is there, gdb reads the debug
    information of libc once, and not anew for each run of the program or core of it: a run costs a fifth of what
    it did."""
    return [f"add-inferior -exec {program}", "inferior 2", "tbreak main", "run > /dev/null 2>&1", "inferior 1"]


def generated_core(pid: int, directory: Path) -> Path:
    """Return a core of the process as gdb's generate-core-file writes it; the process lives on."""
    core = directory / f"gcore.{pid}"
    run_gdb(["gdb", "-nx", "-q", "-batch", "-ex", f"generate-core-file {core}", "-p", str(pid)])
    return core


class Mortal(Protocol):
    """A process that can be killed, and waited for."""

    @property
    def pid(self) -> int: ...

    def wait(self) -> None: ...


def kernel_core(program: Mortal, directory: Path) -> Path:
    """Return a core as the kernel writes it; the process (which must have been started in `directory`) is dead then."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    assert not pattern.startswith("|"), (
        f"kernel.core_pattern is {pattern!r}: this system gives cores away (sysctl -w kernel.core_pattern=core)"
    )
    resource.prlimit(program.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.kill(program.pid, signal.SIGABRT)
    program.wait()
    cores = [path for path in Path(directory).iterdir() if path.name.startswith(Path(pattern).name.split("%")[0])]
    assert len(cores) == 1, f"kernel.core_pattern {pattern!r} left {cores}"
    return cores[0]
