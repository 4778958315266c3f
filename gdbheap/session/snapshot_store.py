"""Where snapshots are kept: by name in one directory of the user's, or wherever a path says."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gdbheap.analysis.snapshots.snapshot import Snapshot, take_snapshot
from gdbheap.analysis.snapshots.snapshot_file import MOST_BLOCKS, read_snapshot
from gdbheap.errors import HeapError, UsageError
from gdbheap.lazy import regex
from gdbheap.process.columns.first_words import FirstWords
from gdbheap.session.object_names import lookup
from gdbheap.session.target import Target

SUFFIX = ".heap"
_NAME = regex(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


def directory() -> str:
    """Return the directory of named snapshots, which need not exist; UsageError where there is no home to have one
    in."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise UsageError("there is no home directory to keep snapshots in: give a path instead of a name")
        base = os.path.join(home, ".local", "state")
    return os.path.join(base, "gdbheap", "snapshots")


def make_directory() -> None:
    """Make directory() where it is missing; UsageError where that cannot be done."""
    try:
        os.makedirs(directory(), mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make {directory()}: {error.strerror} (--output FILE puts the snapshot elsewhere)"
        ) from error


def path_of(name: str) -> str:
    """Return the file of a snapshot: `name` itself where it is a path (it has a "/"), else a file of that name in
    directory()."""
    if "/" in name:
        return os.path.expanduser(name)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a valid snapshot name: letters, digits and . _ + - (or a path, with a /)")
    return os.path.join(directory(), name + SUFFIX)


def named_snapshots() -> list[str]:
    """Return the names of the snapshots in directory(), in order."""
    try:
        files = os.listdir(directory())
    except (OSError, UsageError):
        return []
    return sorted(each[: -len(SUFFIX)] for each in files if each.endswith(SUFFIX) and _NAME.fullmatch(each))


def snapshot_now(target: Target, started: float, holders: bool = True) -> Snapshot:
    """Return a snapshot of the heap as it is, read once; `started` as in take_snapshot(). With `holders` it tells of
    types and of who holds each block, which takes several times as long."""
    if holders:
        from gdbheap.session.held_snapshot import held_snapshot  # kept out of gdb's start

        return held_snapshot(target, started)
    first_words = FirstWords()
    view = target.heap(first_words)
    return take_snapshot(view, first_words, lookup(target), started)


def load_all(names: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots of these names or paths; HeapError where one is missing or cannot be read, or all
    together are too large."""
    found: list[Snapshot] = []
    for name in names:
        found.append(_load(name, MOST_BLOCKS - sum(map(len, found))))
    return found


def _load(name: str, most: int) -> Snapshot:
    path = path_of(name)
    if not os.path.exists(path):
        known = ", ".join(named_snapshots()) or "none"
        place = "" if path == name else f" ({path})"
        raise HeapError(f"there is no snapshot {name}{place}; there are: {known}")
    return read_snapshot(path, most)
