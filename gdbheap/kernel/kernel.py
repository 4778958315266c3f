"""The compiled loops, called with numpy arrays. Each caller has the same in numpy, for where there is no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdbheap.kernel.arrays import pointer
from gdbheap.kernel.tables import CompiledStarts, Edges, Regions
from gdbheap.lazy import np

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Less is not worth loading the kernel for: so many words or addresses take numpy a fraction of a millisecond.
_WORTH_IT = 1 << 15


def kernel(work: int = 0) -> CompiledLoops | None:
    """Return the kernel for so much work (words to look at, ...), None where there is none or the user wants none.
    Once it is loaded it does all."""
    if not _loaded and work >= _WORTH_IT:
        _loaded.append(_load())
    return _loaded[0] if _loaded else None


# The kernel, or None, once it was looked for.
_loaded: list[CompiledLoops | None] = []


def _load() -> CompiledLoops | None:
    from gdbheap.kernel import library  # kept out of gdb's start

    if library.is_turned_off():
        return None
    loaded = library.load()
    try:
        return None if loaded is None else CompiledLoops(loaded)
    except AttributeError:  # it lacks one of the loops
        return None


class CompiledLoops:
    """The loops of kernel.c. They take arrays without gaps, of 64-bit words, and check what they are given."""

    def __init__(self, library: ctypes.CDLL) -> None:
        import ctypes

        self._ctypes = ctypes
        word, address, number, handle = ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int

        def loop(name: str, *arguments: Any, gives: Any = None) -> Any:
            found = getattr(library, f"gdbheap_{name}")
            found.argtypes, found.restype = arguments, gives
            return found

        self._chain = loop("chain", address, word, word, word, word, address, word, address, gives=word)
        self._sieve = loop("sieve", address, word, word, ctypes.c_uint32, word, *[address] * 3, gives=word)
        self._inside = loop("inside", address, address, word, address, word, address)
        self._mark = loop("mark", address, word, word, address)
        self._hits = loop("hits", address, word, address, word, word, address, word, address)
        self._fill = loop("fill", address, address, address)
        self._before = loop("before", address, address, word, address)
        self._edges = loop("edges", address, address, word, address, address, word, address)
        self._codes = loop("codes", address, word, address, word, address, address, word, gives=word)
        self._take = loop("take", address, word, word, address, word, word, address)
        self._follow = loop("follow", address, word, number, address, gives=word)
        self._walk = loop("walk", address, address, word, address, word, address, address, gives=word)
        self._narrow = loop("narrow", address, address, address, word, address, word, word, address)
        self._letters = loop("letters", address, word, address, word, address)
        self._mixed_sums = loop("mixed_sums", address, word, address, address, word, address, address)
        self._begins = loop("begins", address, word, word, address)
        self._typed_words = loop("typed_words", address, address, word, address, address, gives=number)
        self._columns = loop("columns", address, word, address, word, word, *[address] * 4)
        self._heads = loop("heads", address, word, address, word, address)
        self._give = loop("give", address, word, word, address, address, word, address, address)
        self._part = loop("part", address, address, word, word, address, address, gives=word)
        self._read_rows = loop("read_rows", handle, handle, address, word, word, address, gives=handle)
        self._read_pages = loop("read_pages", handle, handle, word, address, word, ctypes.c_char_p, word, gives=word)

    def chain(
        self, words: NDArray[np.uint64], bounds: tuple[int, int], sizes: tuple[int, int], rows: NDArray[np.int64]
    ) -> tuple[int, int]:
        """Follow chunk after chunk from the size word at bounds[0] to the one before bounds[1]; `sizes` are the least
        and the bits that none has. Put their indices into `rows`; return how many, and where the next one lies."""
        position, bound = bounds
        following = self._ctypes.c_uint64()
        found = self._chain(
            pointer(words),
            position,
            min(bound, len(words)),
            *sizes,
            pointer(rows),
            len(rows),
            self._ctypes.addressof(following),
        )
        return found, following.value

    def sieve(
        self, words: NDArray[np.uint64], bounds: tuple[int, int, int], room: tuple[NDArray[np.uint32], NDArray[Any]]
    ) -> tuple[int, int]:
        """Put the places of the words of which (word - low) << shift is below `span`, the three `bounds`, and those
        words into the two arrays of `room`; return how many, and the largest."""
        low, shift, span = bounds
        places, within = room
        assert len(places) >= len(words) <= len(within)
        highest = self._ctypes.c_uint64()
        kept = self._sieve(
            pointer(words),
            len(words),
            low,
            shift,
            span,
            pointer(places),
            pointer(within),
            self._ctypes.addressof(highest),
        )
        return kept, highest.value

    def inside(
        self, start: NDArray[np.uint64], end: NDArray[np.uint64], words: NDArray[np.uint64]
    ) -> NDArray[np.bool_]:
        """Return which of the words lie in one of the ranges, which ascend and lie apart."""
        assert len(start) == len(end)
        found = np.empty(len(words), np.bool_)
        self._inside(pointer(start), pointer(end), len(start), pointer(words), len(words), pointer(found))
        return found

    def marked(self, addresses: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
        """Return a table of so many bits' places, one bit each, in which those of the addresses are set."""
        assert bits >= 6
        table = np.zeros(1 << bits - 6, np.uint64)
        self._mark(pointer(addresses), len(addresses), (1 << bits) - 1, pointer(table))
        return table

    def add_hits(
        self,
        table: NDArray[np.uint64],
        addresses: NDArray[np.uint64],
        key: int,
        words: NDArray[np.uint64],
        hits: NDArray[np.uint8],
    ) -> None:
        """Add one to the hits of each word that is among the addresses, which are marked in the table, by the key."""
        assert len(hits) == len(words)
        told = pointer(table), 64 * len(table) - 1, pointer(addresses), len(addresses)
        self._hits(*told, key, pointer(words), len(words), pointer(hits))

    def table(self, starts: NDArray[np.uint64], regions: Regions, shift: int) -> CompiledStarts:
        """Return a table of where to begin among the starts (starts.py)."""
        assert 4 <= shift < 64 and len(starts) < 1 << 31
        table = CompiledStarts(starts, regions, np.empty(regions.places, np.int32), shift)
        self._fill(pointer(table.told), pointer(regions.row), pointer(table.table))
        return table

    def before(self, table: CompiledStarts, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the index of the last start at or before each address, -1 where there is none."""
        found = np.empty(len(addresses), np.int64)
        self._before(pointer(table.told), pointer(addresses), len(addresses), pointer(found))
        return found

    def edges(self, table: CompiledStarts, end: NDArray[np.uint64]) -> Edges:
        """Return what takes the edges of blocks that begin where the table says, and `end` there."""
        assert len(end) == len(table.starts)
        return Edges(self._edges, table, end)

    def read_pages(
        self, handles: tuple[int, int], address: int, buffer: memoryview, touched: bytes, page_size: int
    ) -> int:
        """Fill the buffer from the address on with touched pages of a process (`handles`: its number, and the file that
        is its memory), and zeros for others; return how many bytes could be."""
        assert len(touched) * page_size >= address % page_size + len(buffer)
        into = self._ctypes.c_char.from_buffer(buffer)
        at = self._ctypes.addressof(into)
        done: int = self._read_pages(*handles, address, at, len(buffer), touched, page_size)
        return done

    def letters(self, heads: NDArray[np.uint8], blocks: NDArray[np.int32], letters: NDArray[np.uint8]) -> None:
        """Note in `letters`, which has a number for each block, what the blocks' heads tell (texts.py)."""
        assert len(heads) == len(letters) and heads.shape[1] == 16
        self._letters(pointer(heads), len(heads), pointer(blocks), len(blocks), pointer(letters))

    def codes(self, values: NDArray[np.uint64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return a number for each value, the same for the same, from 0 on in the order in which they come, and where
        each number comes first; None where more than `most` differ (or so it looks)."""
        table = np.full(1 << (4 * most).bit_length(), -1, np.int32)
        numbers, first = np.empty(len(values), np.int64), np.empty(most, np.int64)
        columns = pointer(table), len(table) - 1, pointer(numbers), pointer(first)
        found = self._codes(pointer(values), len(values), *columns, most)
        return (numbers, first[:found].copy()) if found <= most else None

    def mixed_sums(
        self, begin: NDArray[np.int64], place: NDArray[np.uint64], target: NDArray[np.int32], shape: NDArray[np.uint64]
    ) -> NDArray[np.uint64]:
        """Return for each node the sum of what its edges are mixed to (deep_shapes.py)."""
        assert len(begin) == len(shape) + 1 and len(place) == len(target)
        sums = np.empty(len(shape), np.uint64)
        edges = pointer(place), pointer(target), len(target)
        self._mixed_sums(pointer(begin), len(shape), *edges, pointer(shape), pointer(sums))
        return sums

    def begins(self, source: NDArray[Any], count: int) -> NDArray[np.int64]:
        """Return where the edges of each of so many nodes begin, and where the last one's end; `source` ascends."""
        assert source.dtype == np.int32
        begin = np.empty(count + 1, np.int64)
        self._begins(pointer(source), len(source), count, pointer(begin))
        return begin

    def typed_words(
        self,
        known: Sequence[NDArray[Any] | int],
        edges: NDArray[np.int64],
        inner: tuple[NDArray[np.int32], NDArray[np.int64]] | None,
    ) -> tuple[NDArray[Any], ...] | None:
        """Return the columns of TypedWords for these edges; None if a type is not laid out yet. `known` is what
        kernel.c has in struct typed_words, but for the room for what is found; `inner` the type of what each lies in
        that is inside a block (-1: in none), and how far in that."""
        kinds = (np.int32, np.uint32, np.int32, np.int64, np.bool_, np.int32, np.uint64, np.uint8)
        columns = tuple(np.empty(len(edges), kind) for kind in kinds)
        told = [each if isinstance(each, int) else pointer(each) for each in (*known, *columns)]
        words = np.array([each % (1 << 64) for each in told], np.uint64)
        lying = (None, None) if inner is None else tuple(pointer(each) for each in inner)
        found = self._typed_words(pointer(words), pointer(edges), len(edges), *lying)
        if found < 0:
            return None
        return columns if found == len(edges) else tuple(column[:found].copy() for column in columns)

    def columns(self, words: NDArray[np.uint64], rows: NDArray[np.int64], base: int) -> tuple[NDArray[np.uint64], ...]:
        """Return address, size word, fd and bk of the chunks of which the size words are at `rows`; the words lie from
        `base` on."""
        columns = tuple(np.empty(len(rows), np.uint64) for _ in range(4))
        where = (pointer(each) for each in columns)
        self._columns(pointer(words), len(words), pointer(rows), len(rows), base, *where)
        return columns

    def heads(self, words: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the two words from each place on, zeros for those behind the last."""
        heads = np.empty((len(places), 2), np.uint64)
        self._heads(pointer(words), len(words), pointer(places), len(places), pointer(heads))
        return heads

    def give(
        self,
        starts: NDArray[np.uint64],
        piece: tuple[int, NDArray[np.uint32], NDArray[np.uint64]],
        heads: NDArray[np.uint64],
        known: NDArray[np.bool_],
    ) -> None:
        """Put of a piece (its address, ascending places in it, and two words of each) the words of those that are
        among the starts into the rows of these, and mark them as known."""
        base, places, words = piece
        assert len(heads) == len(known) == len(starts) and len(words) == len(places)
        assert heads.shape[1] == words.shape[1] == 2
        told = pointer(starts), len(starts), base, pointer(places), pointer(words), len(places)
        self._give(*told, pointer(heads), pointer(known))

    def part(
        self, places: NDArray[np.uint32], words: NDArray[np.uint64], highest: int
    ) -> tuple[int, NDArray[np.uint32], NDArray[np.uint64]]:
        """Leave at the front of both, the words and their places, those up to the highest; return how many these are,
        and places and words of the others."""
        count = len(words)
        assert len(places) == count
        others, far = np.empty(count, np.uint32), np.empty(count, np.uint64)
        near = self._part(pointer(places), pointer(words), count, highest, pointer(others), pointer(far))
        return near, others[: count - near], far[: count - near]

    def read_rows(self, handles: tuple[int, int], addresses: NDArray[np.uint64], rows: NDArray[np.uint8]) -> bool:
        """Fill each row with bytes of the process (`handles` as read_pages() has them) from its address on; return
        whether all could be read."""
        assert len(rows) == len(addresses)
        count, size = rows.shape
        return bool(self._read_rows(*handles, pointer(addresses), count, size, pointer(rows)))

    def take(
        self, addresses: NDArray[np.uint64], base: int, words: NDArray[np.uint64], rows: NDArray[np.uint64]
    ) -> None:
        """Put into the rows the words from each address on, those of them that were read from `base` on."""
        assert len(rows) == len(addresses)
        columns = rows.shape[1]
        self._take(pointer(addresses), len(addresses), base, pointer(words), len(words), columns, pointer(rows))

    def narrow(
        self,
        graph: tuple[NDArray[np.int64], NDArray[np.int32]],
        front: NDArray[np.int32] | NDArray[np.intp],
        owner: NDArray[np.int32],
        wide: int,
    ) -> NDArray[np.int32]:
        """Go on node by node, as reach.py has it, in a graph (begins and targets) until more than `wide` nodes wait, or
        none; return those that do."""
        begin, target = graph
        count = len(owner)
        assert len(begin) == count + 1 and begin[0] >= 0 and begin[-1] <= len(target)
        queue = np.empty(count + len(front), np.int32)
        queue[: len(front)] = front
        told = np.array([len(front), 0], np.uint64)
        self._narrow(
            pointer(begin), pointer(target), pointer(owner), count, pointer(queue), len(queue), wide, pointer(told)
        )
        length, done = told.tolist()
        waiting: NDArray[np.int32] = queue[done:length].copy()
        return waiting

    def follow(self, following: NDArray[np.int32], row: int) -> NDArray[np.int32] | None:
        """Return the rows of a list from `row` to the one with no next (-1); None where it loops."""
        rows = np.empty(len(following), np.int32)
        count = self._follow(pointer(following), len(following), row, pointer(rows))
        return rows[:count].copy() if count else None

    def walk(
        self, following: NDArray[np.int32], is_open: NDArray[np.bool_], starts: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Go from each start along `following` as long as nodes are open, and close them; return the nodes, and the one
        before each."""
        assert len(following) == len(is_open)
        path, before = np.empty(len(following), np.int32), np.empty(len(following), np.int32)
        columns = pointer(following), pointer(is_open), len(following), pointer(starts), len(starts)
        count = self._walk(*columns, pointer(path), pointer(before))
        return path[:count].copy(), before[:count].copy()
