"""Snapshots: what differs between them, and files of every kind of damage."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gdbheap.analysis.snapshots.snapshot import GroupDifference, GroupSurvivors, Snapshot, compare, survivors
from gdbheap.analysis.snapshots.snapshot_file import read_facts, read_snapshot, write_snapshot
from gdbheap.errors import HeapError, UsageError

ROOT = Path(__file__).parents[3]


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
        with pytest.raises(HeapError, match="is not a readable snapshot: "):
            read_snapshot(str(path))


def test_every_changed_byte_is_noticed(written):
    path, _ = written
    data = path.read_bytes()
    choose = random.Random(4)
    print("seed 4")
    for _ in range(1500):
        at = choose.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << choose.randrange(8)]) + data[at + 1 :])
        with pytest.raises(HeapError, match="is not a readable snapshot: "):
            read_snapshot(str(path))


def test_other_files_are_one_clear_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(HeapError, match="it is not a regular file"):
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


# Makes a snapshot of so many blocks, all alike, in well under a byte a block: argv is BLOCKS FILE.
BOMB = r"""
import json, struct, sys, zlib

def column(word, count):
    packer, block, left = zlib.compressobj(9), word * (1 << 17), len(word) * count
    while left > 0:
        yield packer.compress(block[:left])
        left -= len(block)
    yield packer.flush()

count = int(sys.argv[1])
words = {"address": b"\x20" + bytes(7), "size": b"\x20" + bytes(7), "kind": bytes(4)}
packed = {name: b"".join(column(word, count)) for name, word in words.items()}
columns = [{"name": name, "bytes": len(data), "crc": zlib.crc32(data)} for name, data in packed.items()]
header = json.dumps({"facts": {}, "names": ["x"], "blocks": count, "columns": columns}).encode()
start = b"gdbheap snapshot\n" + struct.pack("<III", 1, len(header), zlib.crc32(header))
with open(sys.argv[2], "wb") as file:
    file.write(start + header + b"".join(packed.values()))
"""
# Compares snapshots in so many bytes of memory: argv is BYTES FILE FILE.
COMPARE = """
import resource, sys
from gdbheap.__main__ import main
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(main(["diff", *sys.argv[2:]]))
"""


def compared(bytes_of_memory, *paths):
    words = [sys.executable, "-c", COMPARE, str(bytes_of_memory), *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def test_a_bomb_is_compared_in_little_more_memory_than_its_blocks_take(tmp_path):
    """bomb: 0.2 MB that are inflated to 6,000,000 blocks of 20 bytes, twice; to compare them took eight times as
    much."""
    subprocess.run([sys.executable, "-c", BOMB, "6000000", tmp_path / "bomb"], check=True)
    assert (tmp_path / "bomb").stat().st_size < 200_000
    result = compared(800 << 20, tmp_path / "bomb", tmp_path / "bomb")
    assert (result.returncode, result.stderr) == (0, "")
    assert "6,000,000 blocks" in result.stdout and "nothing has changed" in result.stdout
    result = compared(400 << 20, *3 * [tmp_path / "bomb"])
    assert (result.returncode, result.stderr.count("\n"), "Traceback" in result.stderr) == (1, 1, False)


def test_more_blocks_than_can_be_compared_are_refused_before_they_are_inflated(tmp_path):
    write_snapshot(snapshot({0x1000: (32, "a"), 0x2000: (48, "b")}), str(tmp_path / "one"))
    with pytest.raises(
        HeapError, match=r"its 2 blocks, and those of what it is compared with, are more than 67,108,864"
    ):
        read_snapshot(str(tmp_path / "one"), most=1)
