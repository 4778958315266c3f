"""Debian's and Ubuntu's packages: which are missing, and installing them with apt-get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from gdbheap.errors import HeapError


class NotInstalled(HeapError):
    """Something could not be installed; the text has the command for whoever can."""

    code = "not_installed"


def missing(names: Sequence[str]) -> list[str]:
    """Return those of `names` that dpkg does not know as installed; all of them where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return list(names)
    return [name for name in names if not _installed(name)]


def install(names: Sequence[str]) -> None:
    """Install `names` with apt-get, through sudo where this user is not root; NotInstalled with the command if it
    cannot."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    if not shutil.which("apt-get"):
        raise NotInstalled(
            f"no apt-get here; install with this system's package manager what Debian calls {' '.join(names)}"
        )
    become = _become_root()
    if become is None:
        raise NotInstalled(f"not root, and no sudo; as root run: apt-get update && {' '.join(command)}")
    # sudo clears the environment, so that what apt-get must see is set behind it.
    proxies = [f"{name}={os.environ[name]}" for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ]
    apt = [*become, "env", "DEBIAN_FRONTEND=noninteractive", *proxies, "apt-get", "--quiet=2"]
    # What apt-get and dpkg have to say is long, and matters only if they fail.
    for words in (["update"], command[1:]):
        result = subprocess.run(
            [*apt, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode:
        print(result.stdout.decode(errors="replace"), file=sys.stderr)
        raise NotInstalled(f"apt-get could not install {' '.join(names)}, for the reason above")


def _installed(name: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\\n", name]
    result = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return b"installed" in result.stdout.splitlines()  # a line for each architecture


def _become_root() -> list[str] | None:
    """Return the words before a command that make it run as root, or None if nothing here does."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    # Without a terminal sudo has nobody to ask for a password.
    return ["sudo"] if sys.stdin.isatty() else ["sudo", "--non-interactive"]
