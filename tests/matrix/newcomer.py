"""A newcomer's machine: a fresh Debian with nothing but python3 and git, on which the demo must run as the README
says."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from matrix import roots
from matrix.environment import cache_directory
from matrix.outcome import Outcome

PACKAGES = ("python3", "git", "ca-certificates")
CHECKOUT = "/srv/gdbheap"
AGAIN_SECONDS = 20  # a second run installs nothing
INSTALLED = """\
apt-get install --quiet=2 --yes --no-install-recommends python3-venv >/dev/null
python3 -m venv /srv/venv
/srv/venv/bin/pip install --quiet --disable-pip-version-check .
cd /
/srv/venv/bin/gdbheap demo"""

# As a job of a CI system does it: status 0 where nothing leaks, 1 where something does.
GATE = """\
echo '#include <stdlib.h>' >/srv/leaking.c
echo 'int main(void) { char *volatile p = malloc(1000); p = NULL; return 0; }' >>/srv/leaking.c
gcc -o /srv/leaking /srv/leaking.c
for program in /bin/true /srv/leaking
do
  status=0
  /srv/venv/bin/gdbheap leaks $program 2>&1 || status=$?
  echo "$program: status $status"
done"""


def run_newcomer(
    suite: str, checkout: Path, pip: Mapping[str, str], log_path: Path, say: Callable[[str], None]
) -> Outcome:
    """Make a fresh system, run the demo twice, once more as installed by pip, and
    the gate for leaks; the system is deleted afterwards."""
    name, begun, passed, trouble = f"newcomer {suite}", time.monotonic(), 0, ""
    directory = Path(tempfile.mkdtemp(prefix="newcomer-", dir=cache_directory()))
    root = directory / suite
    try:
        with open(log_path, "w") as log:
            say(f"{name}: making a fresh system with only python3 and git")
            roots.make_root([suite], PACKAGES, ["amd64"], root, log)
            clone = ["git", "clone", "--quiet", "--no-local", str(checkout), f"{root}{CHECKOUT}"]
            subprocess.run(clone, check=True, stdout=log, stderr=log)
            for step in (_first_run, _second_run, _installed_run, _gate_run):
                say(f"{name}: {(step.__doc__ or '').split(':')[0]}")
                step(root, pip, log)
                passed += 1
    except subprocess.CalledProcessError as error:
        trouble = f"exit code {error.returncode}: {log_path.read_text(errors='replace').splitlines()[-1]} ({log_path})"
    except (OSError, AssertionError) as error:
        trouble = f"{error} ({log_path})"
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    seconds = time.monotonic() - begun
    say(f"{name}: {trouble or 'good'} ({seconds:.0f} s)")
    return Outcome(name, passed, 0, 0, seconds, trouble)


def _first_run(root: Path, pip: Mapping[str, str], log: IO[str]) -> None:
    """python3 -m gdbheap demo, for the first time: installs what is missing and shows the main commands."""
    text = _shell(root, f"cd {CHECKOUT} && python3 -m gdbheap demo", pip, log, network=True)
    _shows_all(text)
    assert "Installing with apt-get: gdb gcc libc6-dev libc6-dbg\n" in text, (
        "the first run does not say what it installs"
    )


def _second_run(root: Path, pip: Mapping[str, str], log: IO[str]) -> None:
    """the same again, with no network: installs nothing and takes a few seconds."""
    begun = time.monotonic()
    text = _shell(root, f"cd {CHECKOUT} && python3 -m gdbheap demo", {}, log, network=False)
    _shows_all(text)
    assert text.startswith("Nothing to install: "), "the second run installs something"
    assert time.monotonic() - begun < AGAIN_SECONDS, "the second run is slow"


def _installed_run(root: Path, pip: Mapping[str, str], log: IO[str]) -> None:
    """pip install . and gdbheap demo, in a virtual environment: works outside of the checkout."""
    _shows_all(_shell(root, f"set -e; cd {CHECKOUT}\n{INSTALLED}", pip, log, network=True))


def _gate_run(root: Path, pip: Mapping[str, str], log: IO[str]) -> None:
    """gdbheap leaks, as a job of a CI system: says what leaks, in its exit status too."""
    text = _shell(root, f"set -e; cd /\n{GATE}", {}, log, network=False)
    assert "no leaks\n/bin/true: status 0\n" in text, "leaks are told where there are none"
    assert "leaked: 1 block" in text and "/srv/leaking: status 1\n" in text, "a leak is not told"


def _shows_all(text: str) -> None:
    assert "\n(gdb) " in text, "the demo shows no command"
    assert "\nThe same on a program of your own: " in text, "the demo does not come to its end"
    assert "Traceback" not in text, "the demo shows a traceback"


def _shell(root: Path, script: str, settings: Mapping[str, str], log: IO[str], network: bool) -> str:
    """Run `script` in `root`; return what it printed, which goes to `log` too. CalledProcessError if it failed."""
    log.write(f"$ {script}\n")
    log.flush()
    output = root / "output.txt"
    with open(output, "w") as out:
        try:
            roots.run_in(root, ["sh", "-c", script], settings, out, network=network)
        finally:
            out.flush()
            text = output.read_text(errors="replace")
            log.write(text)
            log.flush()
    return text
