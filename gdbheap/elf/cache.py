"""What was read out of a module's files, kept on disk, so that the next gdb does not parse again.

One JSON file for each module, named by build-id (or by path, size and time where there is none). An entry is good
only for the very files it was read from. What does not read back as a sound entry is treated as absent: the
directory may hold anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from gdbheap.elf.kept_files import KeptFiles
from gdbheap.process.cstruct import MAX_STRUCT, CStruct, Field
from gdbheap.process.symbols import ModuleSymbols, Symbol

# Raise it whenever what is read out of the files, or the form it is kept in, changes.
VERSION = 7
MAX_ENTRIES = 64
MAX_ENTRY_SIZE = 1 << 18
MAX_ITEMS = 2_000


def cache_directory() -> str | None:
    """Return gdbheap's cache directory (it need not exist), or None where there is no home to have one in."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return os.path.join(base, "gdbheap", "symbols")


def file_stamp(path: str) -> list[Any]:
    """Return what changes when the file does: [path, size, mtime in ns]; size -1 where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return [path, -1, 0]
    return [path, status.st_size, status.st_mtime_ns]


def entry_name(build_id: str, file: str | None, suffix: str = ".json") -> str:
    """Return the file name of a module's entry: by build-id, else by the file's path and stamp."""
    text = build_id or json.dumps(file_stamp(file or ""))
    return hashlib.sha256(f"{text}\0{file or ''}".encode("utf-8", "surrogateescape")).hexdigest()[:40] + suffix


class SymbolCache:
    """Entries in `directory`; all failures to read or write are silent, for the cache is only ever a shortcut."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._files = KeptFiles(directory, ".json", MAX_ENTRIES, MAX_ENTRY_SIZE)

    def load(self, name: str) -> tuple[ModuleSymbols, dict[str, Any]] | None:
        """Return the entry and the `about` it was stored with, or None."""
        data = self._files.read(name)
        if data is None:
            return None
        try:
            entry = json.loads(data)
            if entry["version"] != VERSION or not isinstance(entry["about"], dict):
                return None
            return _decode(entry["module"]), entry["about"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def store(self, name: str, module: ModuleSymbols, about: Mapping[str, Any]) -> None:
        """Keep `module`. The oldest entries beyond the bound go."""
        data = json.dumps({"version": VERSION, "about": dict(about), "module": _encode(module)}).encode()
        self._files.write(name, data)


def _encode(module: ModuleSymbols) -> dict[str, Any]:
    return {
        "build_id": module.build_id,
        "symbols": {name: [each.value, each.size, each.tls] for name, each in module.symbols.items()},
        "structs": {
            name: [each.size, [[f.name, f.offset, f.size, f.count] for f in each.fields.values()]]
            for name, each in module.structs.items()
        },
        "library_file": module.library_file,
        "debug_file": module.debug_file,
        "glibc": module.version,
        "texts": None if module.texts is None else sorted(module.texts),
        "missing": list(module.missing),
    }


def _decode(entry: Any) -> ModuleSymbols:
    """Return the module's symbols; raise ValueError, KeyError or TypeError if anything is not as _encode() writes
    it."""
    symbols = {
        _text(name): Symbol(_number(value), _number(size), tls is True)
        for name, (value, size, tls) in _items(entry["symbols"])
    }
    structs = {}
    for name, (size, members) in _items(entry["structs"]):
        fields = {_text(member): _field(_text(member), *numbers) for member, *numbers in _list(members)}
        structs[_text(name)] = CStruct(_text(name), _number(size), fields)
        if size > MAX_STRUCT or any(each.offset + each.size > size for each in fields.values()):
            raise ValueError(name)
    return ModuleSymbols(
        build_id=_text(entry["build_id"]),
        symbols=symbols,
        structs=structs,
        library_file=_text(entry["library_file"]),
        debug_file=_text(entry["debug_file"]),
        version=_text(entry["glibc"]),
        texts=None if entry["texts"] is None else frozenset(_text(each) for each in _list(entry["texts"])),
        missing=tuple(_text(each) for each in _list(entry["missing"])),
    )


def _field(name: str, offset: Any, size: Any, count: Any) -> Field:
    if _number(count) == 0 or _number(size) == 0 or size % count:
        raise ValueError(name)
    return Field(name, _number(offset), size, count)


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise ValueError(value)
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError(value)
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise ValueError("not a list")
    return value


def _items(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise ValueError("not an object")
    return list(value.items())
