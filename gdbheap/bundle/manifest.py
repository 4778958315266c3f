"""What a bundle holds, and where in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gdbheap.errors import HeapError

SCHEMA = "gdbheap-bundle/1"
SUFFIX = ".gdbheap.tar.gz"
# The first member of the archive, and the directories of the others.
NAME, CORE, ROOT, DEBUG = "manifest.json", "core", "root", "debug"


@dataclass(frozen=True)
class BundledModule:
    """A file that the core's process had mapped: its `path` there, whether it is in the bundle, and where in it the
    file with its debug information is ("": not there)."""

    path: str
    build_id: str
    held: bool
    debug: str = ""


@dataclass(frozen=True)
class Manifest:
    """`core` is the name of the core's file, `program` the path of the program ("": not known)."""

    core: str
    program: str
    machine: str
    made: str
    modules: Sequence[BundledModule]

    def text(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"


def manifest_of(text: bytes) -> Manifest:
    """Return the manifest that text() has written; HeapError where it is none."""
    try:
        told = json.loads(text)
        if told.pop("schema") != SCHEMA:
            raise HeapError("this bundle is of another gdbheap: it cannot be unpacked by this one")
        modules = [BundledModule(**each) for each in told.pop("modules")]
        found = Manifest(**told, modules=modules)
    except (ValueError, TypeError, AttributeError, KeyError):
        raise HeapError("its manifest cannot be read") from None
    if not all(isinstance(each, str) for each in (found.core, found.program, found.machine, found.made)):
        raise HeapError("its manifest cannot be read")
    return found
