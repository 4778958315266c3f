"""Damage to files, from a seed: bytes, words and lengths that whoever wants a reader to stumble would try."""

from __future__ import annotations

import json
import random
import struct
import zlib
from typing import Any

NUMBERS = (
    *(0, 1, 2, 7, 8, 16, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    *(1 << 32, 1 << 40, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 8, (1 << 64) - 1),
)
JSON_JUNK = (None, True, "", "x" * 5000, "\0\x1b[31m\u202e", [], {}, [[]], -1, 1e308, float("nan"), 10**400, *NUMBERS)


def damaged(chance: random.Random, data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return the data with a few bytes, words or runs in these spans [start, end) changed; now and then it ends
    early, or goes on."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        start, end = chance.choice(spans)
        at = chance.randrange(start, max(end, start + 1))
        kind = chance.randrange(6)
        if kind == 0:
            result[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            width = chance.choice((2, 4, 8))
            at -= (at - start) % width
            result[at : at + width] = (chance.choice(NUMBERS) & (1 << 8 * width) - 1).to_bytes(width, "little")
        elif kind == 2:
            result[at : at + 1] = bytes([result[at] ^ 1 << chance.randrange(8)]) if at < len(result) else b""
        elif kind == 3:
            run = chance.randrange(1, 64)
            result[at : at + run] = bytes([chance.choice((0, 0x41, 0xFF))]) * run
        elif kind == 4:
            other, _ = chance.choice(spans)
            result[at : at + 16] = result[other : other + 16]
        else:
            at -= at % 8
            old = int.from_bytes(result[at : at + 8], "little")
            result[at : at + 8] = (old + chance.choice((-4096, -16, -1, 1, 8, 4096)) & (1 << 64) - 1).to_bytes(
                8, "little"
            )
    if chance.random() < 0.1:
        del result[chance.randrange(len(result)) :]
    return bytes(result)


def damaged_json(chance: random.Random, value: Any) -> Any:
    """Return the value with one of its parts, at any depth, changed, gone or doubled."""
    places = list(_places(value, ()))
    path = chance.choice(places)
    if not path:
        return chance.choice(JSON_JUNK)
    result = json.loads(json.dumps(value))
    part = result
    for key in path[:-1]:
        part = part[key]
    old, kind = part[path[-1]], chance.randrange(5)
    if kind == 0:
        del part[path[-1]]
    elif kind == 1 and isinstance(old, int):
        part[path[-1]] = old + chance.choice((-16, -1, 1, 8, 4096))
    elif kind == 2 and isinstance(part, list):
        part.insert(0, old)
    else:
        part[path[-1]] = chance.choice(JSON_JUNK)
    return result


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*path, key))


def damaged_snapshot(chance: random.Random, data: bytes) -> bytes:
    """Return a snapshot with damage behind right checksums, or in front of them."""
    magic = len(b"gdbheap snapshot\n")
    version, length, _ = struct.unpack_from("<III", data, magic)
    header, at = json.loads(data[magic + 12 : magic + 12 + length]), magic + 12 + length
    if chance.random() < 0.3:
        return damaged(chance, data, [(0, magic + 12 + length), (magic + 12 + length, len(data))])
    pieces = []
    for column in header["columns"]:
        piece = zlib.decompress(data[at : at + column["bytes"]])
        at += column["bytes"]
        piece = damaged(chance, piece, [(0, len(piece))]) if chance.random() < 0.5 else piece
        packed = zlib.compress(piece)
        column.update(bytes=len(packed), crc=zlib.crc32(packed))
        pieces.append(packed)
    if chance.random() < 0.7:
        header = damaged_json(chance, header)
    text = json.dumps(header).encode()
    return data[:magic] + struct.pack("<III", version, len(text), zlib.crc32(text)) + text + b"".join(pieces)
