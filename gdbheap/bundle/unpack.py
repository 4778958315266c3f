"""`python3 -m gdbheap unpack BUNDLE`: the files of a bundle, into a new directory, and how to look at them."""

from __future__ import annotations

import argparse
import gzip
import os
import shlex
import shutil
import tarfile
import zlib
from collections.abc import Iterator

from gdbheap.bundle.manifest import CORE, DEBUG, NAME, ROOT, Manifest, manifest_of
from gdbheap.bundle.pack import SUFFIX
from gdbheap.errors import HeapError
from gdbheap.files import open_new, open_regular
from gdbheap.report.printable import printable

_LONGEST_MANIFEST = 1 << 24
_MOST_FILES = 1 << 16
_PIECE = 1 << 20
_DIRECTORIES = (f"{ROOT}/", f"{DEBUG}/")


def unpack(options: argparse.Namespace) -> int:
    """Unpack, and print the commands that look at the core; return the exit status."""
    directory = options.directory or _directory_for(options.bundle)
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise HeapError(f"cannot make {directory}: {error.strerror}") from error
    try:
        with open_regular(options.bundle) as file, gzip.GzipFile(fileobj=file) as inner:
            manifest = _extract(inner, directory)
    except (OSError, EOFError, zlib.error, tarfile.TarError, HeapError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise HeapError(f"{options.bundle} cannot be unpacked: {_why(error)}") from error
    print("\n".join(_said(directory, manifest)))
    return 0


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "it is cut off"


def _directory_for(bundle: str) -> str:
    name = os.path.basename(bundle)
    return name[: -len(SUFFIX)] + ".d" if name.endswith(SUFFIX) else f"{name}.d"


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
            while piece:
                piece = piece[file.write(piece) or 0 :]
    # When the core was written is when the process died.
    os.utime(path, (member.mtime, member.mtime))


def _said(directory: str, manifest: Manifest) -> Iterator[str]:
    core, root, debug = (_quoted(os.path.join(directory, each)) for each in (CORE, ROOT, DEBUG))
    name = printable(manifest.program) or "a program that the core does not name"
    whose = f"{printable(manifest.core)} of {name} ({printable(manifest.machine)})"
    yield f"{printable(directory)}: the core {whose}, and its files"
    yield f"next: python3 -m gdbheap fault --core {core} --sysroot {root} --debug-dir {debug}"
    program = _quoted(f"{os.path.join(directory, ROOT)}{manifest.program}")
    yield (
        f"in gdb: gdb -iex 'set sysroot {os.path.join(directory, ROOT)}' "
        f"-iex 'set debug-file-directory {os.path.join(directory, DEBUG)}' {program} {core}"
    )


def _quoted(text: str) -> str:
    return shlex.quote(printable(text))
