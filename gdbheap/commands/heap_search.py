"""heap search: where a value, a text or a pointer into a range occurs, as chunk + offset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gdbheap.commands.command import Argument, Command, Target
from gdbheap.commands.place_name import place_name
from gdbheap.errors import HeapError, UsageError
from gdbheap.malloc.heap_view import HeapView
from gdbheap.process.touched import touched_spans
from gdbheap.report.report import ABSENT, Column, Line, Report

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.leaks.roots import Roots

# More say nothing new, and each is a row.
_MOST = 1 << 14
_TEXT = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"')
_RANGE = re.compile(r"(?P<low>0x[0-9a-f]+|\d+)\s*-\s*(?P<high>0x[0-9a-f]+|\d+)", re.IGNORECASE)

_COLUMNS = (
    Column("address", "address", "address"),
    Column("value", "address"),
    Column("mem", "address", "mem"),
    Column("offset", "size"),
    Column("state", "text", "state"),
    Column("place", "text", "symbol"),
)


@dataclass(frozen=True)
class _Wanted:
    """Either bytes, or words of `width` bytes from `low` to `high`, both included."""

    octets: bytes = b""
    width: int = 0
    low: int = 0
    high: int = 0


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Search, and say what each hit lies in."""
    from gdbheap.analysis.addresses.search import find_bytes, find_words, searched_ranges

    process = target.process
    wanted = _wanted(target, arguments["what"], arguments["width"], process.word)
    ranges = list(touched_spans(process, searched_ranges(process.address_space)))
    if wanted.octets:
        hits: list[tuple[int, Any]] = [
            (at, ABSENT) for at in find_bytes(process.memory, ranges, wanted.octets, _MOST + 1)
        ]
    else:
        hits = list(find_words(process.memory, ranges, wanted.width, wanted.low, wanted.high, _MOST + 1))
    notes = [f"more than {_MOST:,}: only the first are given"] if len(hits) > _MOST else []
    view, roots = _heap(target, notes)
    rows = [_row(target, view, roots, address, value) for address, value in hits[:_MOST]]
    if arguments["in_use"]:
        rows = [row for row in rows if row[4] == "in_use"]
    limit = target.setting("limit") if arguments["count"] is None else arguments["count"]
    cut = bool(limit) and len(rows) > limit
    return Report(
        command="heap search",
        columns=_COLUMNS,
        rows=rows,
        people=rows[:limit] if cut else None,
        after=(Line.plain(f"… {len(rows) - limit:,} more: --count 0 shows all", "dim"),) if cut else (),
        totals={"found": len(rows)},
        notes=tuple(notes),
    )


def _wanted(target: Target, text: str, width: int | None, word: int) -> _Wanted:
    quoted = _TEXT.fullmatch(text.strip())
    if quoted is not None:
        octets = _unescape(quoted["text"])
        if not octets:
            raise UsageError("an empty text is everywhere")
        return _Wanted(octets=octets)
    span = _RANGE.fullmatch(text.strip())
    width = width or word
    if width not in (1, 2, 4, 8):
        raise UsageError(f"--width takes 1, 2, 4 or 8 bytes, not {width}")
    most = (1 << 8 * width) - 1
    if span is not None:
        low, high = int(span["low"], 0), int(span["high"], 0) - 1
    else:
        low = high = target.evaluate(text) & most
    if low > high or high > most:
        raise UsageError(f"{text} is no range of values of {width} bytes: LOW-HIGH, HIGH not included")
    return _Wanted(width=width, low=low, high=high)


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


def _heap(target: Target, notes: list[str]) -> tuple[HeapView | None, Roots]:
    """Return what there is of malloc: a search works without it as well."""
    from gdbheap.analysis.leaks.roots import Roots, find_roots

    try:
        view = target.heap()
    except HeapError as error:
        notes.append(f"no chunks: {error}")
        return None, Roots((), ())
    roots: Roots = target.keep("roots", lambda _: find_roots(target.process, view))
    return view, roots


def _row(target: Target, view: HeapView | None, roots: Roots, address: int, value: Any) -> tuple[Any, ...]:
    chunk = None if view is None else view.chunk_at(address)
    if view is None or chunk is None:
        return address, value, ABSENT, ABSENT, ABSENT, place_name(target, roots, address)
    mem = chunk.address + view.layout.header
    if address < mem:
        return address, value, mem, ABSENT, chunk.state.label, "chunk header"
    return address, value, mem, address - mem, chunk.state.label, ""


COMMAND = Command(
    name="heap search",
    summary="Find where a value, a text or a pointer into a range occurs.",
    description=(
        "All that is readable and writable is searched. Values are aligned words: a pointer's size, or --width bytes. A text in double "
        'quotes is found wherever it lies (\\n, \\t, \\0, \\xNN, \\" and \\\\ are known). LOW-HIGH finds words that point into [LOW, HIGH). '
        "mem and offset say which chunk a hit is in, whatever its state; place, what it is outside of the heap."
    ),
    run=run,
    arguments=(
        Argument("WHAT", "text", "A gdb expression, a text in double quotes, or LOW-HIGH.", required=True),
        Argument("--width", "count", "Bytes of a value: 1, 2, 4 or 8 (default: a pointer's)."),
        Argument("--in-use", "flag", "Only what lies in chunks in use."),
        Argument("--count", "count", "Show at most this many rows; 0 shows all."),
    ),
    examples=(
        ("heap search p", "every word that holds the value of p"),
        ('heap search "GET /index" --in-use', "the chunks in use that hold this text"),
        ("heap search 0x555555559000-0x55555555a000", "every pointer into this page"),
    ),
)
