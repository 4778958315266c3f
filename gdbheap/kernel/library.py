"""The compiled kernel's file: where set-up puts it, and whether it is what it should be.

It is code that gdb would run: none is loaded but what belongs to this user (nobody else may write it), is of the very
kernel.c that lies beside this file, and is whole. Whatever is not right means that there is none, and numpy serves.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import sys
from typing import TYPE_CHECKING

from gdbheap.files import open_regular, read_regular
from gdbheap.packages import data_directory

if TYPE_CHECKING:
    import ctypes

# "off" turns the kernel off.
SWITCH = "GDBHEAP_KERNEL"
_MOST = 1 << 20
_DIGEST = hashlib.sha256().digest_size
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def is_turned_off() -> bool:
    """Whether the user wants none."""
    return os.environ.get(SWITCH, "").lower() in ("off", "0", "no")


def source_path() -> str:
    """Return where the kernel's source lies."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernel.c")


def library_path() -> str:
    """Return where the library of this source lies, for programs such as this one; OSError where there is no
    source."""
    digest = hashlib.sha256(read_regular(source_path(), _MOST)).hexdigest()[:32]
    return os.path.join(data_directory(), "kernel", f"{digest}-{platform.machine()}.so")


def sealed(library: bytes) -> bytes:
    """Return what is kept of a library: it, and behind it what tells that it is whole."""
    return library + hashlib.sha256(library).digest()


def load() -> ctypes.CDLL | None:
    """Return the library, None where there is none, or it is not right."""
    try:
        import ctypes  # slow to import, and a small Python may have none
    except ImportError:
        return None
    if sys.maxsize < 1 << 32:
        return None
    try:
        path = library_path()
        if not os.path.isabs(path):
            return None
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            beside = os.stat(os.path.dirname(path))
            if any(each.st_uid != os.geteuid() or each.st_mode & _OTHERS_WRITE for each in (status, beside)):
                return None
            data = file.read(_MOST)
            if status.st_size != len(data) or sealed(data[:-_DIGEST]) != data:
                return None
            # What was looked at is what is loaded, whatever has that name by now.
            return ctypes.CDLL(f"/proc/self/fd/{file.fileno()}")
    except OSError:
        return None
