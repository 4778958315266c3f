"""A bundle opened for one command: unpacked into a directory that goes with whoever has it open."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO

from gdbheap.bundle.extract import extract
from gdbheap.bundle.manifest import CORE, DEBUG, ROOT, Manifest
from gdbheap.errors import HeapError
from gdbheap.files import open_kept, roomy_place

_PREFIX = "gdbheap-bundle-"
_LOCK = "in-use"
# Others may put directories beside ours.
_MOST_LEFT = 1000


@dataclass(frozen=True)
class OpenedBundle:
    """Where the parts of a bundle are for now; whoever has `lock` open keeps them from being cleared away."""

    directory: str
    manifest: Manifest
    lock: FileIO

    @property
    def core(self) -> str:
        return os.path.join(self.directory, CORE)

    @property
    def root(self) -> str:
        return os.path.join(self.directory, ROOT)

    @property
    def debug(self) -> str:
        return os.path.join(self.directory, DEBUG)


def opened_bundle(path: str, hold: ExitStack) -> OpenedBundle:
    """Return the bundle's parts, which are there until `hold` is closed; HeapError where it is none or damaged. What
    others left behind that were killed is cleared away."""
    place = roomy_place() or tempfile.gettempdir()
    try:
        _clear_left(place)
        directory = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        hold.callback(shutil.rmtree, directory, ignore_errors=True)
        lock = hold.enter_context(open_kept(os.path.join(directory, _LOCK)))
        fcntl.flock(lock.fileno(), fcntl.LOCK_SH)
    except OSError as error:
        raise HeapError(f"{path} cannot be unpacked in {place}: {error.strerror or error}") from error
    return OpenedBundle(directory, extract(path, directory), lock)


def _clear_left(place: str) -> None:
    """Remove this user's directories that nobody has open any more."""
    with os.scandir(place) as entries:
        found = [each.path for each, _ in zip(entries, range(_MOST_LEFT)) if each.name.startswith(_PREFIX)]
    for directory in found:
        lock = os.path.join(directory, _LOCK)
        with suppress(OSError):
            if os.lstat(directory).st_uid != os.geteuid() or not os.path.isfile(lock):
                continue
            with open_kept(lock) as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
