"""The Python packages of gdb's own Python: which it lacks, and putting them into their directory, all or none."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from gdbheap.files import open_output
from gdbheap.launch import debian
from gdbheap.launch.debugger import InstalledGdb, dotted
from gdbheap.packages import REQUIRED, setup_command

# Python takes modules from the current directory first: in this one there are none of somebody else's.
_NEUTRAL = "/"

IMPORTS = """
import importlib, sys
sys.path.append({directory!r})
found = dict()
for module in {modules!r}:
    try:
        imported = importlib.import_module(module)
        found[module] = [getattr(imported, "__version__", "?"), imported.__file__]
    except Exception as error:
        found[module] = [None, str(error)]
answer(found)
"""


# pip's advice on itself is none for whoever sets up gdbheap: that root runs it, that there is a newer one, that a cache
# belongs to another user. (An older pip ignores what it does not know in its environment, unlike an option.)
_NO_ADVICE = {"PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}


def imports(gdb: InstalledGdb, directory: Path) -> Mapping[str, tuple[str | None, str]]:
    """Return for each module that gdbheap needs its version and file, or None and why gdb's Python cannot import it."""
    found = gdb.ask(IMPORTS.format(directory=str(directory), modules=sorted(REQUIRED))) or {}
    return {module: tuple(found.get(module, (None, "gdb gave no answer"))) for module in sorted(REQUIRED)}


def lacking(gdb: InstalledGdb, directory: Path) -> list[str]:
    """Return the packages (pip's names) that gdb's Python can import neither by itself nor from `directory`."""
    return [REQUIRED[module] for module, (version, _) in imports(gdb, directory).items() if version is None]


def install(gdb: InstalledGdb, directory: Path) -> None:
    """Make `directory` with all that gdbheap needs; a half-made one is never seen there. NotInstalled says what to
    do."""
    version = gdb.usable_python()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _locked(directory), _scratch(directory) as scratch:
        new = scratch / "new"
        pip = _find_pip(version, scratch)
        command = [*pip, *_pip_words(pip[0], version), "--target", str(new), *sorted(REQUIRED.values())]
        # What a user may have set for pip's ordinary work and what does not go together with --target.
        environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", **_NO_ADVICE}
        if not _said_only_where_it_fails(command, environment):
            raise debian.NotInstalled(
                f"pip could not fetch them, for the reason above; that mended, run: {setup_command()}"
            )
        for module, (found, why) in imports(gdb, new).items():
            if found is None:
                raise debian.NotInstalled(
                    f"what pip installed does not work in gdb's Python {dotted(version)}: {module}: {why}"
                )
        if directory.exists():
            directory.rename(scratch / "old")
        new.rename(directory)


def _said_only_where_it_fails(command: list[str], environment: Mapping[str, str]) -> bool:
    """Run a command; return whether it did what it should. What it warns of then is none of the user's business."""
    run = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=_NEUTRAL,
        check=False,
    )
    if run.returncode:
        sys.stderr.buffer.write(run.stdout)
        sys.stderr.flush()
    return run.returncode == 0


def _pip_words(python: str, version: tuple[int, int]) -> list[str]:
    """Return pip's words for installing on behalf of Python `version`; wheels only, so that no compiler is needed."""
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-warn-conflicts", "--only-binary=:all:"]
    if _version_of(python) != version:
        tag = f"cp{version[0]}{version[1]}"
        words += ["--no-compile", "--python-version", dotted(version), "--implementation", "cp"]
        words += ["--abi", tag, "--abi", "abi3", "--abi", "none"]
    return words


def _find_pip(version: tuple[int, int], scratch: Path) -> list[str]:
    """Return the words that run a pip, the nearest to gdb's Python first; the last resort is to install Debian's.

    A fresh Debian has no pip at all, and its python3 cannot make one (ensurepip is packaged apart).
    """
    candidates = dict.fromkeys(
        filter(None, (shutil.which(f"python{dotted(version)}"), "/usr/bin/python3", sys.executable))
    )
    for python in candidates:
        if _runs([python, "-m", "pip", "--version"]):
            return [python, "-m", "pip"]
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        environment = scratch / "venv"
        if _runs([sys.executable, "-m", "venv", str(environment)]):
            return [str(environment / "bin" / "python"), "-m", "pip"]
    print("Installing with apt-get: python3-pip (it fetches the Python packages)", flush=True)
    debian.install(["python3-pip"])
    return ["/usr/bin/python3", "-m", "pip"]


def _version_of(python: str) -> tuple[int, int] | None:
    code = "import sys; print(*sys.version_info[:2])"
    result = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, cwd=_NEUTRAL, check=False)
    words = result.stdout.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else None


def _runs(command: list[str]) -> bool:
    try:
        quiet = subprocess.DEVNULL
        return subprocess.run(command, stdout=quiet, stderr=quiet, cwd=_NEUTRAL, check=False).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold `directory` against another set-up at the same time."""
    with open_output(str(directory.with_name(f".{directory.name}.lock"))) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """Make a directory beside `directory`, on the same file system, for what is not whole yet."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
