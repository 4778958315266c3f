"""What a block is, told by its first bytes: an object of a C++ class, text, or a shape of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.objects.labels import NO_LABEL, Labels
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.objects.name_objects import name_objects
from gdbheap.lazy import dataclass, np
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.named_address import NamedAddress
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As many different first words, and second ones, are looked up; the rest keep their shape alone.
_MOST_SYMBOLS = 4096
_MOST_SECOND = 1024
_SHORTEST_TEXT = 4
TEXT = "text"
_SMALL = 1 << 16
_SLICE = 1 << 17

# The kinds of a word, and what each is called in a shape.
_NUMBER, _ZERO, _BLOCK, _STATIC, _OTHER, _DATA = range(6)
_WORDS = ("number", "0", "block pointer", "static pointer", "pointer", "data")


@dataclass(frozen=True)
class Contents:
    """What each of some blocks is: `names[kind[i]]`. Kinds below `shapes` are shapes of words; the others name a
    class, a symbol or text."""

    kind: NDArray[np.int32]
    names: tuple[str, ...]
    shapes: int

    def named(self, chosen: NDArray[np.bool_], name: str) -> Contents:
        """Return the same with the chosen ones called by this name."""
        return replace(self, kind=np.where(chosen, np.int32(len(self.names)), self.kind), names=(*self.names, name))

    def typed(self, place: NDArray[np.int32], names: Sequence[str], sure: NDArray[np.bool_]) -> Contents:
        """Return the same with those called by their types that have one (`names[place]`, -1 for none), but for what
        their contents tell better: text, and a class's vtable where the type is not `sure`."""
        kept = np.array([not _is_shape(name) for name in self.names], np.bool_)
        better = np.array([name == TEXT for name in self.names], np.bool_)
        chosen = (place >= 0) & ~better[self.kind] & (sure | ~kept[self.kind])
        kind = np.where(chosen, np.int32(len(self.names)) + place, self.kind).astype(np.int32)
        return replace(self, kind=kind, names=(*self.names, *names))


def describe(
    blocks: Blocks, head: NDArray[np.uint64], chosen: NDArray[np.intp], lookup: Lookup, labels: Labels | None = None
) -> Contents:
    """Return what the `chosen` blocks are; `head` has the first words of every block. `labels` are the names of all
    blocks, where they are known already."""
    space, symbol_at = lookup.process.address_space, lookup.symbol
    labels = name_objects(blocks, chosen, lookup) if labels is None else labels
    kind = np.empty(len(chosen), np.int32)
    names = [_shape(one, two) for one in range(len(_WORDS)) for two in range(len(_WORDS))]
    shapes = len(names)
    names.append(TEXT)
    static, second = _Looked([], []), _Looked([], [])
    # Slice by slice: what is made on the way is several times as large as the heads.
    for at in range(0, len(chosen), _SLICE):
        first = head[chosen[at : at + _SLICE]]
        words = first[:, :2].astype(np.uint64)
        kinds = _word_kinds(words, blocks, space)
        text = looks_like_text(first) & np.isin(kinds[:, 0], (_NUMBER, _DATA))
        kind[at : at + _SLICE] = np.where(text, shapes, kinds[:, 0] * len(_WORDS) + kinds[:, 1])
        static.add(at, (kinds[:, 0] == _STATIC) & ~text, words[:, 0])
        second.add(at, (kinds[:, 0] != _STATIC) & (kinds[:, 1] == _STATIC) & ~text, words[:, 1])
    static.name(kind, names, lambda value: _object_name(symbol_at(value)), _MOST_SYMBOLS)
    second.name(kind, names, lambda value: _second_name(symbol_at(value)), _MOST_SECOND)
    label = labels.label[chosen]
    text = kind == shapes
    named = (label != NO_LABEL) & (~text | (labels.confidence[chosen] == Confidence.CERTAIN))
    kind[named] = label[named] + len(names)
    return Contents(kind, (*names, *labels.names), shapes)


@dataclass(frozen=True)
class _Looked:
    """Blocks (their `places` among the chosen) with a word that points to a symbol, perhaps."""

    places: list[NDArray[np.intp]]
    words: list[NDArray[np.uint64]]

    def add(self, at: int, chosen: NDArray[np.bool_], word: NDArray[np.uint64]) -> None:
        """Take the chosen ones of a slice, which begins `at` a place; `word` has that word of each."""
        rows = np.flatnonzero(chosen)
        self.places.append(at + rows)
        self.words.append(word[rows])

    def name(self, kind: NDArray[np.int32], names: list[str], name_of: Callable[[int], str], most: int) -> None:
        """Set the kind of those that have a name, and append the names; at most so many words are looked up, the
        most frequent first."""
        if not self.places:
            return
        places = np.concatenate(self.places)
        values, which, counts = np.unique(np.concatenate(self.words), return_inverse=True, return_counts=True)
        numbers = kind[places]
        for index in np.argsort(-counts, kind="stable")[:most].tolist():
            name = name_of(int(values[index]))
            if name:
                numbers[which == index] = len(names)
                names.append(name)
        kind[places] = numbers


def is_class(name: str) -> bool:
    """Whether what a block is is the name of a C++ class."""
    return name != "zeros" and not name.startswith("[") and not is_text(name)


def is_text(name: str) -> bool:
    """Whether what a block is is text, from its start or behind a length: contents, and no name."""
    return name == TEXT or name.startswith(("text at ", "UTF-16 text", "UTF-32 text"))


def _is_shape(name: str) -> bool:
    return name.startswith("[") or name == "zeros"


def text_of(head: NDArray[np.uint64]) -> str:
    """Return the text that a block's first words (`head`, a row) hold, to its end or to theirs."""
    return re.split(rb"[\0\t\n\r]", head.tobytes(), maxsplit=1)[0].decode("ascii", "replace")


def _shape(one: int, two: int) -> str:
    return "zeros" if (one, two) == (_ZERO, _ZERO) else f"[{_WORDS[one]}, {_WORDS[two]}]"


def _object_name(symbol: NamedAddress | None) -> str:
    """Return what a block is called whose first word points to the symbol; "" where there is none."""
    other = _start_of(symbol)
    return f"[&{other}, ...]" if other else ""


def _second_name(symbol: NamedAddress | None) -> str:
    """Return what a block is called whose second word points to the symbol: objects may count their references before
    they name their type. "" where there is no symbol."""
    other = _start_of(symbol)
    return f"[..., &{other}]" if other else ""


def _start_of(symbol: NamedAddress | None) -> str:
    """Return the symbol's name where the pointer leads to its very start: what malloc leaves in a free chunk points
    behind that of main_arena, and in a stripped program an address is behind some symbol always."""
    return symbol.name if symbol is not None and not symbol.offset else ""


def _word_kinds(words: NDArray[np.uint64], blocks: Blocks, space: AddressSpace) -> NDArray[np.int32]:
    """Return the kind of each word: what it points to, if anything."""
    start = np.array([vma.start for vma in space], np.uint64)
    end = np.array([vma.end for vma in space], np.uint64)
    static = np.array([vma.is_file for vma in space], np.bool_)
    kinds = np.full(words.shape, _DATA, np.int32)
    kinds[words < np.uint64(_SMALL)] = _NUMBER
    kinds[words == np.uint64(0)] = _ZERO
    flat, values = kinds.reshape(-1), words.reshape(-1)
    if len(start):
        places = np.flatnonzero((values >= start[0]) & (values < end[-1]))
        near = values[places]
        vma = np.searchsorted(start, near, side="right") - 1
        mapped = near < end[vma]
        flat[places[mapped]] = np.where(static[vma[mapped]], _STATIC, _OTHER)
    if len(blocks):
        places = np.flatnonzero((values >= blocks.start[0]) & (values < blocks.end[-1]))
        near = values[places]
        block = np.searchsorted(blocks.start, near, side="right") - 1
        flat[places[near < blocks.end[block]]] = _BLOCK
    return kinds


def looks_like_text(head: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which heads begin with printable ASCII, to the end or to a zero or the end of a line."""
    octets = np.ascontiguousarray(head).view(np.uint8).reshape(len(head), head.dtype.itemsize * head.shape[1])
    graphic = (octets >= 0x20) & (octets < 0x7F)
    whole = graphic.all(axis=1)
    length = np.where(whole, octets.shape[1], np.argmin(graphic, axis=1))
    last = octets[np.arange(len(octets)), np.minimum(length, octets.shape[1] - 1)]
    text: NDArray[np.bool_] = (length >= _SHORTEST_TEXT) & (whole | np.isin(last, (0, 9, 10, 13)))
    return text
