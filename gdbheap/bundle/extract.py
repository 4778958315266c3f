"""What a bundle holds, brought into a directory; nothing outside of it is written, whatever the bundle says."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib

from gdbheap.bundle.manifest import CORE, DEBUG, NAME, ROOT, Manifest, manifest_of
from gdbheap.errors import HeapError
from gdbheap.files import open_new, open_regular
from gdbheap.report.printable import printable

_LONGEST_MANIFEST = 1 << 24
_MOST_FILES = 1 << 16
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"
_DIRECTORIES = (f"{ROOT}/", f"{DEBUG}/")
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError)


def is_bundle(path: str) -> bool:
    """Whether the file is one that pack has made, as far as its beginning tells; also where it cannot be read: no."""
    try:
        with open_regular(path) as file:
            if file.read(2) != _GZIP:
                return False
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as inner:
                return tarfile.TarInfo.frombuf(inner.read(tarfile.BLOCKSIZE), "utf-8", "strict").name == NAME
    except (*_BROKEN, ValueError):
        return False


def extract(path: str, directory: str) -> Manifest:
    """Write what the bundle at `path` holds into the directory; HeapError where it is no bundle, or is damaged (and
    then some of it may be there)."""
    try:
        with open_regular(path) as file, gzip.GzipFile(fileobj=file) as inner:
            return _extract(inner, directory)
    except (*_BROKEN, HeapError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it is cut off"
        raise HeapError(f"{path} cannot be unpacked: {why}") from error


def _extract(file: gzip.GzipFile, directory: str) -> Manifest:
    """Write the members into the directory. Only regular files of the places that a bundle has are written, each once,
    and no more than there is room for. HeapError where it is no bundle."""
    manifest = None
    with tarfile.TarFile(fileobj=file, mode="r") as archive:
        for number, member in enumerate(archive):
            if manifest is None:
                manifest = _manifest(archive, member)
                continue
            if number > _MOST_FILES:
                raise HeapError("it has too many files")
            if not member.isreg() or not _is_place(member.name):
                raise HeapError(f"{printable(member.name)} is nothing that a bundle has")
            if member.size > shutil.disk_usage(directory).free:
                raise HeapError(f"there is no room for {printable(member.name)}")
            _copy(archive, member, os.path.join(directory, member.name))
    if manifest is None or not os.path.exists(os.path.join(directory, CORE)):
        raise HeapError("there is no core in it")
    return manifest


def _manifest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Manifest:
    content = archive.extractfile(member) if member.isreg() else None
    if member.name != NAME or member.size > _LONGEST_MANIFEST or content is None:
        raise HeapError("it is no bundle of gdbheap's")
    return manifest_of(content.read())


def _is_place(name: str) -> bool:
    parts = name.split("/")
    return name == CORE or (name.startswith(_DIRECTORIES) and not {"", ".", ".."} & set(parts))


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    content = archive.extractfile(member)
    assert content is not None  # it is a regular file
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with open_new(path) as file:
        while piece := content.read(_PIECE):
            if not piece.strip(b"\0"):  # a core may be nearly all holes
                file.seek(len(piece), os.SEEK_CUR)
                continue
            while piece:
                piece = piece[file.write(piece) or 0 :]
        file.truncate(file.tell())
    # When the core was written is when the process died.
    os.utime(path, (member.mtime, member.mtime))
