"""`python3 -m gdbheap unpack BUNDLE`: the files of a bundle, into a new directory, and how to look at them."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
from collections.abc import Iterator

from gdbheap.bundle.extract import extract
from gdbheap.bundle.manifest import CORE, DEBUG, ROOT, SUFFIX, Manifest
from gdbheap.errors import HeapError
from gdbheap.report.printable import printable


def unpack(options: argparse.Namespace) -> int:
    """Unpack, and print the commands that look at the core; return the exit status."""
    directory = options.directory or _directory_for(options.bundle)
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        raise HeapError(f"cannot make {directory}: {error.strerror}") from error
    try:
        manifest = extract(options.bundle, directory)
    except HeapError:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    print("\n".join(_said(directory, manifest)))
    return 0


def _directory_for(bundle: str) -> str:
    name = os.path.basename(bundle)
    return name[: -len(SUFFIX)] + ".d" if name.endswith(SUFFIX) else f"{name}.d"


def _said(directory: str, manifest: Manifest) -> Iterator[str]:
    core, root, debug = (_quoted(os.path.join(directory, each)) for each in (CORE, ROOT, DEBUG))
    name = printable(manifest.program) or "a program that the core does not name"
    whose = f"{printable(manifest.core)} of {name} ({printable(manifest.machine)})"
    yield f"{printable(directory)}: the core {whose}, and its files"
    yield f"next: python3 -m gdbheap fault --core {core} --sysroot {root} --debug-dir {debug}"
    program = _quoted(f"{os.path.join(directory, ROOT)}{manifest.program}")
    sysroot = _quoted(f"set sysroot {os.path.join(directory, ROOT)}")
    debug_directory = _quoted(f"set debug-file-directory {os.path.join(directory, DEBUG)}")
    yield f"in gdb: gdb -iex {sysroot} -iex {debug_directory} {program} {core}"


def _quoted(text: str) -> str:
    return shlex.quote(printable(text))
