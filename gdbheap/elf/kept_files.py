"""Files that are kept for the next time in a directory of this user's, which may hold anything by then: whoever reads
one checks what is in it."""

from __future__ import annotations

import contextlib
import os
import stat
import time

from gdbheap.files import open_new, open_regular

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PIECE = 1 << 20


class KeptFiles:
    """Up to `most` files of at most `most_size` bytes, whose names end in `suffix`. All failures to read or write are
    silent, for what is kept is only ever a shortcut."""

    def __init__(self, directory: str, suffix: str, most: int, most_size: int) -> None:
        self.directory = directory
        self._suffix = suffix
        self._most = most
        self._most_size = most_size

    def read(self, name: str) -> bytes | None:
        """Return what the file holds; None where there is none, it is too large, or another may have written it."""
        try:
            with open_regular(os.path.join(self.directory, name)) as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_WRITE or status.st_size > self._most_size:
                    return None
                data = bytearray()
                while len(data) <= self._most_size and (piece := file.read(_PIECE)):
                    data += piece
                return bytes(data) if len(data) <= self._most_size else None
        except OSError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Keep `data`; readers see the old file or the whole new one, never a part. The oldest beyond the bound go."""
        if len(data) > self._most_size:
            return
        with contextlib.suppress(OSError):
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            temporary = os.path.join(self.directory, f".new-{os.getpid()}-{time.monotonic_ns()}")
            raw = open_new(temporary)
            try:
                with raw as file:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[file.write(rest) or 0 :]
                os.replace(temporary, os.path.join(self.directory, name))
            except OSError:
                os.unlink(temporary)
                raise
            self._evict()

    def _evict(self) -> None:
        """Remove the oldest files beyond the bound, left-over temporary ones among them."""
        with os.scandir(self.directory) as entries:
            files = sorted(
                (each.stat(follow_symlinks=False).st_mtime_ns, each.path) for each in entries if self._is_ours(each)
            )
        for _, path in files[: max(len(files) - self._most, 0)]:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _is_ours(self, entry: os.DirEntry[str]) -> bool:
        named = entry.is_file(follow_symlinks=False) and entry.name.endswith(self._suffix)
        return named or entry.name.startswith(".new-")
