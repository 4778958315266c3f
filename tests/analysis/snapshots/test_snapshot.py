"""Snapshots: what differs between them, and files of every kind of damage."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from gdbheap.analysis.snapshots.snapshot import GroupDifference, GroupSurvivors, Snapshot, compare, survivors
from gdbheap.analysis.snapshots.snapshot_file import read_facts, read_snapshot, write_snapshot
from gdbheap.errors import HeapError, UsageError


def snapshot(blocks: dict[int, tuple[int, str]], **facts) -> Snapshot:
    """Make one of {address: (size, what)}."""
    names = tuple(sorted({what for _, what in blocks.values()}))
    rows = sorted(blocks.items())
    return Snapshot(
        {"program": "/bin/p", "pid": 7, **facts},
        names,
        np.array([address for address, _ in rows], np.uint64),
        np.array([size for _, (size, _) in rows], np.uint64),
        np.array([names.index(what) for _, (_, what) in rows], np.int32),
    )


def contents(each: Snapshot) -> dict[int, tuple[int, str]]:
    rows = zip(each.address.tolist(), each.size.tolist(), each.kind.tolist())
    return {address: (size, each.names[kind]) for address, size, kind in rows}


def test_two_snapshots_differ_by_what_came_and_went():
    before = snapshot({0x10: (32, "A"), 0x30: (32, "A"), 0x50: (64, "B"), 0x90: (32, "C")})
    after = snapshot({0x10: (32, "A"), 0x50: (64, "B"), 0x90: (32, "A"), 0x100: (64, "D"), 0x140: (64, "D")})
    assert compare(before, after) == [
        GroupDifference("D", 64, 0, 2, 2, 0),
        GroupDifference("A", 32, 2, 2, 1, 1),
        GroupDifference("B", 64, 1, 1, 0, 0),
        GroupDifference("C", 32, 1, 0, 0, 1),
    ]


def test_a_block_of_another_size_at_the_same_address_is_another_block():
    (small, large) = compare(snapshot({0x10: (32, "A")}), snapshot({0x10: (48, "A")}))
    assert (small, large) == (GroupDifference("A", 48, 0, 1, 1, 0), GroupDifference("A", 32, 1, 0, 0, 1))


def test_three_snapshots_tell_steady_growth_from_warming_up():
    old = {0x10: (32, "A")}
    warm = {0x1000 + 32 * n: (32, "cache") for n in range(50)}
    first = {0x5000 + 64 * n: (64, "leak") for n in range(3)}
    gone = {0x7000: (64, "leak")}
    second = {0x6000 + 64 * n: (64, "leak") for n in range(4)}
    groups = survivors(
        snapshot(old), snapshot({**old, **warm, **first, **gone}), snapshot({**old, **warm, **first, **second})
    )
    assert groups == [
        GroupSurvivors("leak", 64, 0, 3, 4),
        GroupSurvivors("A", 32, 1, 0, 0),
        GroupSurvivors("cache", 32, 0, 50, 0),
    ]
    assert [group.steady_bytes for group in groups] == [192, 0, 0]


def test_empty_snapshots_compare():
    empty, one = snapshot({}), snapshot({0x10: (32, "A")})
    assert compare(empty, empty) == []
    assert compare(empty, one) == [GroupDifference("A", 32, 0, 1, 1, 0)]
    assert survivors(empty, empty, one) == [GroupSurvivors("A", 32, 0, 0, 1)]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Snapshot]:
    choose = random.Random(3)
    blocks = {0x5555_0000 + 16 * n: (16 * choose.randrange(2, 9), choose.choice("ABC")) for n in range(0, 9000, 9)}
    made = snapshot(blocks, time=1.5)
    path = tmp_path / "one.heap"
    write_snapshot(made, str(path))
    return path, made


def test_what_is_written_is_read(written):
    path, made = written
    read = read_snapshot(str(path))
    assert contents(read) == contents(made)
    assert read.facts == made.facts == read_facts(str(path))
    empty = snapshot({})
    write_snapshot(empty, str(path))
    assert contents(read_snapshot(str(path))) == {}


def test_every_cut_file_is_one_clear_error(written):
    path, _ = written
    data = path.read_bytes()
    for length in [*range(700), *range(700, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(HeapError, match="is no snapshot that can be read: "):
            read_snapshot(str(path))


def test_every_changed_byte_is_noticed(written):
    path, _ = written
    data = path.read_bytes()
    choose = random.Random(4)
    print("seed 4")
    for _ in range(1500):
        at = choose.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << choose.randrange(8)]) + data[at + 1 :])
        with pytest.raises(HeapError, match="is no snapshot that can be read: "):
            read_snapshot(str(path))


def test_other_files_are_one_clear_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(HeapError, match="it is no regular file"):
            read_snapshot(str(path))
    with pytest.raises(HeapError, match=r"cannot read .*: No such file or directory"):
        read_snapshot(str(tmp_path / "none"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(written, monkeypatch):
    path, made = written

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UsageError, match="No space left on device"):
        write_snapshot(snapshot({}), str(path))
    assert contents(read_snapshot(str(path))) == contents(made)
    assert [each.name for each in path.parent.iterdir()] == ["one.heap"]
