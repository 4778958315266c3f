"""What `heap check` cannot notice, because nothing in memory tells a right value from a wrong one; the random
corruption of the tests leaves nothing else unseen."""

from __future__ import annotations

# (the field and the wrong values, why nobody can tell)
UNDETECTABLE: tuple[tuple[str, str], ...] = (
    ("the bytes of blocks in use", "they are the program's"),
    (
        "size of a block in use, where it ends at the header of a later block",
        "the block ends where another begins, over blocks in use: the heap is whole",
    ),
    (
        "a fastbin's head, or fd, where the list ends early or skips chunks",
        "the list is shorter: fast chunks that no list holds look like blocks in use",
    ),
    ("an arena's mutex, 1 or 2", "a mutex that is taken"),
    ("have_fastchunks, 1 while there are none", "1 without fast chunks, until the next malloc_consolidate"),
    ("attached_threads, too many", "more threads than there are: a fork by hand leaves it so"),
    ("last_remainder, within the heap", "only compared with a chunk's address, and may be stale"),
    ("next_free of an arena in use", "left over: read only while no thread uses the arena"),
    ("binmap, bits of empty bins", "the bit of an empty bin, cleared when malloc comes to it"),
    ("max_system_mem, max_n_mmaps, max_mmapped_mem, too large", "a maximum that nothing else remembers"),
    (
        "the settings in mp_ (thresholds, top_pad, arena_max, tcache_count, ...), where the value can be set",
        "a setting: it may have been asked for",
    ),
)
