"""Stacks for other viewers: folded text, and pprof's profile read back by a decoder of its own."""

from __future__ import annotations

import gzip

import pytest

from gdbheap.errors import UsageError
from gdbheap.report.profiles import encode_pprof, write_folded, write_pprof

STACKS = [(("server", "server->sessions", "Session"), (3_000_000_000, 11_000)), (("cache",), (48, 1))]
VALUES = (("space", "bytes"), ("blocks", "count"))


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return (number, value) of each field of a message: an int, or the bytes of what has a length."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            found.append((key >> 3, data[at : at + value]))
            at += value
        else:
            assert key & 7 == 0
            found.append((key >> 3, value))
    return found


def packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


def decoded(data: bytes) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Return the samples by the names of their functions, outermost first, as profile.proto has them."""
    profile = fields(data)
    strings = [value.decode() for number, value in profile if number == 6]
    assert strings[0] == ""
    functions = {dict(fields(value))[1]: strings[dict(fields(value))[2]] for number, value in profile if number == 5}
    locations = {}
    for number, value in profile:
        if number == 4:
            location = dict(fields(value))
            locations[location[1]] = functions[dict(fields(location[4]))[1]]
    kinds = [dict(fields(value)) for number, value in profile if number == 1]
    assert [(strings[kind[1]], strings[kind[2]]) for kind in kinds] == list(VALUES)
    assert strings[dict(profile)[14]] == VALUES[0][0]
    samples = [dict(fields(value)) for number, value in profile if number == 2]
    return [
        (tuple(locations[each] for each in reversed(packed(sample[1]))), tuple(packed(sample[2]))) for sample in samples
    ]


def test_a_profile_holds_the_stacks(tmp_path):
    assert decoded(encode_pprof(STACKS, VALUES)) == STACKS
    write_pprof(str(tmp_path / "profile"), STACKS, VALUES)
    assert decoded(gzip.decompress((tmp_path / "profile").read_bytes())) == STACKS


def test_an_empty_profile_is_one():
    assert decoded(encode_pprof([], VALUES)) == []


def test_folded_stacks_are_a_line_each_whatever_names_hold(tmp_path):
    path = tmp_path / "folded"
    write_folded(str(path), [*STACKS, (("a;b", "c\nd"), (7, 1))])
    assert path.read_text().splitlines() == [
        "server;server->sessions;Session 3000000000",
        "cache 48",
        r"a:b;c\nd 7",
    ]


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(UsageError, match=r"cannot write .*: Is a directory"):
        write_folded(str(tmp_path), STACKS)
