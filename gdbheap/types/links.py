"""How a struct points to more of its kind: which members lead on in a list or tree, told by their types, and which of
these lead forward, told by their names."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.lazy import dataclass, regex


@dataclass(frozen=True)
class Link:
    """A pointer member that leads to another struct of the same type: `name` as people would write it ("next",
    "children[1]"), its `offset` in the struct, and `inside`: how far from that struct's start it points (0, or the
    offset of the list_head, the base class or the like that it is meant for). `sure`: it points to the struct itself;
    a list_head may as well lead to the head of the list, or to what the list is of."""

    name: str
    offset: int
    inside: int = 0
    sure: bool = True


_WORDS = regex(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[a-z]+")
_BACK = frozenset(("prev", "previous", "parent", "back", "backward", "bk", "up", "owner"))
_ENDS = frozenset(("root", "head", "first", "tail", "last"))
_NEXT = frozenset(("next", "nxt", "fd", "forward", "link", "sibling", "succ", "successor"))
_DOWN = frozenset(("left", "right", "child", "children", "kid", "kids", "lhs", "rhs", "lo", "hi", "l", "r"))


def links_to_follow(links: Sequence[Link]) -> list[Link]:
    """Return the links that lead on from a node: a tree's branches, else a list's next, else all that do not lead
    back; where all do, all."""
    down = [each for each in links if _is(each, _DOWN) and not _is(each, _BACK)]
    onward = [each for each in links if _is(each, _NEXT) and not _is(each, _BACK | _ENDS)]
    if down:
        return [*down, *(each for each in onward if each not in down)]
    if onward:
        return onward[:1]
    return [each for each in links if not _is(each, _BACK | _ENDS)] or list(links)


def links_named(links: Sequence[Link], wanted: str) -> list[Link]:
    """Return the links of this name: the whole one ("node.next"), its last part, or an array's without an index."""
    return [each for each in links if wanted in _names(each.name)]


def _names(name: str) -> set[str]:
    last = name.rpartition(".")[2]
    return {name, last, name.partition("[")[0], last.partition("[")[0]}


def _is(link: Link, words: frozenset[str]) -> bool:
    last = link.name.partition("[")[0].rpartition(".")[2]
    return not words.isdisjoint(word.lower() for word in _WORDS.findall(last))
