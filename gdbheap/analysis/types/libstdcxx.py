"""The containers of libstdc++: what their pointers, typed by base classes of all nodes alike, lead to, by the
container's template arguments.

Nodes have their value as raw bytes of its size (__aligned_membuf<T>): they are laid out as T.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import replace

from gdbheap.analysis.objects.closures import template_arguments
from gdbheap.analysis.types.slots import BYTES, SlotTarget
from gdbheap.lazy import regex
from gdbheap.types.catalogue import NONE, Catalogue, Member, MemberKind, TypeInfo, TypeKind
from gdbheap.types.type_book import TypeBook
from gdbheap.types.type_names import size_of

_BUFFERS = ("__gnu_cxx::__aligned_membuf<", "__gnu_cxx::__aligned_buffer<")
# Nobody allocates one of these by itself: nodes and arrays have them in them.
_VALUES = (
    *("std::pair<", "std::tuple<", "std::variant<", "std::optional<", "std::array<"),
    *("std::__detail::_Hash_node_value", *_BUFFERS),
)
# What the two libraries make such of, and pairs of members of which one may be empty.
_PARTS = (
    *("std::_Tuple_impl<", "std::_Head_base<", "std::_Optional_", "std::__detail::__variant::", "std::_Sp_ebo_helper<"),
    *("std::_Vector_base<", "std::__uniq_ptr_", "std::__compressed_pair", "std::__value_type<", "std::__optional_"),
    *("std::__hash_value_type<", "std::__variant_detail::", "std::__tuple_", "std::__vector_base<"),
)
_INTERNAL = ("std::_", "__gnu_cxx::", "__gnu_debug::", "__cxxabiv1::")
_INLINE = regex(r"^std::(?:__cxx11|__1)::")
OWN_TEXT = 16
"""The bytes of a std::string's own buffer."""
_LISTS = ("std::__cxx11::list<", "std::list<")

Targets = Mapping[int, SlotTarget]


def instance_of(name: str, template: str) -> bool:
    """Whether the name is one of the template's ("std::vector<"), and not of something in its scope."""
    if not name.startswith(template) or not name.endswith(">"):
        return False
    depth = 0
    for at, letter in enumerate(name[len(template) - 1 :], len(template) - 1):
        depth += (letter == "<") - (letter == ">" and name[at - 1] != "-")
        if not depth:
            return at == len(name) - 1
    return False


class NodeKind(enum.IntEnum):
    """The containers whose nodes all look alike, whatever is in them."""

    LIST = 0
    TREE = 1
    HASH_TABLE = 2


_NODES = (
    ("std::_List_node<", NodeKind.LIST),
    ("std::_Rb_tree_node<", NodeKind.TREE),
    ("std::__detail::_Hash_node<", NodeKind.HASH_TABLE),
    ("std::_Fwd_list_node<", NodeKind.HASH_TABLE),
)


def node_kind(book: TypeBook, number: int) -> NodeKind | None:
    """Return which kind of node a type is, None for none. (A forward_list's has one link, as a hash table's.)"""
    name = book.info(number).name
    return next((kind for template, kind in _NODES if instance_of(name, template)), None)


_BUCKET = "std::__detail::_Hash_node_base *"


def is_link(catalogue: Catalogue, number: int, offset: int) -> bool:
    """Whether what lies at the offset of a type leads to another node of a container: a node's link, or a bucket."""
    info = catalogue.types[number]
    if not any(instance_of(info.name, template) for template, _ in _NODES):
        return info.name == _BUCKET
    # (Its links are its base class, its value is behind that.)
    bases = (each for each in info.members if each.kind is MemberKind.BASE and not each.offset)
    return any(offset < size_of(catalogue, each.type) for each in bases)


def value_of(book: TypeBook, number: int) -> tuple[int, int]:
    """Return the type of what a node holds, and where in it that lies; of other types (the type, 0)."""
    kind = node_kind(book, number)
    if kind is None:
        return number, 0
    arguments = book.info(number).arguments
    words = {NodeKind.LIST: 2, NodeKind.TREE: 4, NodeKind.HASH_TABLE: 1}[kind]
    return (book.stripped(arguments[0]) if arguments else NONE), words * book.pointer_size


def is_internal(book: TypeBook, number: int) -> bool:
    """Whether a type is the library's own, which no program allocates by that name, or only as a node."""
    name = _INLINE.sub("std::", book.info(number).name, 1)
    return name.startswith(_INTERNAL) or _is_part(name)


def _is_part(name: str) -> bool:
    """Whether it is the name of what one of the library's classes is made of ("std::vector<int>::_Vector_impl")."""
    return name.startswith(_PARTS) or (name.startswith("std::") and "::_" in name.rpartition(">")[2])


def is_value(book: TypeBook, number: int) -> bool:
    """Whether a type is one that nobody allocates by itself: nodes and arrays have such in them."""
    name = _INLINE.sub("std::", book.info(number).name, 1)
    return name.startswith(_VALUES) or _is_part(name)


def is_closure(book: TypeBook, number: int) -> bool:
    """Whether a type is a lambda's: no program allocates one by itself, and what holds one names it (functions.py)."""
    name = book.info(number).name
    return "<lambda" in name or "{lambda" in name


def lay_out_buffers(book: TypeBook) -> None:
    """Have the library's buffers of raw bytes laid out as what they are for."""
    for name, numbers in list(book.catalogue.by_name.items()):
        if not name.startswith(_BUFFERS):
            continue
        for number in numbers:
            info = book.info(number)
            value = info.arguments[0] if info.arguments else NONE
            if info.kind is TypeKind.STRUCT and value != NONE and 0 < book.size(value) <= info.size:
                book.change(number, replace(info, members=(Member("", 0, value),)))


def container_targets(book: TypeBook, number: int) -> Targets | None:
    """A LayoutRule: what the words of the library's containers and nodes lead to."""
    info = book.info(number)
    if not info.name.startswith("std::"):
        return None
    found = next((rule for prefix, rule in _RULES if instance_of(info.name, prefix)), None)
    return None if found is None else found(book, info)


def _node(book: TypeBook, template: str, *arguments: str) -> int:
    """Return the type of a container's node; NONE where the debug information has none."""
    text = ", ".join(arguments)
    for name in (f"{template}<{text}>", f"{template}<{text} >"):
        number = book.named(name)
        if number != NONE:
            return number
    return NONE


def _first_arguments(info: TypeInfo) -> list[str]:
    return template_arguments(info.name.partition("<")[2].rpartition(">")[0])


def _vector(book: TypeBook, info: TypeInfo) -> Targets | None:
    """_M_start, _M_finish, _M_end_of_storage: only the first leads to the start."""
    value = info.arguments[0] if info.arguments else NONE
    if value == NONE or info.name.startswith("std::vector<bool"):
        return None
    # (An allocator that takes room comes first.)
    return {info.size - 3 * book.pointer_size: SlotTarget(book.stripped(value), many=True)}


def _string(book: TypeBook, info: TypeInfo) -> Targets | None:
    """Where the text begins: in the object itself, or in a block."""
    value = info.arguments[0] if info.arguments else NONE
    if value == NONE:
        return None
    size = book.pointer_size
    first = info.size - 2 * size - OWN_TEXT
    own = {place: SlotTarget(BYTES) for place in range(first + 2 * size, info.size, size)}
    return {first: SlotTarget(book.stripped(value), many=True), **own}


def _owned_array(book: TypeBook, info: TypeInfo) -> Targets | None:
    """What a std::unique_ptr<T[]> owns, of numbers and pointers. (Of a class new[] may write a number in front.)"""
    value = info.arguments[0] if info.arguments else NONE
    array = book.info(book.stripped(value)) if value != NONE else None
    if array is None or array.kind is not TypeKind.ARRAY or book.stripped(array.target) == NONE:
        return None
    element = book.stripped(array.target)
    if book.info(element).kind is TypeKind.STRUCT:
        return None
    # (A deleter that takes room comes last in memory: the library's tuple has its elements backwards.)
    return {info.size - book.pointer_size: SlotTarget(element, many=True)}


def _list_node(book: TypeBook, info: TypeInfo) -> Targets | None:
    """A node's links, and so those of the list's own node, which its object has."""
    arguments = _first_arguments(info)
    node = _node(book, "std::_List_node", arguments[0]) if arguments else NONE
    if node == NONE:
        return None
    size = book.pointer_size
    # (A list has its number of nodes behind its own links, and perhaps an allocator in front.)
    first = info.size - 3 * size if info.name.startswith(_LISTS) else 0
    return {first: SlotTarget(node), first + size: SlotTarget(node)}


def _forward_node(book: TypeBook, info: TypeInfo) -> Targets | None:
    arguments = _first_arguments(info)
    node = _node(book, "std::_Fwd_list_node", arguments[0]) if arguments else NONE
    if node == NONE:
        return None
    return {info.size - book.pointer_size if info.name.startswith("std::forward_list<") else 0: SlotTarget(node)}


def _tree(book: TypeBook, info: TypeInfo) -> Targets | None:
    """The header of a tree: root, leftmost and rightmost node, behind the comparison and the colour."""
    arguments = _first_arguments(info)
    node = _node(book, "std::_Rb_tree_node", arguments[1]) if len(arguments) > 1 else NONE
    if node == NONE:
        return None
    size = book.pointer_size
    # What compares comes first; the header's four words and the number of nodes are last.
    header = info.size - 5 * size
    return {header + place * size: SlotTarget(node) for place in (1, 2, 3)}


def _tree_node(book: TypeBook, info: TypeInfo) -> Targets | None:
    number = book.named(info.name)
    size = book.pointer_size
    return {place * size: SlotTarget(number) for place in (1, 2, 3)}


def _hash_table(book: TypeBook, info: TypeInfo) -> Targets | None:
    """Buckets, and the first node."""
    arguments = _first_arguments(info)
    if len(arguments) < 10:
        return None
    is_cached = "true" if "_Hashtable_traits<true" in arguments[-1].replace(" ", "") else "false"
    node = _node(book, "std::__detail::_Hash_node", arguments[1], is_cached)
    if node == NONE:
        return None
    size = book.pointer_size
    bucket = _bucket(book, node, size)
    # Empty function objects take no room, others come first; then buckets, their number, the first node, the number
    # of nodes, when to grow (a float and a number), and the bucket of a table that has one.
    buckets = info.size - 7 * size
    return {buckets: SlotTarget(bucket, many=True), buckets + 2 * size: SlotTarget(node)}


def _bucket(book: TypeBook, node: int, size: int) -> int:
    """Return the type of a bucket: what the library calls a pointer to any node, which leads to one of these."""
    key = f"{_BUCKET} to {node}"
    if key not in book.made:
        pointer = book.add(TypeInfo("", TypeKind.POINTER, size, target=node, language="c++"))
        book.made[key] = book.add(TypeInfo(_BUCKET, TypeKind.TYPEDEF, size, target=pointer, language="c++"))
    return book.made[key]


def _hash_node(book: TypeBook, info: TypeInfo) -> Targets | None:
    return {0: SlotTarget(book.named(info.name))}


_RULES: tuple[tuple[str, Callable[[TypeBook, TypeInfo], Targets | None]], ...] = (
    ("std::vector<", _vector),
    ("std::__cxx11::basic_string<", _string),
    ("std::unique_ptr<", _owned_array),
    *((each, _list_node) for each in _LISTS),
    ("std::_List_node<", _list_node),
    ("std::forward_list<", _forward_node),
    ("std::_Fwd_list_node<", _forward_node),
    ("std::_Rb_tree<", _tree),
    ("std::_Rb_tree_node<", _tree_node),
    ("std::_Hashtable<", _hash_table),
    ("std::__detail::_Hash_node<", _hash_node),
)
