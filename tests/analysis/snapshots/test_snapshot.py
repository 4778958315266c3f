"""Snapshots: what differs between them, and files of every kind of damage."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gdbheap.analysis.snapshots.growth import Example, HolderGrowth, examples, holder_growth
from gdbheap.analysis.snapshots.snapshot import (
    HEAD,
    GroupDifference,
    GroupSurvivors,
    Snapshot,
    came,
    compare,
    survivors,
    text_heads,
)
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


def test_a_heap_in_which_no_block_is_in_use_has_a_snapshot_too():
    assert text_heads(np.zeros((0, HEAD // 8), np.uint64)).shape == text_heads(np.zeros((0, HEAD // 4), "u4")).shape


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
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)


def test_a_bomb_is_compared_in_little_more_memory_than_its_blocks_take(tmp_path):
    """bomb: 0.2 MB that are inflated to 6,000,000 blocks of 20 bytes, twice; to compare them took eight times as
    much."""
    subprocess.run([sys.executable, "-c", BOMB, "6000000", tmp_path / "bomb"], check=True)
    assert (tmp_path / "bomb").stat().st_size < 200_000
    result = compared(800 << 20, tmp_path / "bomb", tmp_path / "bomb")
    assert (result.returncode, result.stderr) == (0, "")
    assert "6,000,000 blocks" in result.stdout and "nothing has changed" in result.stdout
    result = compared(400 << 20, *3 * [tmp_path / "bomb"])
    assert (result.returncode, result.stderr.count("\n"), "Traceback" in result.stderr) == (2, 1, False)


def test_more_blocks_than_can_be_compared_are_refused_before_they_are_inflated(tmp_path):
    write_snapshot(snapshot({0x1000: (32, "a"), 0x2000: (48, "b")}), str(tmp_path / "one"))
    with pytest.raises(
        HeapError, match=r"its 2 blocks, and those of what it is compared with, are more than 67,108,864"
    ):
        read_snapshot(str(tmp_path / "one"), most=1)


def held_snapshot(blocks: dict[int, tuple[int, str, str]], **facts) -> Snapshot:
    """Make one of {address: (size, what, holder)} ("": lost)."""
    plain = snapshot({address: (size, what) for address, (size, what, _) in blocks.items()}, **facts)
    holders = tuple(sorted({holder for _, _, holder in blocks.values()}))
    numbers = [holders.index(blocks[address][2]) for address in plain.address.tolist()]
    head = np.zeros((len(plain), 2), np.uint64)
    return replace(plain, holder=np.array(numbers, np.int32), holders=holders, head=head)


def test_a_row_has_an_example_that_came_and_its_holder_and_how_much_that_one_grew():
    before = held_snapshot({0x10: (32, "A", "cache"), 0x30: (32, "A", "")})
    after = held_snapshot(
        {0x10: (32, "A", "cache"), 0x50: (32, "A", ""), 0x70: (32, "A", "queue"), 0x90: (32, "A", "queue")}
    )
    new = came(before, after)
    assert examples(after, new) == {("A", 32): Example(0x70, "queue", "")}
    assert examples(after, np.zeros(len(after), np.bool_))["A", 32].holder == "queue"
    assert holder_growth((before, after), new) == [HolderGrowth("queue", 64, 2, "A", 2)]


def test_one_array_that_was_made_anew_says_less_of_a_holder_than_what_came_with_it():
    """Unless it is most of what came."""
    queue = {0x100 * n: (96, "char[]", "queue") for n in range(1, 11)}
    jobs = {0x10000 * n: (64, "Job", "jobs") for n in range(1, 4)}
    after = held_snapshot(
        {**queue, 0x90000: (900, "Job[]", "queue"), **jobs, 0xA0000: (4000, "Job[]", "jobs"), 0xB0000: (32, "A", "one")}
    )
    before = held_snapshot({0x90: (32, "B", "queue")})
    grown = {each.holder: (each.what, each.count) for each in holder_growth((before, after), came(before, after))}
    assert grown == {"queue": ("char[]", 10), "jobs": ("Job[]", 1), "one": ("A", 1)}


def test_of_three_snapshots_the_holders_that_grew_in_both_intervals_come_first():
    sizes = {"warmed up": (0, 900, 900), "steady": (100, 150, 180), "late": (50, 50, 800), "shrunk": (50, 10, 90)}
    taken = [
        held_snapshot({0x1000 * n: (each[at], "A", name) for n, (name, each) in enumerate(sizes.items()) if each[at]})
        for at in range(3)
    ]
    grown = holder_growth(taken, came(taken[0], taken[2]))
    assert [(each.holder, each.bytes, each.steady) for each in grown] == [
        ("steady", 80, 30),
        ("warmed up", 900, 0),
        ("late", 750, 0),
        ("shrunk", 40, 0),
    ]


def test_a_snapshot_without_holders_has_examples_alone():
    after = snapshot({0x10: (32, "A")})
    assert examples(after, np.ones(1, np.bool_)) == {("A", 32): Example(0x10, None, "")}
    assert holder_growth((after, after), np.zeros(1, np.bool_)) == []


def test_holders_and_text_are_kept_in_the_file(tmp_path):
    path = str(tmp_path / "one.heap")
    head = np.frombuffer(b"some text that i" + bytes(16), np.uint64).reshape(2, 2)
    one = replace(held_snapshot({0x10: (32, "text", "log"), 0x30: (32, "A", "")}), head=head)
    write_snapshot(one, path)
    back = read_snapshot(path)
    assert back.holder is not None and back.head is not None
    assert [back.holders[number] for number in back.holder.tolist()] == ["log", ""]
    assert examples(back, np.ones(2, np.bool_))["text", 32] == Example(0x10, "log", "some text that i")


def test_a_file_of_an_earlier_gdbheap_opens(tmp_path):
    """It has three columns and no holders."""
    path = str(tmp_path / "old.heap")
    write_snapshot(snapshot({0x10: (32, "A"), 0x30: (48, "B")}), path)
    data = Path(path).read_bytes()
    assert b'"holders": []' in data and b'"more_text"' not in data
    assert contents(read_snapshot(path)) == {0x10: (32, "A"), 0x30: (48, "B")}
    assert read_snapshot(path).holder is None


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["same", "same"], 0),
        (["before", "after"], 1),
        (["after", "before"], 0),
        (["before", "after", "--fail-over", "32"], 0),
        (["before", "after", "--fail-over", "31"], 1),
        (["before", "after", "--fail-over", "1k"], 0),
        (["before", "before", "after"], 0),
        (["before", "nowhere"], 2),
        (["before"], 2),
        (["before", "after", "--fail-over", "much"], 2),
    ],
)
def test_the_exit_status_is_that_of_diff(tmp_path, monkeypatch, words, status):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    place = tmp_path / "gdbheap" / "snapshots"
    place.mkdir(parents=True)
    before, after = {0x10: (32, "A")}, {0x10: (32, "A"), 0x30: (32, "A")}
    for name, blocks in (("same", before), ("before", before), ("after", after)):
        write_snapshot(snapshot(blocks), str(place / f"{name}.heap"))
    done = subprocess.run(
        [sys.executable, "-m", "gdbheap", "diff", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == status, done.stderr
    assert bool(done.stderr) == (status == 2)
