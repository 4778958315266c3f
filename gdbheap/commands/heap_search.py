"""heap search: where a value, a text or a pointer into a range occurs, as chunk + offset."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import islice
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import dataclass, regex
from gdbheap.process.live.touched import out_of_reach, touched_spans
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Facts, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.session.assumed_zeros import note_on_zeros
from gdbheap.session.block_names import block_names
from gdbheap.session.heap_or_note import heap_or_note
from gdbheap.session.place_name import place_name, with_member
from gdbheap.session.target import Key, Target

if TYPE_CHECKING:
    from gdbheap.analysis.pointers.roots import Roots

    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.pointers.search import Values
    from gdbheap.process.memory import ReadProgress
    from gdbheap.sentences.block_names import BlockNames

# More say nothing new, and each is a row.
_MOST = 1 << 14
_TEXT = regex(r'"(?P<text>(?:[^"\\]|\\.)*)"')
_RANGE = regex(r"(?P<low>0x[0-9a-f]+|\d+)\s*-\s*(?P<high>0x[0-9a-f]+|\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class _Row:
    """A hit, and what it lies in."""

    address: int = field(metadata=column("address", "address"))
    value: int | Absent = field(metadata=column("address"))
    mem: int | Absent = field(default=ABSENT, metadata=column("address", "mem"))
    offset: int | Absent = field(default=ABSENT, metadata=column("size"))
    state: str | Absent = field(default=ABSENT, metadata=column("text", "state"))
    place: str = field(default="", metadata=column("text", "symbol"))
    type: str | Absent | None = field(default=ABSENT, metadata=column(shown=False))
    member: str | Absent | None = field(default=ABSENT, metadata=column(shown=False))


@dataclass(frozen=True)
class _Wanted:
    """Either bytes, or words of `width` bytes from `low` to `high`, both included, at multiples of their width or
    (`unaligned`) anywhere."""

    octets: bytes = b""
    width: int = 0
    low: int = 0
    high: int = 0
    unaligned: bool = False


@dataclass(frozen=True)
class _Hits:
    """(address, value) of what was found, the value ABSENT for a text. `more`: there are more; `interrupted`: Ctrl-C
    ended the search."""

    found: tuple[tuple[int, Any], ...]
    more: bool
    interrupted: bool


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Search, and say what each hit lies in."""
    from gdbheap.analysis.pointers.search import searched_ranges

    wanted = _wanted_bytes(arguments["what"]) if arguments["hex"] else _wanted(target, arguments)
    notes: list[str] = []
    view, roots = _heap(target, notes)
    within = view if arguments["in_use"] else None
    if arguments["in_use"] and view is None:
        raise UsageError(f"--in-use needs chunks to search: {notes[0]}")
    ranges = list(searched_ranges(target.process.address_space, arguments["all"]))
    key: Key[_Hits] = Key(("search", wanted, within is None, arguments["all"]))
    hits = target.keep(key, lambda progress: _search(target, wanted, ranges, within, progress))
    notes += _notes_on_hits(target, hits, ranges)
    if not hits.interrupted and not hits.found:
        notes += [*note_on_zeros(target.process), *_not_searched(target, wanted, arguments)]
    places = _Places(target, view, roots, _names(target, view, hits))
    rows = [places.row(address, value) for address, value in hits.found]
    limit = limit_of(target, arguments)
    cut = bool(limit) and len(rows) > limit
    return Report(
        "heap search",
        (
            Table(columns_of(_Row, value=not wanted.octets), rows, rows[:limit] if cut else None),
            Prose((left_out(len(rows) - limit, ""),) if cut else ()),
            Facts({"found": len(rows)}),
        ),
        notes=tuple(notes),
        next=tuple(_next(rows)),
    )


def _notes_on_hits(target: Target, hits: _Hits, ranges: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Yield what keeps the hits from being all that there are."""
    if hits.more:
        yield f"more than {_MOST:,}: only the first are shown"
    far = out_of_reach(target.process, ranges)
    if far:
        yield (
            f"memory of the remote process too large for the connection was not searched ({human_size(far)}; gdb on "
            "that machine can)"
        )
    if not target.process.address_space.known:
        yield "this target does not list its mappings: only the memory that was found otherwise was searched"
    if hits.interrupted:
        yield "stopped by Ctrl-C: what was found until then is shown"


def _next(rows: Sequence[_Row]) -> Iterator[Next]:
    for row in rows[:1]:
        yield Next(f"explain {row.address:#x}", "what is at the first")
    blocks = (row.mem for row in rows if isinstance(row.mem, int) and row.state == State.IN_USE.label)
    for mem in islice(blocks, 1):
        yield Next(f"heap owners {mem:#x}", "who points to the first block")


def _not_searched(target: Target, wanted: _Wanted, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield where what was not found may be all the same, and how to look there."""
    from gdbheap.analysis.pointers.search import searched_ranges

    space = target.process.address_space
    sizes = [sum(end - start for start, end in searched_ranges(space, every)) for every in (False, True)]
    if not arguments["all"] and not arguments["in_use"] and sizes[0] < sizes[1]:
        yield f"{human_size(sizes[1] - sizes[0])} of read-only memory were not searched (code, constants): --all does"
    if wanted.width > 1 and not wanted.unaligned:
        yield f"values were looked for at multiples of {wanted.width}: --unaligned finds them anywhere"


def _search(
    target: Target,
    wanted: _Wanted,
    within: list[tuple[int, int]],
    view: GlibcHeap | None,
    progress: ReadProgress | None,
) -> _Hits:
    """Return what is found within these ranges, of that which lies in blocks in use of `view` if there is one."""
    from gdbheap.analysis.pointers.search import find_bytes, find_unaligned_words, find_words

    process = target.process
    chosen = None if view is None else view.in_use
    ranges = touched_spans(process, within)
    hits: Iterator[tuple[int, Any]]
    if wanted.octets:
        hits = ((at, ABSENT) for at in find_bytes(process.memory, ranges, wanted.octets, chosen, progress))
    else:
        find = find_unaligned_words if wanted.unaligned else find_words
        hits = find(process.memory, ranges, _values(target, wanted), chosen, progress)
    found: list[tuple[int, Any]] = []
    try:
        for address, value in hits:
            if len(found) == _MOST:
                return _Hits(tuple(found), more=True, interrupted=False)
            found.append((address, value))
    except KeyboardInterrupt:
        return _Hits(tuple(found), more=False, interrupted=True)
    return _Hits(tuple(found), more=False, interrupted=False)


def _wanted_bytes(text: str) -> _Wanted:
    """Return the bytes that are given in hex, with blanks or colons between them or without."""
    digits = re.sub(r"0x|[\s:,]", "", text.strip(), flags=re.IGNORECASE)
    if not digits or len(digits) % 2 or re.fullmatch(r"[0-9a-fA-F]+", digits) is None:
        raise UsageError(f"{text} is not a sequence of bytes: --hex takes two hex digits for each, as in 7f 45 4c 46")
    return _Wanted(octets=bytes.fromhex(digits))


def _wanted(target: Target, arguments: Mapping[str, Any]) -> _Wanted:
    text, width, pointer_size = arguments["what"], arguments["width"], target.process.pointer_size
    quoted = _TEXT.fullmatch(text.strip())
    if quoted is not None:
        octets = _unescape(quoted["text"])
        if not octets:
            raise UsageError("empty text matches everywhere")
        return _Wanted(octets=octets)
    span = _RANGE.fullmatch(text.strip())
    width = width or pointer_size
    if width not in (1, 2, 4, 8):
        raise UsageError(f"--width takes 1, 2, 4 or 8 bytes, not {width}")
    most = (1 << 8 * width) - 1
    if span is not None:
        low, high = int(span["low"], 0), int(span["high"], 0) - 1
    else:
        low = high = _value(target, text, width)
    if low > high or high > most:
        raise UsageError(f"{text} is not a range of values of {width} bytes (LOW-HIGH, HIGH not included)")
    return _Wanted(width=width, low=low, high=high, unaligned=arguments["unaligned"])


def _values(target: Target, wanted: _Wanted) -> Values:
    from gdbheap.analysis.pointers.search import Values

    if wanted.width == target.process.pointer_size:
        return Values.of_pointers(target.process, wanted.low, wanted.high)
    return Values(wanted.width, wanted.low, wanted.high)


def _value(target: Target, text: str, width: int) -> int:
    """Return the value of an expression as an unsigned word of `width` bytes; UsageError where it does not fit."""
    try:
        value = target.evaluate(text)
    except UsageError as error:
        if text.strip().isidentifier():
            raise UsageError(f'{error} (a text is searched for in double quotes: "{text.strip()}")') from error
        raise
    # A negative number comes as an unsigned one of 64 bits.
    if value >> 8 * width and (1 << 64) - value > 1 << 8 * width - 1:
        fits = next((each for each in (2, 4, 8) if not value >> 8 * each), 8)
        raise UsageError(
            f"{text} is {value:#x}, more than {counted(width, 'byte')} hold: --width {fits} searches for it"
        )
    return value & ((1 << 8 * width) - 1)


def _unescape(text: str) -> bytes:
    r"""Return the bytes of a text with \n, \t, \0, \xNN, \" and \\ in it."""
    named = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0"}
    pieces = re.split(r"\\(x[0-9a-fA-F]{2}|.)", text)
    octets = b""
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            octets += piece.encode("utf-8", "surrogateescape")
        elif piece[0] == "x" and len(piece) == 3:
            octets += bytes([int(piece[1:], 16)])
        else:
            octets += named.get(piece, piece.encode("utf-8", "surrogateescape"))
    return octets


def _heap(target: Target, notes: list[str]) -> tuple[GlibcHeap | None, Roots]:
    """Return what there is of malloc: a search works without it as well."""
    from gdbheap.analysis.pointers.roots import Roots, find_roots

    view, without = heap_or_note(target)
    notes += without
    if view is None:
        return None, Roots((), ())
    roots: Key[Roots] = Key("roots")
    return view, target.keep(roots, lambda _: find_roots(target.process, view))


def _names(target: Target, view: GlibcHeap | None, hits: _Hits) -> BlockNames | None:
    """Return the names of blocks, where something was found in one."""
    chunks = (view.user_of(address) for address, _ in hits.found) if view is not None else ()
    in_use = any(chunk is not None and chunk.state is State.IN_USE for chunk in chunks)
    return block_names(target) if in_use else None


@dataclass(frozen=True)
class _Places:
    """All that tells what an address lies in; `view` and `names` are None where there is no heap, or no block has a
    name."""

    target: Target
    view: GlibcHeap | None
    roots: Roots
    names: BlockNames | None

    def row(self, address: int, value: int | Absent) -> _Row:
        """Return the row of a hit."""
        chunk = None if self.view is None else self.view.user_of(address)
        if self.view is None or chunk is None:
            place = with_member(place_name(self.target, self.roots, address), self.names)
            return _Row(address, value, place=str(place), member=place.member or ABSENT)
        mem, state, names = chunk.address + self.view.layout.header, chunk.state.label, self.names
        if address < mem:
            return _Row(address, value, mem, state=state, place="chunk header")
        block = None if names is None or chunk.state is not State.IN_USE else names.find(address)
        if names is None or block is None:
            return _Row(address, value, mem, address - mem, state)
        member, kind = names.member_of(block, address - mem), names.types.name(block)
        place_text = names.sure_member(block, address - mem)
        return _Row(address, value, mem, address - mem, state, place_text, kind or None, member or None)


COMMAND = Command(
    name="heap search",
    summary="Find where a value, some text or a pointer into a range occurs.",
    description=(
        "Searches all memory that is readable and writable (--all: all that is readable). Values are aligned words "
        "(--unaligned: words at any address) of a pointer's size, or of --width bytes. Text in double quotes is found "
        'at any address (with \\n, \\t, \\0, \\xNN, \\" and \\\\). LOW-HIGH finds words that point into [LOW, HIGH). '
        "mem and offset tell which chunk a hit lies in, whatever its state; place is the member of the block, or what "
        "is there outside the heap."
    ),
    run=run,
    arguments=(
        Argument("WHAT", "text", "A gdb expression, text in double quotes, LOW-HIGH, or bytes (--hex).", required=True),
        Argument("--width", "count", "The size of a value in bytes: 1, 2, 4 or 8 (default: a pointer's)."),
        Argument("--hex", "flag", "WHAT is bytes in hex: 7f 45 4c 46."),
        Argument("--unaligned", "flag", "Find values at any address, not only at multiples of their size."),
        Argument("--in-use", "flag", "Search only chunks in use."),
        Argument("--all", "flag", "Search read-only memory too: code, constants, files."),
        count_argument(),
    ),
    examples=(
        ("heap search p", "every word that holds the value of p"),
        ('heap search "GET /index" --in-use', "the chunks in use that hold this text"),
        ("heap search 0x555555559000-0x55555555a000", "every pointer into this page"),
        ("heap search --all --hex 7f 45 4c 46", "these four bytes, in read-only memory too"),
    ),
)
