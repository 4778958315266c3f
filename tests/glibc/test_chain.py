"""Chains of headers found all at once: the same as one by one, whatever the memory holds; and both as a plain loop
over the bytes has it."""

from __future__ import annotations

import random
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gdbheap.glibc.walk import walk as walks
from gdbheap.glibc.walk.walk import AT_LIMIT, BAD_SIZE, FENCEPOST, Walk, Walker
from gdbheap.machine.machines import machine_of_size
from gdbheap.process.memory import ImageMemory
from support.kernels import kernels as kernels

BASE = 0x10000
NEVER, ALWAYS = 0, 1 << 60
# (word, alignment): x86-64; i386 since glibc 2.26; 32-bit ARM
SHAPES = ((8, 16), (4, 16), (4, 8))

# Words as a heap and the data in it may have them: sizes that fit, in plenty, with all flags; sizes that do not;
# anything.
words = st.lists(
    st.one_of(
        st.builds(lambda units, flags: units * 16 | flags, st.integers(1, 12), st.sampled_from((0, 1, 1, 1, 4, 5))),
        st.builds(lambda units, flags: units * 16 | flags, st.integers(0, 40), st.integers(0, 15)),
        st.sampled_from((0, 1, 8, 9, 0xFFFF_FFF0, 0x7FFF_FFF1)),
    ),
    min_size=8,
    max_size=400,
)


def layout(pointer_size: int, alignment: int) -> Any:
    return SimpleNamespace(
        machine=machine_of_size(pointer_size),
        pointer_size=pointer_size,
        alignment=alignment,
        min_size=max(4 * pointer_size, alignment),
        header=2 * pointer_size,
        has_fastbins=True,
        safe_linking=False,
    )


def plainly(data: bytes, shape: Any, limit: int) -> tuple[list[tuple[int, int]], str, int]:
    """Return the (address, size word) of each chunk from BASE to `limit`, why that ended, and where the next header
    would be."""
    code = "<Q" if shape.pointer_size == 8 else "<I"
    chunks, at = [], 0
    while at < limit - BASE:
        (raw,) = struct.unpack_from(code, data, at + shape.pointer_size)
        size = raw & ~7
        if size < shape.min_size or size % shape.alignment or at + size > limit - BASE:
            return chunks, FENCEPOST if size == 2 * shape.pointer_size else BAD_SIZE, BASE + at
        chunks.append((BASE + at, raw))
        at += size
    return chunks, AT_LIMIT, BASE + at


def walked(monkeypatch: Any, data: bytes, shape: Any, limit: int, close: int, block: int) -> Walk:
    """Walk in blocks of `block` bytes; chunks of less than `close` bytes are found all at once, from the first on."""
    monkeypatch.setattr(walks, "_CLOSE", close)
    monkeypatch.setattr(walks, "BLOCK", block)
    walker = Walker(ImageMemory([(BASE, data)]), shape)
    walker._close_chunks = close == ALWAYS
    return walker.walk(BASE, limit)


def check(data: bytes, shape: Any, limit: int, block: int) -> None:
    chunks, why, end = plainly(data, shape, limit)
    for close in (NEVER, ALWAYS):
        with pytest.MonkeyPatch.context() as monkeypatch:
            walk = walked(monkeypatch, data, shape, limit, close, block)
        assert list(zip(walk.address.tolist(), walk.raw.tolist())) == chunks
        assert (walk.why, walk.end) == (why, end)
        following = struct.Struct("<QQ" if shape.pointer_size == 8 else "<II")
        links = [following.unpack_from(data, address - BASE + 2 * shape.pointer_size) for address, _ in chunks]
        listed = walk.listed.tolist()
        assert list(zip(walk.fd.tolist(), walk.bk.tolist())) == [links[row] for row in listed]
        # A list may hold what the next header calls free, and of a fastbin's size whatever ends a list or leads to
        # where a chunk may be.
        header = 2 * shape.pointer_size
        for row, ((_, raw), (fd, _)) in enumerate(zip(chunks, links)):
            is_free = row + 1 < len(chunks) and not chunks[row + 1][1] & 1
            leads_on = fd == 0 or ((fd + header) % shape.alignment == 0 and fd < 1 << 47)
            assert row in listed or not (is_free or (raw < 12 * header and leads_on))


@pytest.mark.parametrize(("word", "alignment"), SHAPES)
@settings(max_examples=300)
@given(content=words, block=st.sampled_from((256, 512, 1 << 20)), cut=st.integers(0, 30))
@example(content=[0, 33] * 100, block=256, cut=0)
@example(content=[0, 0x61, 0, 0x21, 0, 0, 0, 0x21, 0, 0, 0, 0x21, 0, 0x41] + [0] * 20, block=1 << 20, cut=0)
def test_whatever_the_words_are(word, alignment, content, block, cut):
    shape = layout(word, alignment)
    data = b"".join(each.to_bytes(word, "little") for each in content)
    room = max(len(data) - cut * alignment, alignment) // alignment * alignment
    check(data + bytes(4 * word), shape, BASE + room, block)


@pytest.mark.parametrize(("word", "alignment"), SHAPES)
@pytest.mark.parametrize("seed", range(8))
def test_heaps_whose_blocks_are_full_of_older_headers(word, alignment, seed):
    """Merged chunks keep the headers of those that they were made of: chains as long as they like, which lead back
    into the heap or not."""
    choose = random.Random(seed)
    shape = layout(word, alignment)
    code = "<Q" if word == 8 else "<I"
    data = bytearray(64 << 10)
    for generation in range(6):
        at = 0
        while at < len(data):
            units = choose.choice((1, 1, 2, 3, 8, 200 >> generation if choose.random() < 0.2 else 1))
            size = min(units * shape.min_size, len(data) - at)
            if generation == 0 or choose.random() < 0.4:
                struct.pack_into(code, data, at + word, size | choose.choice((0, 1, 5)))
            at += size
    # What is at the start is a chain; the later generations are the ones that break it or join it.
    check(bytes(data) + bytes(4 * word), shape, BASE + len(data), 4096)
    broken = bytearray(data)
    for _ in range(3):
        struct.pack_into(code, broken, choose.randrange(len(data) // 16) * 16 + word, choose.randrange(1 << 12))
    check(bytes(broken) + bytes(4 * word), shape, BASE + len(data), 4096)
