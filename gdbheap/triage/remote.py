"""Cores that lie elsewhere: what fsspec, which is optional, can open by a URL."""

from __future__ import annotations

import calendar
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.triage.extras import extra

_NUMBERS = ((FileNotFoundError, errno.ENOENT), (PermissionError, errno.EACCES))


def urls_named(url: str) -> Iterator[str]:
    """Yield the files that a URL names: itself, or with a * in it, or where it is a directory, those that are there;
    HeapError where nobody can tell."""
    try:
        with _failing_as_files_do(url):
            filesystem, path = extra("fsspec").core.url_to_fs(url)
            many = filesystem.glob(path) if "*" in path else filesystem.find(path) if filesystem.isdir(path) else None
    except OSError as error:
        raise HeapError(str(error)) from None
    if many is None:
        yield url
        return
    # (What puts the protocol back forgets the host.)
    whole = url.rstrip("/")
    before = whole[: len(whole) - len(path)] if path and whole.endswith(path) else None
    yield from map(filesystem.unstrip_protocol if before is None else before.__add__, many)


def head_of_url(url: str, most: int) -> tuple[int, float, bytes]:
    """Return the size of what is there (0: not told), when it was written (0: not told), its first bytes; OSError."""
    with _failing_as_files_do(url):
        filesystem, path = extra("fsspec").core.url_to_fs(url)
        told = filesystem.info(path)
        size = int(told.get("size") or 0)
        # (Some stores refuse to read beyond the end.)
        head = filesystem.cat_file(path) if 0 < size <= most else filesystem.cat_file(path, 0, most)
        return size, _written(told), bytes(head)


@contextmanager
def local_copy(url: str) -> Iterator[str]:
    """Bring the file here for as long as it is read; OSError where it cannot be."""
    with tempfile.TemporaryDirectory(prefix="gdbheap-core-") as directory:
        copy = f"{directory}/core"
        with _failing_as_files_do(url):
            filesystem, path = extra("fsspec").core.url_to_fs(url)
            filesystem.get_file(path, copy)
        yield copy


@contextmanager
def _failing_as_files_do(url: str) -> Iterator[None]:
    """Turn what goes wrong there into an OSError: each kind of store has exceptions of its own."""
    try:
        yield
    except (OSError, HeapError) as error:
        # Stores raise these with the name alone.
        number = next((code for kind, code in _NUMBERS if type(error) is kind), None)
        if number is not None and getattr(error, "strerror", None) is None:
            raise OSError(number, os.strerror(number), url) from error
        raise
    except Exception as error:
        raise OSError(f"{url}: {type(error).__name__}: {error}") from error


def _written(told: dict[str, Any]) -> float:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = told.get(name)
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, str):
            try:
                return calendar.timegm(time.strptime(value[:19], "%Y-%m-%dT%H:%M:%S"))
            except ValueError:
                continue
    return 0.0
