"""Catalogues kept on disk by build-id: columns as they are in memory, compressed. What does not read back as sound
columns is as if it were not there."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from gdbheap.elf.cache import entry_name, file_stamp
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.kept_files import KeptFiles
from gdbheap.elf.types.module_files import debug_files
from gdbheap.lazy import np
from gdbheap.process.process import Module
from gdbheap.types.catalogue import NONE, Catalogue, MemberKind, Storage, TypeKind, Variable
from gdbheap.types.columns import COLUMN_TYPES, LANGUAGES, ColumnTypes, NumbersByName, TypeColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Raise it whenever what is read out of the files, or the form it is kept in, changes.
VERSION = 3
_MAGIC = b"gdbheap's types\n"
_MOST_FILES, _MOST_SIZE = 32, 64 << 20
_MOST_INFLATED = 400 << 20
_LARGEST = 1 << 31
_VARIABLE_COLUMNS = {"name": "i4", "type": "i4", "storage": "i1", "place": "u8", "function": "i4"}


def kept_files(directory: str) -> KeptFiles:
    """Return the files of catalogues in this directory."""
    return KeptFiles(directory, ".types", _MOST_FILES, _MOST_SIZE)


def catalogue_of(
    module: Module, search: DebugSearch, kept: KeptFiles | None = None, progress: Callable[[int], None] | None = None
) -> Catalogue:
    """Return what the debug information of a module says, read anew or kept; an empty one where none is at hand. Does
    not raise."""
    found = load(kept, module) if kept is not None else None
    if found is not None:
        return found
    paths = tuple(debug_files(module, search))
    if not paths:
        return Catalogue()
    from gdbheap.elf.types.scan import scan_files  # brings pyelftools, which what is kept does not need

    found, files = scan_files(paths, search, progress)
    if kept is not None and files:
        store(kept, module, found, [module.file or "", *files])
    return found


def load(kept: KeptFiles, module: Module) -> Catalogue | None:
    """Return the module's catalogue, if the files that it was read from are as they were."""
    data = kept.read(entry_name(module.build_id, module.file, ".types"))
    try:
        return None if data is None else _decoded(data)
    except (ValueError, KeyError, TypeError, IndexError, struct.error, zlib.error, RecursionError):
        return None


def store(kept: KeptFiles, module: Module, catalogue: Catalogue, files: Sequence[str]) -> None:
    """Keep the module's catalogue, which was read from these files."""
    types = catalogue.types
    if not isinstance(types, ColumnTypes) or catalogue.interrupted:
        return
    kept.write(entry_name(module.build_id, module.file, ".types"), _encoded(types.columns, catalogue, files))


def _encoded(types: TypeColumns, catalogue: Catalogue, files: Sequence[str]) -> bytes:
    names = list(types.names)
    numbers = {name: number for number, name in enumerate(names)}
    rows = [
        (
            _number(each.name, names, numbers),
            each.type,
            each.storage,
            each.place,
            _number(each.function, names, numbers),
        )
        for each in catalogue.variables
    ]
    columns = [np.array([row[i] for row in rows], kind) for i, kind in enumerate(_VARIABLE_COLUMNS.values())]
    columns += [getattr(types, name).astype(kind) for name, kind in COLUMN_TYPES.items()]
    texts = [each.encode("utf-8", "surrogatepass") for each in names]
    columns.append(np.array([0, *accumulate(map(len, texts))], "i8"))
    about = {
        "files": [file_stamp(each) for each in files],
        "problems": list(catalogue.problems),
        "counts": [len(each) for each in columns],
    }
    head = json.dumps(about).encode()
    body = zlib.compress(b"".join([*(each.tobytes() for each in columns), *texts]), 1)
    return _MAGIC + struct.pack("<III", VERSION, len(head), zlib.crc32(body)) + head + body


def _number(name: str, names: list[str], numbers: dict[str, int]) -> int:
    number = numbers.get(name)
    if number is None:
        number = numbers[name] = len(names)
        names.append(name)
    return number


def _decoded(data: bytes) -> Catalogue | None:
    start = len(_MAGIC) + 12
    if not data.startswith(_MAGIC):
        return None
    version, length, crc = struct.unpack_from("<III", data, len(_MAGIC))
    if version != VERSION:
        return None
    about = json.loads(data[start : start + length])
    packed = data[start + length :]
    if any(each != file_stamp(str(each[0])) for each in about["files"]) or zlib.crc32(packed) != crc:
        return None
    inflater = zlib.decompressobj()
    body = inflater.decompress(packed, _MOST_INFLATED)
    if not inflater.eof:
        return None
    return _catalogue(about, body)


def _catalogue(about: dict[str, Any], body: bytes) -> Catalogue:
    kinds = [*_VARIABLE_COLUMNS.values(), *COLUMN_TYPES.values(), "i8"]
    columns, place = [], 0
    for kind, count in zip(kinds, about["counts"]):
        _require(isinstance(count, int) and 0 <= count <= len(body))
        columns.append(np.frombuffer(body, kind, count, place))
        place += columns[-1].nbytes
    variables = dict(zip(_VARIABLE_COLUMNS, columns))
    named = dict(zip(COLUMN_TYPES, columns[len(_VARIABLE_COLUMNS) :]))
    names = KeptNames(body[place:], columns[-1])
    types = TypeColumns(names, **named)
    _check(types, names)
    count = len(types)
    _require(_within(variables["name"], 0, len(names)) and _within(variables["function"], 0, len(names)))
    _require(_within(variables["type"], NONE, count) and _within(variables["storage"], 0, len(Storage)))
    found = [
        Variable(names[name], type_, Storage(storage), where, names[function])
        for name, type_, storage, where, function in zip(*(variables[each].tolist() for each in _VARIABLE_COLUMNS))
    ]
    problems = tuple(str(each) for each in about["problems"])
    return Catalogue(ColumnTypes(types), found, problems, NumbersByName(types))


def _check(types: TypeColumns, names: KeptNames) -> None:
    """Raise ValueError unless every number is one that the columns allow."""
    count, members = len(types), len(types.member_name)
    _require(all(len(getattr(types, each)) == count for each in ("name", "size", "target", "count", "language")))
    _require(all(len(getattr(types, f"member_{each}")) == members for each in ("offset", "type", "kind")))
    for starts, end in ((types.members, members), (types.arguments, len(types.argument_type))):
        _require(
            len(starts) == count + 1 and starts[0] == 0 and starts[-1] == end and bool((np.diff(starts) >= 0).all())
        )
    _require(_within(types.kind, 0, len(TypeKind)) and _within(types.member_kind, 0, len(MemberKind)))
    _require(_within(types.language, 0, len(LANGUAGES)))
    for column in (types.name, types.member_name):
        _require(_within(column, 0, len(names)))
    for column in (types.target, types.member_type, types.argument_type):
        _require(_within(column, NONE, count))
    _require(_within(types.size, 0, _LARGEST) and _within(types.count, NONE, _LARGEST))
    _require(_within(types.member_offset, -_LARGEST, _LARGEST))


def _within(column: NDArray[Any], low: int, high: int) -> bool:
    return not len(column) or bool(column.min() >= low and column.max() < high)


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError("it is damaged")


class KeptNames(Sequence[str]):
    """Names that lie one behind the other, each decoded when it is asked for."""

    def __init__(self, texts: bytes, starts: NDArray[np.int64]) -> None:
        _require(len(starts) > 1 and starts[0] == 0 and starts[-1] == len(texts) and bool((np.diff(starts) >= 0).all()))
        self._texts = texts
        self._starts = starts.tolist()

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        first, last = self._starts[number : number + 2]
        return self._texts[first:last].decode("utf-8", "replace")
