"""The ways to run the tests: in the systems of the matrix, on this machine's own, and the demo on a newcomer's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gdbheap.errors import HeapError
from gdbheap.launch import debian
from matrix import roots
from matrix.archive import KEYRING
from matrix.environment import cache_directory, pip_settings, requirements
from matrix.guest import GUEST
from matrix.guest import prepare as prepare_guest
from matrix.newcomer import run_newcomer
from matrix.outcome import Outcome, joined, read_outcome
from matrix.plan import PAGES_SYSTEM, all_test_files, parts_for
from matrix.progress import say

NOT_IN_ROOTS = ("ruff", "mypy", "types-")  # they check the source, once, outside
SYSTEM_TIMEOUT = 40 * 60  # seconds for the tests of one system, many times what they take
SLOWEST = ("--durations=12", "--durations-min=5")  # what each log ends with
TEST_TIMEOUT = 10 * 60  # seconds after which pytest says where a test hangs
# One more than there are processors, where these are few: tests wait for one another's programs now and then.
AT_ONCE = max((os.cpu_count() or 2) // 2, min((os.cpu_count() or 2) + 1, 4))
TOOLS = {"mmdebstrap": Path("/usr/bin/mmdebstrap"), "debian-archive-keyring": KEYRING}
KEPT = "/var/cache/gdbheap"  # of a system: what one part of its tests leaves for the others, and for the next run
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


@dataclass(frozen=True)
class Run:
    """One way to run the tests, the same for each system: the `words` for pytest, whether among them are some by which
    the user has `chosen` tests, the environment's `variables`, and whether every file runs `everywhere`."""

    checkout: Path
    tools: Path
    words: Sequence[str]
    chosen: bool
    variables: Mapping[str, str]
    everywhere: bool = False

    def pytest(
        self, name: str, command: Sequence[str], junit: tuple[str, Path], environment: Mapping[str, str]
    ) -> Outcome:
        """Run pytest by `command`, its output in a log; return the outcome that it leaves in `junit`, named as pytest
        sees it and as we do."""
        begun = time.monotonic()
        words = [
            *command,
            f"--junitxml={junit[0]}",
            "-o",
            f"faulthandler_timeout={TEST_TIMEOUT}",
            *SLOWEST,
            *self.words,
        ]
        say(f"{name}: the tests begin")
        with open(log_path(name), "a") as log:
            process = subprocess.Popen(
                words, cwd=self.checkout, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment)
            )
            try:
                code = process.wait(SYSTEM_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        outcome = read_outcome(name, junit[1], code, time.monotonic() - begun)
        say(f"{name}: {outcome.passed} passed, {outcome.bad} failed in {outcome.seconds:.0f} s")
        return outcome


def matrix(
    run: Run, systems: Sequence[roots.System], beside: Sequence[Callable[[], list[Outcome]]] = ()
) -> list[Outcome]:
    """Run the tests in each of the systems, and what else there is to do `beside` them, a few things at a time, and
    show the logs in order. Where pytest has words of its own, a system's tests are one part."""
    ready = _Ready(_maker(run), systems)
    files = all_test_files(run.checkout)
    parts: dict[roots.System, list[list[str]]] = {
        system: [[]] if run.chosen and system != GUEST else parts_for(system, files, run.everywhere)
        for system in systems
    }
    with kernel_cores_in_place(), ThreadPoolExecutor(AT_ONCE) as pool:
        others = [pool.submit(each) for each in beside]
        # The first part of each system before the second of any: roots are made side by side.
        most = max(map(len, parts.values()))
        jobs = [(system, number) for number in range(most) for system in systems if number < len(parts[system])]
        found = {job: pool.submit(_part, run, ready, *job, parts[job[0]]) for job in jobs}
        outcomes = [outcome for each in others for outcome in each.result()]
        for system in systems:
            mine = [found[system, number].result() for number in range(len(parts[system]))]
            for outcome in mine:
                show_log(outcome)
            outcomes.append(joined(system.name, mine))
    return outcomes


def write_pages(run: Run) -> None:
    """Write the answers in README.md and the pages of gdbheap/docs anew, as their system gives them."""
    system = next(system for system in roots.SYSTEMS if system.name == PAGES_SYSTEM)
    _maker(run)(system)
    with tempfile.TemporaryDirectory(prefix="gdbheap-") as results:
        command = ["python3", "tests/test_pages.py", "/mnt"]
        inside = roots.inside(system.root, run.checkout, Path(results), command, PYTHONPATH="/opt/py:/src:/src/tests")
        subprocess.run(inside, check=True, stdin=subprocess.DEVNULL)
        for new in sorted(Path(results).rglob("*.md")):
            page = run.checkout / new.relative_to(results)
            if page.read_text() != new.read_text():
                page.write_text(new.read_text())
                say(f"{new.relative_to(results)} is written anew: read what changed in it")


def own_system(run: Run) -> list[Outcome]:
    """Run the tests on this machine as it is, once gdb's Python has its packages."""
    log_path("own").write_text("")
    subprocess.run([sys.executable, "-m", "gdbheap", "setup"], cwd=run.checkout, check=True)
    lacking = debian.missing([name for name in roots.TEST_PACKAGES.split() if "{" not in name])
    if lacking:
        say(f"Some tests need what is not installed here: sudo apt-get install {' '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="gdbheap-") as results:
        junit = f"{results}/junit.xml"
        environment = {**os.environ, **run.variables, "HYPOTHESIS_STORAGE_DIRECTORY": f"{results}/hypothesis"}
        # Where set-up put the packages of gdb's Python, also for a test that has a home of its own.
        environment.setdefault("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))
        command = [str(run.tools / "python"), "-m", "pytest"]
        outcome = run.pytest("own", command, (junit, Path(junit)), environment)
    show_log(outcome)
    return [outcome]


def newcomers(checkout: Path, tools: Path, suites: Sequence[str]) -> list[Outcome]:
    """Run the demo as a newcomer would on each of `suites`, a few at a time."""
    _install_tools()
    pip = pip_settings(tools / "python")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(lambda suite: run_newcomer(suite, checkout, pip, log_path(f"newcomer-{suite}"), say), suites)
        )


def log_path(name: str) -> Path:
    """Return the file that keeps what was said about `name`."""
    logs = cache_directory() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs / f"{name}.log"


def show_log(outcome: Outcome) -> None:
    """Print the end of a good run's log, the whole of another's."""
    lines = log_path(outcome.name).read_text(errors="replace").splitlines()
    print(f"\n=== {outcome.name} ({log_path(outcome.name)})")
    print("\n".join(lines if outcome.bad else lines[-1:]), flush=True)


def _maker(run: Run) -> Callable[[roots.System], None]:
    """Return what makes a system ready, on the first use or after a change; it raises CalledProcessError."""
    _install_tools()
    needed, testing = requirements(run.checkout)
    packages = [*needed, *(word for word in testing if not word.startswith(NOT_IN_ROOTS))]
    pip = pip_settings(run.tools / "python")

    def make(system: roots.System) -> None:
        say(f"{system.name}: Debian with glibc {system.glibc}, gdb {system.gdb}, Python {system.python}")
        with open(log_path(system.name), "w") as log:
            (prepare_guest if system == GUEST else partial(roots.prepare, system))(packages, pip, log, say)

    return make


class _Ready:
    """Makes each system once, for whichever of its parts comes first."""

    def __init__(self, make: Callable[[roots.System], None], systems: Sequence[roots.System]) -> None:
        self._make = make
        self._locks = {system: threading.Lock() for system in systems}
        self._trouble: dict[roots.System, str] = {}

    def trouble(self, system: roots.System) -> str:
        """Make the system unless that is done; return why it could not be made, "" if it could."""
        with self._locks[system]:
            if system not in self._trouble:
                self._trouble[system] = ""
                try:
                    self._make(system)
                except subprocess.CalledProcessError as error:
                    self._trouble[system] = f"could not be made: {error.cmd[0]} gave code {error.returncode}"
                except HeapError as error:
                    self._trouble[system] = f"could not be made: {error}"
            return self._trouble[system]


def _part(run: Run, ready: _Ready, system: roots.System, number: int, parts: Sequence[Sequence[str]]) -> Outcome:
    """Run one part of a system's tests."""
    trouble = ready.trouble(system)
    if trouble:
        return Outcome(system.name, trouble=trouble)
    name = system.name if len(parts) == 1 else f"{system.name}-{number + 1}"
    if name != system.name:
        log_path(name).write_text("")
    variables = {
        **run.variables,
        "PYTHONPATH": "/opt/py",
        "PYTHONPYCACHEPREFIX": f"{KEPT}/pycache",
        "GDBHEAP_TEST_CACHE": KEPT,
        "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
    }
    with tempfile.TemporaryDirectory(prefix="gdbheap-") as results:
        command = ["python3", "-m", "pytest", *parts[number]]
        pytest = roots.inside(system.root, run.checkout, Path(results), command, **variables)
        return run.pytest(name, pytest, ("/mnt/junit.xml", Path(results) / "junit.xml"), os.environ)


@contextlib.contextmanager
def kernel_cores_in_place() -> Iterator[None]:
    """Have the kernel write cores where their processes ran, while this lasts; a program that collects them hides
    them."""
    pattern = CORE_PATTERN.read_text()
    if not pattern.startswith("|"):
        yield
        return
    say(f"While the tests run, kernel.core_pattern is 'core'; afterwards it is {pattern.strip()!r} again.")
    CORE_PATTERN.write_text("core")
    try:
        yield
    finally:
        CORE_PATTERN.write_text(pattern)


def _install_tools() -> None:
    """Install what making the systems needs and this machine lacks."""
    missing = [name for name, path in TOOLS.items() if not path.exists()]
    if missing:
        say(f"Installing on this machine: {' '.join(missing)}")
        debian.install(missing)
