"""The calls of a recording by call stack, those of blocks that are still in use counted, and how much of what the heap
has grown by is from each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.recordings.judged_calls import Call, judged
from gdbheap.lazy import dataclass, np
from gdbheap.process.recording import Caller, Sample, Sampling

# So few blocks more are no growth.
_NEGLIGIBLE = 16
# So many that are alive are no chance.
_FEW = 3
# Nearly all blocks are smaller; these are counted in a table, without being sorted.
_SMALL = 1 << 20


@dataclass(frozen=True)
class StackGroup:
    """The sampled calls of `function` by one stack (the innermost caller first), for blocks of `sizes` (the least and
    the largest): `calls` of them, of which `judged` were followed long enough, and `alive` of these are in use still,
    with `alive_bytes` (None: the heap at the end is not known). `example` is one of those (None: there is none).
    `doubtful` more are in use, but may be other blocks by now.

    `grown` is this stack's part of how many blocks of these sizes the heap has more than at the start: of each size
    as much as its part of the blocks that are alive (None: not known, or too few are alive to tell).
    """

    stack: tuple[Caller, ...]
    function: str
    sizes: tuple[int, int]
    calls: int
    judged: int
    alive: int | None
    alive_bytes: int | None
    example: int | None
    grown: int | None
    grown_bytes: int | None
    alive_sizes: frozenset[int] = frozenset()
    doubtful: int = 0


def sizes_in_use(heap: Heap) -> dict[int, int]:
    """Return how many blocks of each size are in use."""
    size = heap.blocks().size
    is_small = size < _SMALL
    of_small = np.bincount(size[is_small].astype(np.intp))
    small = np.flatnonzero(of_small)
    large, of_large = np.unique(size[~is_small], return_counts=True)
    return dict(zip([*small.tolist(), *large.tolist()], [*of_small[small].tolist(), *of_large.tolist()]))


def stack_groups(
    samples: Sequence[Sample], began: Heap, heap: Heap | None, before: Mapping[int, int]
) -> list[StackGroup]:
    """Return the groups, those first that the heap's growth is from, as far as the samples tell. `began` is
    the heap at the start, `heap` that at the end (None: not known), `before` what sizes_in_use() gave at the start."""
    now = {} if heap is None else sizes_in_use(heap)
    members = _judged(_by_stack(samples, began, heap), now, before)
    alike: defaultdict[int, float] = defaultdict(float)
    for calls in filter(_keeps, members):
        for call in calls:
            if call.is_alive:
                alike[call.size] += _weight(calls)
    growth = {size: max(now.get(size, 0) - before.get(size, 0), 0) / weight for size, weight in alike.items()}
    groups = [_group(calls, growth, heap is not None) for calls in members]
    return sorted(groups, key=lambda group: (group.grown_bytes or 0, group.alive_bytes or 0, group.calls), reverse=True)


def unexplained_growth(
    groups: Sequence[StackGroup], heap: Heap, before: Mapping[int, int], sampling: Sampling
) -> dict[int, int]:
    """Return by size how many more blocks are in use than before, of the sizes that were to be sampled and of which no
    group has one alive."""
    alive = {size for group in groups for size in group.alive_sizes}
    explained = [(size, heap.largest_size_of(heap.requests_of(size)[-1])) for size in alive]
    return {
        size: count - before.get(size, 0)
        for size, count in sizes_in_use(heap).items()
        if count - before.get(size, 0) > _NEGLIGIBLE
        and not any(least <= size <= most for least, most in explained)
        and sampling.wants_any(heap.requests_of(size))
    }


def wanted_sizes(
    samples: Sequence[Sample], heap: Heap, before: Mapping[int, int], sampling: Sampling
) -> Callable[[int], bool] | None:
    """Return whether a request is of a size that the heap has more blocks of by now, and no sample tells whose: None
    where there is no such size."""
    growth = unexplained_growth(stack_groups(samples, heap, heap, before), heap, before, sampling)
    return (lambda request: heap.size_of(request) in growth) if growth else None


def _judged(stacks: Collection[list[Call]], now: Mapping[int, int], before: Mapping[int, int]) -> list[list[Call]]:
    """Return the calls of each stack, judged: doubtful ones tell only of sizes that the heap has more blocks of, and
    that nothing else explains."""
    members = [judged(calls) for calls in stacks]
    explained = {call.size for calls in filter(_keeps, members) for call in calls if call.is_alive}
    doubted = {call.size for calls in stacks for call in calls if call.is_doubtful} - explained
    trusted = {size for size in doubted if now.get(size, 0) - before.get(size, 0) > _NEGLIGIBLE}
    return [judged(calls, trusted) for calls in stacks] if trusted else members


def _by_stack(samples: Sequence[Sample], began: Heap, heap: Heap | None) -> Collection[list[Call]]:
    """Return the calls by function and stack."""
    after: dict[int, int] = {}
    again: list[int | None] = []
    for place in range(len(samples) - 1, -1, -1):
        address = samples[place].address
        again.append(after[address] - place if address in after else None)
        after[address] = place
    members: dict[tuple[object, ...], list[Call]] = {}
    for each, distance in zip(samples, reversed(again)):
        size = began.size_of(each.size)
        is_alive = not each.was_freed and distance is None
        is_alive = is_alive and heap is not None and heap.may_be_made_for(each.address, each.size)
        seen = distance if distance is not None and distance <= each.followed else None
        frames = tuple((caller.library, caller.name, caller.place) for caller in each.stack)
        members.setdefault((each.function, frames), []).append(
            Call(each, size, is_alive, seen, is_doubtful=is_alive and each.is_rewritten)
        )
    return members.values()


def _group(calls: Sequence[Call], growth: Mapping[int, float], is_known: bool) -> StackGroup:
    """Return the group of the calls by one stack; `growth` is how many blocks more there are for each that is alive (of
    weight 1), by size."""
    sizes = [call.size for call in calls]
    alive = [call for call in calls if call.is_alive]
    weight = _weight(calls)
    told = sum(call.is_judged for call in calls)
    is_growth_known = is_known and told > 0 and (_keeps(calls) or not alive)
    return StackGroup(
        stack=calls[0].sample.stack,
        function=calls[0].sample.function,
        sizes=(min(sizes), max(sizes)),
        calls=len(calls),
        judged=told,
        alive=len(alive) if is_known else None,
        alive_bytes=sum(call.size for call in alive) if is_known else None,
        # Not the newest: the process may have been stopped before it kept that, and not the oldest: its place may be
        # another's by now.
        example=alive[(len(alive) - 1) // 2].sample.address if alive else None,
        grown=round(weight * sum(growth[call.size] for call in alive)) if is_growth_known else None,
        grown_bytes=round(weight * sum(growth[call.size] * call.size for call in alive)) if is_growth_known else None,
        alive_sizes=frozenset(call.size for call in alive) if is_growth_known else frozenset(),
        doubtful=sum(call.is_doubtful for call in calls),
    )


def _keeps(calls: Sequence[Call]) -> bool:
    """Whether what is alive of these calls is more than chance: blocks that were freed unseen, and whose place another
    has taken, look alive too."""
    alive = sum(call.is_alive for call in calls)
    return alive >= _FEW or 2 * alive >= sum(call.is_judged for call in calls)


def _weight(calls: Sequence[Call]) -> float:
    """Return for how many calls of a stack each that is judged stands."""
    return len(calls) / max(sum(call.is_judged for call in calls), 1)
