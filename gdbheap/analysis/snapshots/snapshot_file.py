"""The file of a snapshot: a header in JSON, then columns, each compressed for itself and with its checksum.

Whatever a file holds, reading it ends in a snapshot or in one HeapError. Writing replaces a file at once or not at all.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator
from io import BufferedReader, BufferedWriter
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.snapshots.snapshot import Snapshot
from gdbheap.errors import HeapError, UsageError
from gdbheap.files import open_new, open_regular
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"gdbheap snapshot\n"
_VERSION = 1
# Behind the magic: version, bytes of the header, their CRC-32.
_START = struct.Struct("<III")
_MOST_HEADER = 16 << 20
# 40 bytes each, once they are inflated: what is compared at once stays within 2.6 GiB.
MOST_BLOCKS = 1 << 26
# zlib makes nothing smaller than by this factor.
_MOST_RATIO = 1100
_COLUMNS = {"address": "<u8", "size": "<u8", "kind": "<u4"}
# What a file may have behind these; one of an earlier gdbheap has none.
_MORE = {"holder": "<u4", "text": "<u8", "more_text": "<u8"}


class _Damaged(Exception):
    """The file is not what it should be; the text says in which way."""


def write_snapshot(snapshot: Snapshot, path: str) -> None:
    """Write the snapshot; UsageError where the file cannot be written. A file that was there stays as it was until
    the new one is whole."""
    pieces, columns = [], []
    for name, column in _columns_of(snapshot):
        piece = zlib.compress(column.tobytes(), 1)
        columns.append({"name": name, "bytes": len(piece), "crc": zlib.crc32(piece)})
        pieces.append(piece)
    described = {
        "facts": snapshot.facts,
        "names": list(snapshot.names),
        "holders": list(snapshot.holders),
        "blocks": len(snapshot),
        "columns": columns,
    }
    header = json.dumps(described, ensure_ascii=True).encode()
    try:
        directory, name = os.path.split(os.path.abspath(path))
        temporary = os.path.join(directory, f".{name}.{os.getpid()}.{time.monotonic_ns()}")
        raw = open_new(temporary)
        try:
            with BufferedWriter(raw) as file:
                file.write(_MAGIC + _START.pack(_VERSION, len(header), zlib.crc32(header)) + header)
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def read_snapshot(path: str, most: int = MOST_BLOCKS) -> Snapshot:
    """Return the file's snapshot; HeapError where it cannot be read or is none, or has more than `most` blocks."""
    header, columns = _read(path, most)
    holder, text = columns.get("holder"), columns.get("text")
    return Snapshot(
        header["facts"],
        tuple(header["names"]),
        columns["address"],
        columns["size"],
        columns["kind"].view(np.int32),
        None if holder is None else holder.view(np.int32),
        tuple(header.get("holders", ())),
        None if text is None else np.stack((text, columns["more_text"]), axis=1),
    )


def read_facts(path: str) -> dict[str, Any]:
    """Return the facts of the file's snapshot, without its blocks; HeapError where it cannot be read or is none."""
    facts: dict[str, Any] = _read(path, None)[0]["facts"]
    return facts


def _columns_of(snapshot: Snapshot) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the columns that are written, as they are stored."""
    for name, kind in _COLUMNS.items():
        yield name, _to_stored(name, getattr(snapshot, name)).astype(kind)
    if snapshot.holder is not None:
        yield "holder", snapshot.holder.astype(_MORE["holder"])
    if snapshot.head is not None:
        yield from zip(("text", "more_text"), snapshot.head.astype(_MORE["text"]).T)


def _read(path: str, most: int | None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        with BufferedReader(open_regular(path)) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(_MAGIC) + _START.size)
            header = _decode_header(start, file, size)
            columns = {} if most is None else _read_columns(file, header, size, most)
    except OSError as error:
        raise HeapError(f"cannot read {path}: {error.strerror}") from error
    except (_Damaged, KeyError, TypeError, ValueError, RecursionError, MemoryError, zlib.error) as error:
        what = error if isinstance(error, _Damaged) else f"it is damaged ({type(error).__name__})"
        raise HeapError(f"{path} is not a readable snapshot: {what}") from error
    return header, columns


def _decode_header(start: bytes, file: Any, size: int) -> dict[str, Any]:
    if not start.startswith(_MAGIC):
        raise _Damaged("it does not begin like one")
    if len(start) < len(_MAGIC) + _START.size:
        raise _Damaged("it ends early")
    version, length, crc = _START.unpack(start[len(_MAGIC) :])
    if version != _VERSION:
        raise _Damaged(f"it is of version {version}, and this gdbheap knows {_VERSION}")
    if length > min(_MOST_HEADER, size):
        raise _Damaged("its header is longer than the file")
    text = file.read(length)
    if len(text) != length:
        raise _Damaged("it ends early")
    if zlib.crc32(text) != crc:
        raise _Damaged("its header has changed since it was written")
    header: dict[str, Any] = json.loads(text)
    names = [*header["names"], *header.get("holders", ())]
    if not isinstance(header["facts"], dict) or not all(isinstance(each, str) for each in names):
        raise _Damaged("its header is of another form")
    return header


def _read_columns(file: Any, header: dict[str, Any], size: int, most: int) -> dict[str, NDArray[Any]]:
    count, described = header["blocks"], header["columns"]
    if not isinstance(count, int) or count < 0:
        raise _Damaged("it counts an impossible number of blocks")
    if count > most:
        raise _Damaged(f"its {count:,} blocks, and those of what it is compared with, are more than {MOST_BLOCKS:,}")
    columns = {}
    for each, name in zip(described, [*_COLUMNS, *(each["name"] for each in described[len(_COLUMNS) :])]):
        kind = {**_COLUMNS, **_MORE}.get(name)
        if kind is None or each["name"] != name or name in columns:
            raise _Damaged(f"its column {name} is of another form")
        columns[name] = _from_stored(name, _read_column(file, each, np.dtype(kind), count, size))
    if not all(name in columns for name in _COLUMNS) or ("text" in columns) != ("more_text" in columns):
        raise _Damaged("columns are missing")
    address = columns["address"]
    if count and ((address[1:] <= address[:-1]).any() or int(columns["kind"].max()) >= len(header["names"])):
        raise _Damaged("its blocks make no sense")
    if count and "holder" in columns and int(columns["holder"].max()) >= len(header.get("holders", ())):
        raise _Damaged("its holders make no sense")
    return columns


def _read_column(file: Any, described: dict[str, Any], kind: np.dtype[Any], count: int, size: int) -> NDArray[Any]:
    """Return one column, as it is stored; `size` is the file's."""
    name, length = described["name"], described["bytes"]
    wanted = count * kind.itemsize
    longest = min(size, wanted + wanted // 1000 + 64)
    if not 0 <= length <= longest or wanted > length * _MOST_RATIO:
        raise _Damaged(f"its column {name} is of another form")
    piece = file.read(length)
    if len(piece) != length:
        raise _Damaged("it ends early")
    if zlib.crc32(piece) != described["crc"]:
        raise _Damaged(f"its column {name} has changed since it was written")
    data = zlib.decompressobj().decompress(piece, wanted) if wanted else b""
    if len(data) != wanted:
        raise _Damaged(f"its column {name} is too short")
    return np.frombuffer(data, kind)


def _to_stored(name: str, column: NDArray[Any]) -> NDArray[np.uint64]:
    """Addresses are kept as the distance from the one before: far fewer different bytes."""
    if name != "address" or not len(column):
        return column
    return np.concatenate((column[:1], np.diff(column)))


def _from_stored(name: str, column: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.cumsum(column, dtype=np.uint64) if name == "address" else column
