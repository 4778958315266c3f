"""The containers of libc++ (LLVM's library): what their pointers, typed by base classes of all nodes alike, lead to, by
the container's template arguments. Where each lies is found by its members' names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gdbheap.analysis.types.libstdcxx import instance_of
from gdbheap.analysis.types.slots import SlotTarget
from gdbheap.types.catalogue import NONE, Member, MemberKind, TypeInfo, TypeKind
from gdbheap.types.type_book import TypeBook

Targets = Mapping[int, SlotTarget]

_LIBRARY = "std::__1::"
_NODES = ("__list_node", "__tree_node", "__hash_node", "__forward_list_node")
_DEEPEST = 8


def libcxx_targets(book: TypeBook, number: int) -> Targets | None:
    """A LayoutRule: what the words of libc++'s containers and nodes lead to."""
    info = book.info(number)
    if not info.name.startswith(_LIBRARY):
        return None
    found = next((rule for prefix, rule in _RULES if instance_of(info.name, f"{_LIBRARY}{prefix}<")), None)
    return None if found is None else found(book, number, info)


def is_libcxx_node(book: TypeBook, number: int) -> bool:
    """Whether a type is a node of one of these containers."""
    name = book.info(number).name
    return name.startswith(_LIBRARY) and any(instance_of(name, f"{_LIBRARY}{each}<") for each in _NODES)


def has_string(book: TypeBook, number: int) -> bool:
    """Whether objects of a type have one of the library's strings in them."""
    key = f"libc++ string in {number}"
    if key not in book.made:
        book.made[key] = int(any(_strings(book, number, 0)))
    return bool(book.made[key])


def _strings(book: TypeBook, number: int, depth: int) -> Iterator[bool]:
    number = book.stripped(number)
    if number == NONE or depth > _DEEPEST or book.info(number).kind not in (TypeKind.STRUCT, TypeKind.UNION):
        return
    yield book.info(number).name.startswith(f"{_LIBRARY}basic_string<")
    for member in book.info(number).members:
        yield from _strings(book, member.type, depth + 1)


def lay_out_shared(book: TypeBook) -> None:
    """Have the blocks of std::make_shared, which have their object as raw bytes, laid out with it."""
    for name, numbers in list(book.catalogue.by_name.items()):
        if not instance_of(name, f"{_LIBRARY}__shared_ptr_emplace<"):
            continue
        for number in numbers:
            info = book.info(number)
            value = _value(book, info)
            if info.kind is TypeKind.STRUCT and value != NONE and book.size(value):
                members = (_storing(book, each, value) if each.name == "__storage_" else each for each in info.members)
                book.change(number, replace(info, members=tuple(members)))


def _storing(book: TypeBook, storage: Member, value: int) -> Member:
    """Return the member as the object in it, behind the allocator if that has members of its own."""
    before = book.size(storage.type) - book.size(value)
    return replace(storage, type=value, offset=storage.offset + max(before, 0))


def _value(book: TypeBook, info: TypeInfo) -> int:
    return book.stripped(info.arguments[0]) if info.arguments and info.arguments[0] != NONE else NONE


def _node(book: TypeBook, template: str, value: int) -> int:
    """Return the type of the nodes that hold such values, NONE where the debug information has none."""
    if "libc++" not in book.made:
        book.made["libc++"] = NONE
        for each in _NODES:
            for name, numbers in book.catalogue.by_name.items():
                if instance_of(name, f"{_LIBRARY}{each}<"):
                    for number in numbers:
                        info = book.info(number)
                        if info.kind is TypeKind.STRUCT and info.size:
                            book.made.setdefault(f"libc++ {each} {_value(book, info)}", number)
    return book.made.get(f"libc++ {template} {value}", NONE)


def _places(book: TypeBook, number: int, name: str, depth: int = 0) -> Iterator[int]:
    """Yield the offsets of the members of this name in a type, those of the structs and unions in it among them."""
    number = book.stripped(number)
    if number == NONE or depth > _DEEPEST:
        return
    for member in book.info(number).members:
        if member.name == name:
            yield member.offset
        elif member.kind in (MemberKind.FIELD, MemberKind.BASE):
            kind = book.stripped(member.type)
            if kind != NONE and book.info(kind).kind in (TypeKind.STRUCT, TypeKind.UNION):
                yield from (member.offset + each for each in _places(book, kind, name, depth + 1))


def _leading(book: TypeBook, number: int, target: int, *names: str, many: bool = False) -> Targets | None:
    """Return that the first member of each of these names leads to the target."""
    if target == NONE:
        return None
    places = (next(_places(book, number, name), None) for name in names)
    return {each: SlotTarget(target, many) for each in places if each is not None}


def _vector(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    if info.name.startswith(f"{_LIBRARY}vector<bool"):
        return None
    return _leading(book, number, _value(book, info), "__begin_", many=True)


def _split_buffer(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, _value(book, info), "__first_", many=True)


def _list_base(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, _node(book, "__list_node", _value(book, info)), "__prev_", "__next_")


def _forward_list(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, _node(book, "__forward_list_node", _value(book, info)), "__next_")


def _tree(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    node = _node(book, "__tree_node", _value(book, info))
    return _leading(book, number, node, "__begin_node_", "__begin_node", "__left_")


def _tree_node(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, number, "__left_", "__right_", "__parent_")


def _hash_table(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, _node(book, "__hash_node", _value(book, info)), "__next_")


def _hash_node(book: TypeBook, number: int, info: TypeInfo) -> Targets | None:
    return _leading(book, number, number, "__next_")


_RULES: tuple[tuple[str, Callable[[TypeBook, int, TypeInfo], Targets | None]], ...] = (
    ("vector", _vector),
    ("__split_buffer", _split_buffer),
    ("__list_node_base", _list_base),
    ("forward_list", _forward_list),
    ("__forward_list_base", _forward_list),
    ("__forward_list_node", _forward_list),
    ("__tree", _tree),
    ("__tree_node", _tree_node),
    ("__hash_table", _hash_table),
    ("__hash_node", _hash_node),
)
