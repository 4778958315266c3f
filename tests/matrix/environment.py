"""What the tests need beside the systems: this project's Python requirements, a virtual environment, pip's settings."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gdbheap.launch import debian

# Environment variables by which programs find proxies and certificates.
NETWORK = re.compile(r"(?i)(http|https|ftp|all|no)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE")


def cache_directory() -> Path:
    """Return the directory that keeps what is costly to make; it is outside every checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gdbheap"


def requirements(checkout: Path) -> tuple[list[str], list[str]]:
    """Return what gdbheap requires and what its tests require beside that, as pyproject.toml has them."""
    text = (checkout / "pyproject.toml").read_text()
    lists = (re.search(rf"^{name} = (\[[^]]*\])", text, re.M) for name in ("dependencies", "test"))
    # A TOML array of plain strings is JSON too; tomllib came only with Python 3.11.
    needed, testing = (json.loads(match.group(1)) for match in lists if match)
    return needed, testing


def virtual_environment(checkout: Path) -> Path:
    """Return the bin directory of a virtual environment that has all requirements; make it if it is not there yet."""
    needed, testing = requirements(checkout)
    stamp = "\n".join([sys.version, *needed, *testing])
    place = cache_directory() / "venv" / hashlib.sha256(stamp.encode()).hexdigest()[:12]
    complete = place / "complete"
    with locked(place):  # two runs may begin at once
        if not complete.exists():
            shutil.rmtree(place, ignore_errors=True)
            _make_venv(place)
            command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--quiet", *needed, *testing]
            subprocess.run(command, check=True)
            complete.write_text(stamp)
    return place / "bin"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` against another run that would make it at the same time."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_name(f".{directory.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_settings(python: Path | str) -> dict[str, str]:
    """Return the environment variables that make any pip act as this machine's pip is configured to."""
    listing = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
    found = [re.fullmatch(r"(global|install|:env:)\.([\w-]+)=(.*)", line) for line in listing.splitlines()]
    # What pip itself lets win comes last: the environment over the section of a command over [global].
    for match in sorted(filter(None, found), key=lambda match: ("global", "install", ":env:").index(match.group(1))):
        words = str(ast.literal_eval(match.group(3))).split()
        if match.group(2) in ("extra-index-url", "find-links"):  # what more there is on this machine's disk stays there
            words = [word for word in words if not word.startswith(("/", "file:"))]
        settings["PIP_" + match.group(2).upper().replace("-", "_")] = " ".join(words)
    return settings


def local_files(settings: dict[str, str]) -> list[Path]:
    """Return the files of this machine that `settings` name: certificates."""
    return sorted({Path(value) for value in settings.values() if value.startswith("/") and Path(value).is_file()})


def _make_venv(place: Path) -> None:
    try:
        import ensurepip  # noqa: F401  Debian ships it apart from python3
    except ImportError:
        version = f"python3.{sys.version_info.minor}"
        print(f"Installing on this machine: {version}-venv", flush=True)
        debian.install([f"{version}-venv"])
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
