"""Whether the reason that heap predict gives for one call is borne out: by the free lists and tops before and behind
it, and by the kernel's mappings."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """One call: what there was before and behind it, the chunk that it returned, and the chunk that it was given (-2
    words: none). Of an `aligned` one the chunk that is returned may begin within the one that was found."""

    before: dict
    after: dict
    lwp: int
    pointer_size: int
    returned: int
    given: int
    aligned: bool

    def is_returned(self, chunk: int) -> bool:
        return chunk == self.returned or (self.aligned and chunk < self.returned)

    def tcache(self, when: dict, index: str) -> list[int]:
        """The thread's list of this index, the next one taken first."""
        return self._list(when, lambda row: (row["kind"], row["thread"]) == ("tcache", self.lwp), index)

    def lists(self, when: dict, kinds: tuple[str, ...], index: str) -> list[list[int]]:
        """The lists of this index in each arena."""
        rows = [row for row in when["bins"] if row["kind"] in kinds and row["index"] == int(index)]
        return [[int(chunk, 16) for chunk in row["chunks"]] for row in rows]

    def _list(self, when: dict, fits, index: str) -> list[int]:
        rows = [row for row in when["bins"] if fits(row) and row["index"] == int(index)]
        return [int(chunk, 16) for row in rows for chunk in row["chunks"]]


def tops(when: dict) -> list[int]:
    return [int(row["top"], 16) for row in when["arenas"]]


def mapped(when: dict, address: int) -> bool:
    return any(start <= address < end for start, end in when["maps"])


def from_tcache(scene: Scene, index: str) -> bool:
    return scene.returned in scene.tcache(scene.before, index) and scene.returned not in scene.tcache(
        scene.after, index
    )


def first_of(scene: Scene, kinds: tuple[str, ...], index: str) -> bool:
    return any(each and scene.is_returned(each[0]) for each in scene.lists(scene.before, kinds, index))


def from_bin(scene: Scene, index: str, chunk: str) -> bool:
    """The chunk came from this list, or malloc sorted it into this bin first."""
    listed = [
        each
        for number in (index, "1")
        for found in scene.lists(scene.before, ("unsorted", "small", "large"), number)
        for each in found
    ]
    found = int(chunk, 16)
    return scene.is_returned(found) and (found in listed or freed_since(scene))


def freed_since(scene: Scene) -> bool:
    """Whether there were fastbin chunks, which malloc may have merged, or a block to be given back first
    (realloc's)."""
    return any(row["kind"] == "fastbin" for row in scene.before["bins"])


def split_of(scene: Scene, index: str, chunk: str) -> bool:
    """... and its rest is unsorted, unless memalign has given back more of it, which the rest was merged with."""
    behind = [each for found in scene.lists(scene.after, ("unsorted",), "1") for each in found]
    return from_bin(scene, index, chunk) and (scene.aligned or any(each > scene.returned for each in behind))


def from_top(scene: Scene) -> bool:
    gone = set(tops(scene.before)) - set(tops(scene.after))
    new_arena = len(scene.after["arenas"]) > len(scene.before["arenas"])
    return any(scene.is_returned(top) for top in gone) or new_arena or freed_since(scene)


def newly_mapped(scene: Scene, size: str) -> bool:
    at = scene.returned
    return not mapped(scene.before, at) and all(mapped(scene.after, each) for each in (at, at + int(size, 16) // 2))


def remapped(scene: Scene, size: str) -> bool:
    """The block is mapped up to the new size, and its old place, if it has moved, is free."""
    end = (scene.returned & -4096) + int(size, 16) - 1
    stays = scene.returned == scene.given
    return mapped(scene.after, end) and (stays or not mapped(scene.after, scene.given))


def freed_into_list(scene: Scene, kind: str, index: str) -> bool:
    found = scene.lists(scene.after, (kind,), index)
    return scene.given in [each[0] for each in found if each]


def freed_into_bin(scene: Scene, index: str) -> bool:
    """The block, or what it was merged into, is in the list now."""
    before = {each for found in scene.lists(scene.before, ("unsorted", "small"), index) for each in found}
    after = [each for found in scene.lists(scene.after, ("unsorted", "small"), index) for each in found]
    return any(each <= scene.given for each in after if each not in before) or scene.given >= min(after)


def freed_to_top(scene: Scene) -> bool:
    return any(top <= scene.given for top in tops(scene.after)) and tops(scene.before) != tops(scene.after)


REASONS = {
    r"tcache\[(\d+)\]": from_tcache,
    r"fastbin\[(\d+)\]": lambda scene, index: first_of(scene, ("fastbin",), index),
    r"small\[(\d+)\]": lambda scene, index: first_of(scene, ("small",), index),
    r"unsorted chunk (0x\w+)": lambda scene, chunk: from_bin(scene, "1", chunk),
    r"split of last_remainder at (0x\w+)": lambda scene, chunk: split_of(scene, "1", chunk),
    r"(?:unsorted|small|large)\[(\d+)\]: chunk (0x\w+)": from_bin,
    r"(?:unsorted|small|large)\[(\d+)\]: chunk (0x\w+), split": split_of,
    r"top": from_top,
    r"mmap of (0x\w+)": newly_mapped,
    r"mremap to (0x\w+)": remapped,
    r"to tcache\[(\d+)\]": lambda scene, index: scene.given in scene.tcache(scene.after, index),
    r"to fastbin\[(\d+)\]": lambda scene, index: freed_into_list(scene, "fastbin", index),
    r"to (?:unsorted|small|large)\[(\d+)\]": freed_into_bin,
    r"to top": freed_to_top,
    r"munmap of (0x\w+)": lambda scene, size: not mapped(scene.after, scene.given),
    r"as it is|in place(?:, into (?:top|the next chunk))?": lambda scene: scene.returned == scene.given,
}


def reason_holds(row: dict, scene: Scene, shown: str) -> bool:
    """Assert that the row's source is what the scene shows; return whether the row gives one that shows."""
    source = row["source"].removeprefix("copy to ")
    for pattern, holds in REASONS.items():
        match = re.fullmatch(pattern, source)
        if match is not None:
            assert holds(scene, *match.groups()), (
                f"{source}: {scene.returned:#x}, "
                f"{scene.given:#x}\n{scene.before['bins']}\n{scene.after['bins']}\n{shown}"
            )
            return True
    assert not source or source.startswith(("top, after", "unsorted, by way")), shown
    return False
