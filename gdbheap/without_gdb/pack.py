"""`python3 -m gdbheap pack CORE`: the core and the files behind it, into one file."""

from __future__ import annotations

import argparse
import gzip
import os
import shlex
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import PurePosixPath

from gdbheap import packages
from gdbheap.bundle.extract import is_bundle
from gdbheap.bundle.manifest import CORE, DEBUG, NAME, ROOT, SUFFIX, BundledModule, Manifest
from gdbheap.counted import counted
from gdbheap.elf.cache import SymbolCache, cache_directory
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.errors import HeapError, PackagesMissing, UsageError
from gdbheap.files import open_output, open_regular
from gdbheap.process.process import Module
from gdbheap.report.printable import human_size, printable
from gdbheap.session.target import Target
from gdbheap.without_gdb.command_line import reader_of

# Cores are mostly zeros and repetitions: more costs much time and gains little.
_LEVEL = 3


def pack(options: argparse.Namespace) -> int:
    """Write the bundle, and say what is in it and what is not; return the exit status."""
    packages.use()
    if missing := packages.missing():
        raise PackagesMissing(packages.not_installed(missing), packages.setup_command())
    if is_bundle(options.core):
        raise UsageError(f"{options.core} is a bundle already")
    with ExitStack() as hold:
        reader = reader_of(options, hold)
        status = _pack(options, Target(reader))
        print("".join(f"{each}\n" for each in reader.fetched), end="")
        return status


def _pack(options: argparse.Namespace, target: Target) -> int:
    found = list(_modules(target))
    output = options.output or f"{os.path.basename(options.core)}{SUFFIX}"
    main = target.process.main
    manifest = Manifest(
        core=os.path.basename(options.core),
        program="" if main is None else main.path,
        machine=target.process.machine.name,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        modules=[each for each, _ in found],
    )
    files = {CORE: options.core}
    for _, each in found:
        files.update(each)
    try:
        size = _write(output, manifest, files)
    except OSError as error:
        raise HeapError(f"cannot write {output}: {error.strerror or error}") from error
    print("\n".join(_said(output, size, manifest)))
    return 0


def _modules(target: Target) -> Iterator[tuple[BundledModule, dict[str, str]]]:
    """Yield each module once, and the files of it that go into the bundle, by their places there."""
    debug_files = DebugFiles(target.debug_search(), _cache())
    seen = set()
    for module in target.process.modules:
        if module.path in seen or not module.path.startswith("/"):
            continue
        seen.add(module.path)
        debug = debug_files.symbols_of(module).debug_file
        place = _debug_place(module, debug) if debug else ""
        files = {place: debug} if debug else {}
        if module.file is not None:
            files[_place(ROOT, module.path)] = module.file
        yield BundledModule(module.path, module.build_id, module.file is not None, place), files


def _cache() -> SymbolCache | None:
    kept = cache_directory()
    return SymbolCache(kept) if kept else None


def _debug_place(module: Module, file: str) -> str:
    """Return where a file with debug information is found again: by build-id, else beside its module."""
    if module.build_id:
        return f"{DEBUG}/.build-id/{module.build_id[:2]}/{module.build_id[2:]}.debug"
    return _place(ROOT, f"{os.path.dirname(module.path)}/.debug/{os.path.basename(file)}")


def _place(directory: str, path: str) -> str:
    """Return the place of the core's file in the bundle; nothing of the path leads out of there."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
    return "/".join((directory, *parts))


def _write(path: str, manifest: Manifest, files: dict[str, str]) -> int:
    """Write the bundle, for this user alone; return its size."""
    with open_output(path) as file:
        os.fchmod(file.fileno(), 0o600)
        with gzip.GzipFile("", "wb", _LEVEL, file) as packed, tarfile.TarFile(fileobj=packed, mode="w") as archive:
            text = manifest.text().encode("ascii")
            archive.addfile(_member(NAME, len(text), time.time()), BytesIO(text))
            for place, name in files.items():
                with open_regular(name) as each:
                    status = os.fstat(each.fileno())
                    archive.addfile(_member(place, status.st_size, status.st_mtime), each)
        return file.tell()


def _member(name: str, size: int, written: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(written)
    return member


def _said(path: str, size: int, manifest: Manifest) -> Iterator[str]:
    held = sum(each.held for each in manifest.modules)
    debug = sum(bool(each.debug) for each in manifest.modules)
    of_it = counted(len(manifest.modules), "file")
    yield (
        f"{human_size(size)} in {printable(path)}: the core, {held} of {of_it} that its process had mapped, debug "
        f"information of {debug}"
    )
    lacking = [printable(each.path) for each in manifest.modules if not each.held]
    if lacking:
        yield f"not here, or not the same as then: {', '.join(lacking)}"
    yield (
        "it holds the memory of the process, with its passwords, keys and data: give it only to whom you would give "
        "those"
    )
    yield f"next, where it is to be read: python3 -m gdbheap unpack {shlex.quote(printable(os.path.basename(path)))}"
