"""The calls of a recording by call stack, those of blocks that are still in use counted, and how much of what the heap
has grown by is from each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.sizes import request_to_size
from gdbheap.lazy import dataclass, np
from gdbheap.process.recording import Caller, Sample, Sampling

# So few blocks more are no growth.
_NEGLIGIBLE = 16
# So many that are alive are no chance.
_FEW = 3


@dataclass(frozen=True)
class StackGroup:
    """The sampled calls of `function` by one stack (the innermost caller first), for chunks of `sizes` (the least and
    the largest): `calls` of them, of which `judged` were followed long enough, and `alive` of these are in use still,
    with `alive_bytes` (None: the heap at the end is not known). `example` is one of those (None: there is none).

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


def sizes_in_use(view: HeapView) -> dict[int, int]:
    """Return how many chunks of each size are in use."""
    table = view.table
    sizes, counts = np.unique(table.size[table.state == State.IN_USE], return_counts=True)
    return dict(zip(sizes.tolist(), counts.tolist()))


def stack_groups(
    samples: Sequence[Sample], layout: Layout, view: HeapView | None, before: Mapping[int, int]
) -> list[StackGroup]:
    """Return the groups, those first that the heap's growth is from, as far as the samples tell. `view` is the heap
    at the end (None: not known), `before` what sizes_in_use() gave at the start."""
    latest = {each.address: each for each in samples}
    members: dict[tuple[object, ...], list[_Call]] = {}
    for each in samples:
        size = request_to_size(each.size, layout)
        is_alive = (
            view is not None
            and not each.was_freed
            and latest[each.address] is each
            and _is_alive(view, each.address, size)
        )
        frames = tuple((caller.library, caller.name, caller.place) for caller in each.stack)
        members.setdefault((each.function, frames), []).append(_Call(each, size, is_alive and each.is_judged))
    now = {} if view is None else sizes_in_use(view)
    alike = Counter(call.size for calls in members.values() if _keeps(calls) for call in calls if call.is_alive)
    growth = {size: max(now.get(size, 0) - before.get(size, 0), 0) / count for size, count in alike.items()}
    groups = [_group(calls, growth, view is not None) for calls in members.values()]
    return sorted(groups, key=lambda group: (group.grown_bytes or 0, group.alive_bytes or 0, group.calls), reverse=True)


def unexplained_growth(
    groups: Sequence[StackGroup], view: HeapView, before: Mapping[int, int], sampling: Sampling
) -> dict[int, int]:
    """Return by size how many more chunks are in use than before, of the sizes that were to be sampled and of which no
    group has one alive."""
    explained = {size for group in groups for size in group.alive_sizes}
    return {
        size: count - before.get(size, 0)
        for size, count in sizes_in_use(view).items()
        if count - before.get(size, 0) > _NEGLIGIBLE
        and size not in explained
        and sampling.wants_any(requests_of(size, view.layout))
    }


def wanted_sizes(
    samples: Sequence[Sample], view: HeapView, before: Mapping[int, int], sampling: Sampling
) -> Callable[[int], bool] | None:
    """Return whether a request is of a size that the heap has more chunks of by now, and no sample tells whose: None
    where there is no such size."""
    layout = view.layout
    growth = unexplained_growth(stack_groups(samples, layout, view, before), view, before, sampling)
    return (lambda request: request_to_size(request, layout) in growth) if growth else None


def requests_of(size: int, layout: Layout) -> range:
    """Return the requests that get a chunk of this size. (Those of mappings of their own get other sizes.)"""
    end = size - layout.header + layout.pointer_size + 1
    return range(0 if size == layout.min_size else max(end - layout.alignment, 0), end)


@dataclass(frozen=True)
class _Call:
    sample: Sample
    size: int
    is_alive: bool


def _group(calls: Sequence[_Call], growth: Mapping[int, float], is_known: bool) -> StackGroup:
    """Return the group of the calls by one stack; `growth` is how many blocks more there are for each that was sampled
    and is alive, by size."""
    sizes = [call.size for call in calls]
    alive = [call for call in calls if call.is_alive]
    is_growth_known = is_known and (_keeps(calls) or not alive)
    return StackGroup(
        stack=calls[0].sample.stack,
        function=calls[0].sample.function,
        sizes=(min(sizes), max(sizes)),
        calls=len(calls),
        judged=sum(call.sample.is_judged for call in calls),
        alive=len(alive) if is_known else None,
        alive_bytes=sum(call.size for call in alive) if is_known else None,
        example=alive[-1].sample.address if alive else None,
        grown=round(sum(growth[call.size] for call in alive)) if is_growth_known else None,
        grown_bytes=round(sum(growth[call.size] * call.size for call in alive)) if is_growth_known else None,
        alive_sizes=frozenset(call.size for call in alive) if is_growth_known else frozenset(),
    )


def _keeps(calls: Sequence[_Call]) -> bool:
    """Whether what is alive of these calls is more than chance: blocks that were freed unseen, and whose place another
    has taken, look alive too."""
    alive = sum(call.is_alive for call in calls)
    return alive >= _FEW or 2 * alive >= sum(call.sample.is_judged for call in calls)


def _is_alive(view: HeapView, mem: int, size: int) -> bool:
    """Whether the block is in use, and as large as it was made: a chunk may have what was too little to split off, one
    with a mapping of its own is rounded up to a page."""
    chunk = view.chunk_at(mem - view.layout.header)
    if chunk is None or chunk.state is not State.IN_USE or chunk.address + view.layout.header != mem:
        return False
    return 0 <= chunk.size - size < (2 * view.layout.page_size if chunk.is_mmapped else view.layout.min_size)
