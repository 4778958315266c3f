"""The one door to files: no other module opens one (tests/test_architecture.py).

Names come from a process, a core, debug info, a link in a library: such a name may be a device that never ends, a
pipe without a writer, or lead there by a link. Only regular files are read (the kernel's own in /proc are regular),
and only as far as the caller has a use for.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO

# The smaps of a million mappings are a GiB.
_MOST_OF_KERNEL = 1 << 32


def open_regular(path: str) -> FileIO:
    """Return the regular file of that name, opened for reading, unbuffered; OSError where there is none, or it is
    anything else."""
    try:
        # Looked at before it is opened, for opening alone can do something: a tape rewinds, a pipe's writer wakes.
        _refuse_all_but_regular(os.stat(path).st_mode, path)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:  # a NUL in the name, or half of a surrogate pair
        raise OSError(errno.EINVAL, str(error)) from error
    try:
        # Another may stand there by now.
        _refuse_all_but_regular(os.fstat(descriptor).st_mode, path)
        return FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str, most: int) -> bytes:
    """Return what the regular file holds; OSError where open_regular() raises it, or where that is more than `most`
    bytes."""
    with open_regular(path) as file:
        data = bytearray()
        # (The kernel gives its own files a page at a time: a new buffer for each would cost more than the reading.)
        buffer = memoryview(bytearray(min(most + 1, 1 << 20)))
        while len(data) <= most and (size := file.readinto(buffer)):
            data += buffer[:size]
    if len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return bytes(data)


def kernel_text(path: str) -> str:
    """Return the text of a file of the kernel's own, in /proc, as Python keeps file names: what is no text survives;
    OSError."""
    return os.fsdecode(read_regular(path, _MOST_OF_KERNEL))


def open_new(path: str) -> FileIO:
    """Return a file that was not there before, for this user alone, opened for writing; OSError."""
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "wb")


def open_unnamed() -> FileIO:
    """Return a file without a name for what is too large for memory, open for reading and writing: on the disk that
    $TMPDIR names, else /var/tmp (/tmp may be memory), and gone with whoever has it open; OSError."""
    import tempfile  # slow to import, and few need it

    with tempfile.TemporaryFile(dir=roomy_place()) as file:
        return FileIO(os.dup(file.fileno()), "r+b")


def roomy_place() -> str | None:
    """Return the directory for what is too large for memory; None: Python's own choice."""
    return os.environ.get("TMPDIR") or ("/var/tmp" if os.access("/var/tmp", os.W_OK) else None)


def open_nowhere() -> FileIO:
    """Return a file that takes all and keeps nothing."""
    return FileIO(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), "wb")


def open_output(path: str) -> FileIO:
    """Return the file that the user has named for an answer, opened for writing, what it held gone; OSError.

    In a directory where everybody may put files (/tmp), another user's link is not followed and another user's file
    not written: what the kernel does where fs.protected_symlinks and fs.protected_regular are 1.
    """
    found = _lstat(path)
    if found is not None and _is_planted(path, found):
        what = "symbolic link" if stat.S_ISLNK(found.st_mode) else "file"
        raise OSError(errno.EACCES, f"it is another user's {what} in a directory where everybody may write", path)
    follow = 0 if found is not None and stat.S_ISLNK(found.st_mode) else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | follow, 0o666)
    try:
        opened = os.fstat(descriptor)
        if follow and _is_planted(path, opened):  # put there in the meantime
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        if stat.S_ISREG(opened.st_mode):
            os.ftruncate(descriptor, 0)
        return FileIO(descriptor, "wb")
    except BaseException:
        os.close(descriptor)
        raise


def open_kept(path: str) -> FileIO:
    """Return a regular file of this user's that grows at its end, opened for reading and writing, made where there is
    none; OSError."""
    file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b")
    try:
        _refuse_all_but_regular(os.fstat(file.fileno()).st_mode, path)
    except BaseException:
        file.close()
        raise
    return file


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _is_planted(path: str, found: os.stat_result) -> bool:
    """Whether another user may have put there what is found: neither ours nor the directory's owner's, in a sticky
    directory that all may write. (mirrors may_follow_link() and may_create_in_sticky() in fs/namei.c)"""
    directory = os.stat(os.path.dirname(path) or ".")
    open_to_all = directory.st_mode & stat.S_ISVTX and directory.st_mode & stat.S_IWOTH
    return bool(open_to_all) and found.st_uid not in (os.geteuid(), directory.st_uid)


def _refuse_all_but_regular(mode: int, path: str) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", path)
