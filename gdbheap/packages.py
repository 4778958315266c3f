"""The third-party packages that gdbheap needs, and where those of gdb's own Python live.

gdb's Python may be another version than the python3 of the command line, so its packages have a directory of their
own, per version.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # typing's own would cost gdb's start the import of typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What pip installs, by what Python imports.
REQUIRED = {"numpy": "numpy", "elftools": "pyelftools", "pygments": "pygments"}
_MODULE = "python3 -m gdbheap setup"


def setup_command() -> str:
    """Return the command that sets gdbheap up, as it works in the current directory."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    script = os.path.normpath(os.path.join(root, "..", "..", "..", "bin", "gdbheap"))
    if os.path.exists(script):  # root is lib/python3.11/site-packages
        return f"{_quoted(script)} setup"
    return _MODULE if os.path.realpath(root) == os.getcwd() else f"PYTHONPATH={_quoted(root)} {_MODULE}"


def not_installed(packages: Sequence[str]) -> str:
    """Return that this Python lacks the packages, and the command that installs them."""
    return f"{', '.join(packages)}: not installed for this Python; {setup_command()}"


def _quoted(path: str) -> str:
    from shlex import quote  # for the few who read this: gdb's start goes without

    return quote(path)


def directory(version: tuple[int, int] = sys.version_info[:2]) -> Path:
    """Return where the packages for this version of Python live (it need not exist):
    $XDG_DATA_HOME/gdbheap/python3.11."""
    from pathlib import Path  # pathlib is slow to import, and gdb's start does without

    return Path(directory_name(version))


def directory_name(version: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return the same as text."""
    return os.path.join(data_directory(), f"python{version[0]}.{version[1]}")


def data_directory() -> str:
    """Return the directory for all that set-up makes (it need not exist): $XDG_DATA_HOME/gdbheap."""
    base = os.environ.get("XDG_DATA_HOME", "")
    data = base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, "gdbheap")


def use() -> None:
    """Have this interpreter look where set-up put the packages, after its own places."""
    own = directory_name()
    if os.path.isabs(own) and own not in sys.path:  # where nobody knows the home directory, it is none
        sys.path.append(own)


def missing() -> tuple[str, ...]:
    """Return the packages (pip's names) that this interpreter cannot import, without importing any."""
    return tuple(package for module, package in REQUIRED.items() if not is_there(module))


def is_there(module: str) -> bool:
    """Whether this interpreter can import a module; it is not imported."""
    if module in sys.modules:
        return sys.modules[module] is not None
    return PathFinder.find_spec(module) is not None


def advice(packages: tuple[str, ...]) -> str:
    """Return one line: what is missing for this interpreter and the command that mends it."""
    names = ", ".join(packages)
    are = "is" if len(packages) == 1 else "are"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"gdbheap: {names} {are} missing for gdb's Python {version}; run: {setup_command()}"
