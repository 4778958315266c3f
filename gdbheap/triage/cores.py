"""Which cores: files, the cores in a directory, URLs; and by what a core is known again."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gdbheap.bundle.manifest import SUFFIX
from gdbheap.errors import UsageError
from gdbheap.files import open_regular
from gdbheap.triage.remote import head_of_url, urls_named

# The notes lie in it, and with them the process's number, its registers, its secrets: no two processes have the same.
_HEAD = 1 << 16
_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
_ELF = b"\x7fELF"
_ELF_CORE = 4
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x1f\x8b", b"\xfd7zXZ", b"BZh")


@dataclass(frozen=True)
class Core:
    """A core by its absolute path or URL; what is known of it before it is read. `error`: why it cannot be."""

    name: str
    key: str
    time: str = ""
    size: int = 0
    error: str = ""

    @property
    def is_remote(self) -> bool:
        return is_url(self.name)


def is_url(name: str) -> bool:
    return _URL.match(name) is not None


def cores_named(names: Iterable[str]) -> Iterator[Core]:
    """Yield the cores, each once. A directory stands for the cores in it and below it. UsageError: nothing is there of
    that name."""
    seen = set()
    for name in names:
        for each in _places(name):
            if each not in seen:
                seen.add(each)
                yield core_at(each)


def core_at(name: str) -> Core:
    """Return the core of that absolute path, or URL."""
    try:
        size, written, head = head_of_url(name, _HEAD) if is_url(name) else _head_of_file(name)
    except OSError as error:
        return Core(name, _key(name, 0, b""), error=error.strerror or str(error))
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(written)) if written else ""
    return Core(name, _key(name, size, head), when, size)


def _key(name: str, size: int, head: bytes) -> str:
    return hashlib.sha256(os.fsencode(f"{name}\0{size}\0") + head).hexdigest()[:24]


def _head_of_file(path: str) -> tuple[int, float, bytes]:
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
        return status.st_size, status.st_mtime, os.pread(file.fileno(), _HEAD, 0)


def _places(name: str) -> Iterator[str]:
    if is_url(name):
        yield from urls_named(name)
        return
    path = os.path.abspath(name)
    if not os.path.lexists(path):
        raise UsageError(f"there is no {name}")
    if not os.path.isdir(path):
        yield path
        return
    for directory, below, files in os.walk(path):
        below.sort()
        yield from (
            each for each in (os.path.join(directory, file) for file in sorted(files)) if _looks_like_core(each)
        )


def _looks_like_core(path: str) -> bool:
    """Whether a file of a directory, which nobody has named, may be a core."""
    try:
        _, _, head = _head_of_file(path)
    except OSError:
        return False
    if head.startswith(_ELF):
        return int.from_bytes(head[16:18], "little") == _ELF_CORE
    name = os.path.basename(path)
    return head.startswith(_COMPRESSED) and ("core" in name or name.endswith(SUFFIX))
