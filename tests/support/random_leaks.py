"""What fixtures/programs/leaks_random.cc records of its graphs of blocks, and the verdicts that follow from it, by
plain searches.

Valgrind's rules (its manual, "Memory leak detection"): still reachable is what pointers to starts lead to from a
root (or pointers to an inside that a heuristic takes), possibly lost what only a chain with another pointer to an
inside in it leads to, and the rest is lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_MAGIC = 0x6865617073656564
_BLOCK = np.dtype([("address", "<u8"), ("size", "<u8"), ("usable", "<u8"), ("shape", "<u8")])
_WORD = np.dtype([("place", "<u8"), ("value", "<u8"), ("found", "<u8")])
# As in the program.
_UNWRITTEN, _STRING, _LENGTH, _ARRAY, _BASES, _FREED = 1, 2, 3, 4, 5, 7
_ROOT = -1
# MALLOC_ALIGNMENT, in 32 bits too (from glibc 2.26 on).
_ALIGNMENT = 16
# By turns, as the program itself asks Valgrind.
HEURISTICS = ("all", "none", "stdstring", "length64", "newarray", "multipleinheritance")


def heuristics_of(seed: int) -> str:
    """Return the heuristics that are asked for with this seed's graph."""
    return HEURISTICS[seed % len(HEURISTICS)]


@dataclass(frozen=True)
class Block:
    """`number` is the generator's, the same in every run; `size` was asked for, `usable` is what malloc says."""

    number: int
    start: int
    size: int
    usable: int
    shape: int


@dataclass(frozen=True)
class Round:
    """One graph: the blocks that are not freed, in order of address, and the words (place, value), where place 0 is a
    root's.

    `written` are the words that the program wrote, `found` those that it found in blocks which it has not written.
    """

    seed: int
    pointer_size: int
    blocks: list[Block]
    written: list[tuple[int, int]]
    found: list[tuple[int, int]]


def read_rounds(data: bytes, pointer_size: int) -> list[Round]:
    """Return the graphs that the program's output tells of; `word` is the size of its pointers."""
    rounds, at = [], 0
    while at < len(data):
        magic, seed, count, words = np.frombuffer(data, "<u8", 4, at).tolist()
        assert magic == _MAGIC
        records = np.frombuffer(data, _BLOCK, count, at + 32)
        at += 32 + records.nbytes
        values = np.frombuffer(data, _WORD, words, at)
        at += values.nbytes
        blocks = [
            Block(number, start, size, usable, shape)
            for number, (start, size, usable, shape) in enumerate(
                zip(
                    _shown(records["address"], pointer_size),
                    *(records[name].tolist() for name in ("size", "usable", "shape")),
                )
            )
            if shape != _FREED
        ]
        pairs = list(zip(_shown(values["place"], pointer_size), _shown(values["value"], pointer_size)))
        found = values["found"].tolist()
        split = [[pair for pair, each in zip(pairs, found) if each == kind] for kind in (0, 1)]
        rounds.append(Round(seed, pointer_size, sorted(blocks, key=lambda block: block.start), *split))
    return rounds


def _shown(values: np.ndarray, pointer_size: int) -> list[int]:
    half = 24 if pointer_size == 8 else 16
    return ((values & (1 << 40) - 1) << half | values >> 40).tolist()


class Graph:
    """The pointers of a round among its blocks, which are `exact`ly as large as was asked for (so Valgrind sees
    them) or as malloc made them. Blocks are told by their place in order of address. `with_unwritten`: words in
    blocks that the program left as malloc gave them count."""

    def __init__(
        self,
        round_: Round,
        exact: bool,
        heuristics: str,
        with_unwritten: bool = True,
        others: int = 0,
        doubted: Collection[int] = (),
    ) -> None:
        self.blocks = round_.blocks
        self._pointer_size = round_.pointer_size
        # Blocks, by address, that may be stacks for signals.
        self._doubted = [number for number, block in enumerate(round_.blocks) if block.start in doubted]
        self._chosen = HEURISTICS[2:] if heuristics == "all" else (heuristics,)
        # gdbheap's own, which Valgrind has not.
        self._headers: set[tuple[int | None, int]] = set()
        self._kept_starts: set[tuple[int, int]] = set()
        self._starts = [block.start for block in round_.blocks]
        self._ends = [block.start + (max(block.size, 1) if exact else block.usable) for block in round_.blocks]
        self.strong: dict[int, set[int]] = {}
        self.any: dict[int, set[int]] = {}
        self._to_start: set[tuple[int, int]] = set()
        # What was written last at a place is what stands there.
        words = [*({place: value for place, value in round_.written if place}).items()]
        words += [(0, value) for place, value in round_.written if not place]
        pointers = []
        for place, value in [*words, *round_.found]:
            source = self._find(place) if place else _ROOT
            target = self._find(value)
            assert source is not None
            if target is not None:
                pointers.append((source, target, value - self._starts[target]))
                if source == target and value == self._starts[target]:
                    self._kept_starts.add((target, place - value))
        if heuristics == "all" and not exact:
            self._headers = self._find_headers(pointers, others)
        else:
            self._kept_starts.clear()
        for source, target, offset in pointers:
            if with_unwritten or source == _ROOT or self.blocks[source].shape != _UNWRITTEN:
                self.any.setdefault(source, set()).add(target)
                if offset == 0 and source != target:
                    self._to_start.add((source, target))
                if self._is_strong(target, offset):
                    self.strong.setdefault(source, set()).add(target)

    def _find_headers(self, pointers: list[tuple[int, int, int]], others: int) -> set[tuple[int | None, int]]:
        """Return (None, offset) where a quarter of all blocks to whose start nobody else points, or half of what
        these leave, and (usable size, offset) where half of those of this size, have their nearest pointer there;
        16 and more of them, `others` among them that are not the program's own (libc's and libstdc++'s)."""
        nearest: dict[int, int] = {}
        for source, target, offset in pointers:
            if source != target:
                nearest[target] = min(nearest.get(target, offset), offset)
        inside = {target: offset for target, offset in nearest.items() if offset}
        whole = {target: offset for target, offset in inside.items() if offset % self._pointer_size == 0}
        counts = Counter(whole.values())
        counts.update(dict.fromkeys(counts, others))
        of_all: set[int] = set()
        fresh = {offset for offset, count in counts.items() if count >= max(16, len(inside) / 4)}
        while fresh:
            of_all |= fresh
            rest = len(inside) - sum(counts[offset] for offset in of_all)
            fresh = {offset for offset, count in counts.items() if count >= max(16, rest / 2)} - of_all
        sizes = Counter(self.blocks[target].usable for target in inside)
        kinds = Counter(
            (self.blocks[target].usable, offset)
            for target, offset in whole.items()
            if offset not in of_all and offset <= (self.blocks[target].usable + self._pointer_size) // 2
        )
        of_size = {kind for kind, count in kinds.items() if count >= max(16, sizes[kind[0]] / 2)}
        return {*((None, offset) for offset in of_all), *of_size}

    def _find(self, address: int) -> int | None:
        index = bisect_right(self._starts, address) - 1
        return index if index >= 0 and address < self._ends[index] else None

    def _is_strong(self, target: int, offset: int) -> bool:
        shape, word = self.blocks[target].shape, self._pointer_size
        accepted = {
            "stdstring": shape == _STRING and offset == 3 * word,
            "length64": shape == _LENGTH and offset == 8,
            # (In 64 bits a length is a number of elements of one byte as well.)
            "newarray": offset == word and (shape == _ARRAY or (shape == _LENGTH and word == 8)),
            "multipleinheritance": shape == _BASES and offset == 2 * word,
        }
        if offset == 0 or any(accepted[each] for each in self._chosen if each in accepted):
            return True
        # Aligned by hand, to more than malloc does: the block's start is kept in the word before, or the second one.
        alignment = 2 * _ALIGNMENT
        if (self._starts[target] + offset) % alignment == 0 and any(
            place >= 2 * word and (target, place) in self._kept_starts for place in (offset - word, offset + word)
        ):
            return True
        return (None, offset) in self._headers or (self.blocks[target].usable, offset) in self._headers

    @cached_property
    def reachable(self) -> set[int]:
        """What is still reachable."""
        return _reached(self.strong, {_ROOT}) - {_ROOT}

    @cached_property
    def possible(self) -> set[int]:
        """What is possibly lost."""
        return _reached(self.any, {_ROOT, *self.reachable, *self._doubted}) - {_ROOT} - self.reachable

    @cached_property
    def lost(self) -> set[int]:
        """What is definitely or indirectly lost."""
        return set(range(len(self.blocks))) - self.reachable - self.possible

    @cached_property
    def heads(self) -> set[int]:
        """The lost blocks that are leaks of their own: of each strongly connected component that no other lost block
        leads to, the owner: one whose start no other of it points to, of the rarest size, the first of these."""
        return {min(each, key=lambda node: self._place(node, each)) for each in self.leading}

    def _place(self, node: int, cycle: Collection[int]) -> tuple[bool, int, int]:
        alike = sum(self.blocks[each].usable == self.blocks[node].usable for each in cycle)
        return any((each, node) in self._to_start for each in cycle), alike, node

    @cached_property
    def leading(self) -> list[set[int]]:
        """The components of lost blocks that no other lost block leads to."""
        leading = []
        led: set[int] = set()
        # In the order in which a depth-first search ends with nodes, backwards, each node that nobody before leads to
        # is in such a component.
        for node in reversed(_finished(self.any, self.lost)):
            if node not in led:
                led |= _reached(self.any, {node}, within=self.lost)
                leading.append(_reached(_turned(self.any, self.lost), {node}))
        return leading

    @cached_property
    def memchecks_heads(self) -> set[int]:
        """The lost blocks that memcheck calls definitely lost: in order of address each takes with it what it leads
        to, unless that is taken; a cycle that was taken from its inside stays with the first to come, though
        another lost block leads to it (mc_leakcheck.c)."""
        taken: set[int] = set()
        heads = set()
        for node in sorted(self.lost):
            if node in taken:
                continue
            heads.add(node)
            front = [node]
            while front:
                for target in self.any.get(front.pop(), ()):
                    if target in self.lost and target not in taken and target != node:
                        taken.add(target)
                        heads.discard(target)
                        front.append(target)
        return heads

    def hangs_on(self, head: int) -> set[int]:
        """Return the lost blocks that the head leads to, itself not among them."""
        return _reached(self.any, {head}, within=self.lost) - {head}

    def verdicts(self, heads: Collection[int]) -> dict[int, str]:
        """Return {block's number: verdict}, where the `heads` are definitely lost."""
        found = {}
        for index, block in enumerate(self.blocks):
            if index in self.reachable:
                verdict = "reachable"
            elif index in self.possible:
                verdict = "possibly"
            else:
                verdict = "definitely" if index in heads else "indirectly"
            found[block.number] = verdict
        return found


def _reached(edges: dict[int, set[int]], seeds: Collection[int], within: Collection[int] | None = None) -> set[int]:
    seen, front = set(seeds), list(seeds)
    while front:
        for target in edges.get(front.pop(), ()):
            if target not in seen and (within is None or target in within):
                seen.add(target)
                front.append(target)
    return seen


def _turned(edges: dict[int, set[int]], within: set[int]) -> dict[int, set[int]]:
    turned: dict[int, set[int]] = {}
    for source in within:
        for target in edges.get(source, set()) & within:
            turned.setdefault(target, set()).add(source)
    return turned


def _finished(edges: dict[int, set[int]], within: set[int]) -> list[int]:
    """Return the nodes in the order in which a depth-first search from each leaves them."""
    seen: set[int] = set()
    order = []
    for first in sorted(within):
        if first in seen:
            continue
        seen.add(first)
        path: list[tuple[int, Iterator[int]]] = [(first, iter(edges.get(first, set()) & within))]
        while path:
            node, targets = path[-1]
            target = next((each for each in targets if each not in seen), None)
            if target is None:
                order.append(node)
                path.pop()
            else:
                seen.add(target)
                path.append((target, iter(edges.get(target, set()) & within)))
    return order
