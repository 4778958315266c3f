"""Words of std::weak_ptr, of iterators and of views: they keep no object alive, so they hold only what nothing else
does. An index of a list's iterators (of a cache) takes nothing from the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.analysis.types.block_types import BlockTypes
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.type_names import size_of, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEAK = tuple(
    namespace + name
    for namespace, names in (
        ("std::", ("weak_ptr<", "__weak_ptr<", "_List_iterator<", "_List_const_iterator<", "_Fwd_list_iterator<")),
        ("std::", ("_Fwd_list_const_iterator<", "_Rb_tree_iterator<", "_Rb_tree_const_iterator<")),
        ("std::", ("basic_string_view<", "span<", "reference_wrapper<", "experimental::observer_ptr<")),
        ("std::__detail::", ("_Node_iterator<", "_Node_const_iterator<", "_Node_iterator_base<")),
        ("__gnu_cxx::", ("__normal_iterator<",)),
        ("std::__1::", ("weak_ptr<", "__list_iterator<", "__list_const_iterator<", "__tree_iterator<")),
        ("std::__1::", ("__tree_const_iterator<", "__map_iterator<", "__map_const_iterator<", "__hash_iterator<")),
        ("std::__1::", ("__hash_map_iterator<", "__wrap_iter<", "basic_string_view<", "span<", "reference_wrapper<")),
        ("boost::", ("weak_ptr<", "intrusive::list_iterator<", "intrusive::slist_iterator<")),
        ("boost::", ("intrusive::tree_iterator<", "container::vec_iterator<", "container::stable_vector_iterator<")),
        ("boost::unordered::", ("iterator_detail::iterator<", "iterator_detail::c_iterator<")),
        ("boost::unordered::detail::", ("iterator_detail::iterator<", "foa::table_iterator<")),
        ("boost::multi_index::detail::", ("bidir_node_iterator<", "rnd_node_iterator<", "hashed_index_iterator<")),
    )
    for name in names
)
_DEEPEST = 16
# So many places in one type are looked at.
_MOST = 256


def weak_edges(held: PointerGraph, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which edges of the graph come from a word of a weak pointer."""
    graph = held.graph
    weak = _weak_types(types.catalogue, types.type)
    rows = np.flatnonzero(np.isin(types.type, list(weak))[graph.source])
    source = graph.source[rows]
    place = graph.place[rows].astype(np.int64) - types.part[source]
    found = np.zeros(len(graph.source), np.bool_)
    found[rows] = _are_weak(types.catalogue, weak, types.type[source], place)
    return found


def weak_words(held: PointerGraph, groups: RootGroups, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which of the root words are of a weak pointer, in variables whose type is known."""
    weak = _weak_types(types.catalogue, groups.types)
    rows = np.flatnonzero(np.isin(groups.types, list(weak))[groups.of_word])
    group = groups.of_word[rows]
    place = held.from_roots.place[rows].astype(np.int64) - groups.starts[group].astype(np.int64)
    found = np.zeros(len(held.from_roots.place), np.bool_)
    found[rows] = _are_weak(types.catalogue, weak, groups.types[group], place)
    return found


def _weak_types(catalogue: Catalogue, types: NDArray[np.int32]) -> dict[int, tuple[int, ...]]:
    """Return those of the types that have weak pointers, with their places."""
    known: dict[int, tuple[int, ...]] = {}
    places = {number: _weak_places(catalogue, number, known) for number in distinct(types).tolist() if number != NONE}
    return {number: found for number, found in places.items() if found}


def _are_weak(
    catalogue: Catalogue, weak: dict[int, tuple[int, ...]], kind: NDArray[np.int32], place: NDArray[np.int64]
) -> NDArray[np.bool_]:
    found = np.zeros(len(kind), np.bool_)
    for number, places in weak.items():
        mine = kind == number
        size = max(size_of(catalogue, number), 1)
        found[mine] = (place[mine] >= 0) & np.isin(place[mine] % size, places)
    return found


def _weak_places(
    catalogue: Catalogue, number: int, known: dict[int, tuple[int, ...]], depth: int = 0
) -> tuple[int, ...]:
    """Return where in a type the words of weak pointers lie."""
    number = stripped(catalogue, number)
    if number == NONE or depth > _DEEPEST:
        return ()
    if number not in known:
        known[number] = tuple(sorted(set(_places(catalogue, number, known, depth))))[:_MOST]
    return known[number]


def _places(catalogue: Catalogue, number: int, known: dict[int, tuple[int, ...]], depth: int) -> Iterator[int]:
    info = catalogue.types[number]
    if info.kind is TypeKind.STRUCT and info.name.startswith(_WEAK):
        yield from range(0, info.size, max(info.size // 2, 1))
    elif info.kind is TypeKind.STRUCT:
        for member in info.members:
            yield from (member.offset + each for each in _weak_places(catalogue, member.type, known, depth + 1))
    elif info.kind is TypeKind.ARRAY and info.count > 0:
        size = size_of(catalogue, info.target)
        inside = _weak_places(catalogue, info.target, known, depth + 1) if size else ()
        yield from (index * size + each for index in range(min(info.count, _MOST)) for each in inside)
