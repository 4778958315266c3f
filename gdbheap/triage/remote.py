"""Cores that lie elsewhere: what fsspec, which is optional, can open by a URL."""

from __future__ import annotations

import calendar
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.triage.extras import extra


def urls_named(url: str) -> Iterator[str]:
    """Yield the files that a URL names: itself, or with a * in it, or where it is a directory, those that are there;
    HeapError where nobody can tell."""
    try:
        with _failing_as_files_do(url):
            filesystem, path = extra("fsspec").core.url_to_fs(url)
            many = filesystem.glob(path) if "*" in path else filesystem.find(path) if filesystem.isdir(path) else None
    except OSError as error:
        raise HeapError(str(error)) from None
    yield from [url] if many is None else map(filesystem.unstrip_protocol, many)


def head_of_url(url: str, most: int) -> tuple[int, float, bytes]:
    """Return the size of what is there (0: not told), when it was written (0: not told), its first bytes; OSError."""
    with _failing_as_files_do(url):
        filesystem, path = extra("fsspec").core.url_to_fs(url)
        told = filesystem.info(path)
        return int(told.get("size") or 0), _written(told), bytes(filesystem.cat_file(path, 0, most))


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
    except (OSError, HeapError):
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
