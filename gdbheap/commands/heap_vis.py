"""heap vis: a hexdump of chunks, each in its own colour, headers and links annotated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import islice
from typing import Any

from gdbheap.analysis.addresses.pointer_chain import pointer_chain
from gdbheap.counted import counted
from gdbheap.errors import MemoryFault, UsageError
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import flag_letters, place_of
from gdbheap.glibc.walk.links import demangle
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import Facts, Line, Next, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.block_names import BlockNames
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.sentences.pointer_chains import end_text
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target

_COLOURS = 4
# Of a chunk longer than this many lines the middle is left out.
_LINES = 16
_TAIL_LINES = 2
# So many lines that hold the same are told in one.
_ALIKE = 2


@dataclass(frozen=True)
class _Row:
    """A line of two words."""

    address: int = field(metadata=column("address", "address"))
    first: int | None = field(metadata=column("address"))
    second: int | None = field(metadata=column("address"))
    text: str | None = field(metadata=column())
    chunk: int = field(metadata=column("address", "address"))
    note: str = field(metadata=column())


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Dump chunks from the one that holds the address on (without one: from the first)."""
    view = target.heap()
    if not len(view.table):
        return Report(
            "heap vis",
            (
                Table(columns_of(_Row), []),
                faults_section(view.faults),
            ),
            notes=(*said_all(view.notes), "the heap has no chunks yet"),
        )
    row = 0
    if arguments["address"] is not None:
        found = view.table.row_at(arguments["address"])
        if found is None:
            address = arguments["address"]
            raise UsageError(f"{address:#x} is in no chunk of the heap; `vmmap {address:#x}` shows what is there")
        row = found
    count = arguments["count"] or len(view.table)
    dump = _Dump(target, view, block_names(target), whole=arguments["whole"])
    end = min(row + count, len(view.table))
    for index in range(row, end):
        dump.add(view.table[index], index)
    if end < len(view.table):
        dump.display_rows.append(
            Line.plain(f"… {counted(len(view.table) - end, 'more chunk')}: --count N shows N", "dim")
        )
    return Report(
        "heap vis",
        (
            Table(columns_of(_Row), dump.rows, dump.display_rows),
            Facts({"chunks": end - row}),
            Facts({"chunks_left_out": len(view.table) - end}, shown=False),
            faults_section(view.faults),
        ),
        notes=said_all(view.notes),
        next=tuple(_next(view, row, end)),
    )


def _next(view: HeapView, row: int, end: int) -> Iterator[Next]:
    """Yield who points to the first block of the program's that is shown, and its chunk in full."""
    chunks = map(view.table.__getitem__, range(row, end))
    for chunk in islice((each for each in chunks if each.state is State.IN_USE), 1):
        mem = chunk.address + view.layout.header
        yield Next(f"heap chunk {mem:#x}", "its header, bit by bit")
        yield Next(f"heap owners {mem:#x}", "who points to it")


class _Dump:
    """Lines of two words each. A chunk's colour runs from its size field to the next chunk's: the word between,
    prev_size, is the data of the chunk before while that is in use."""

    def __init__(self, target: Target, view: HeapView, names: BlockNames | None, whole: bool) -> None:
        self.rows: list[_Row] = []
        self.display_rows: list[Line] = []
        self._view = view
        self._target = target
        self._memory = target.process.memory
        self._names = names
        self._whole = whole
        self._pointer_size = view.layout.pointer_size

    def add(self, chunk: Chunk, index: int) -> None:
        step = 2 * self._pointer_size
        lines = max(chunk.size // step, 1)
        if chunk.state in (State.TOP, State.UNKNOWN) and not self._whole:
            lines = 1
        for line in self._folded(chunk, lines):
            if isinstance(line, range):
                self._fold(chunk, line)
            elif line is None:
                left = (lines - _LINES) * step
                self.display_rows.append(Line.plain(f"{'':>18}  … {left:#x} more bytes: --whole shows them", "dim"))
            else:
                self._add_line(chunk, index, chunk.address + line * step, first=line == 0)

    def _folded(self, chunk: Chunk, lines: int) -> Iterator[int | range | None]:
        """Yield the lines to show, of several that hold the same the first alone, and the others as a range."""
        step, alike, first = 2 * self._pointer_size, b"", -1
        held: list[int] = []
        for line in self._shown(lines):
            data = b"" if line is None or self._whole else self._data(chunk.address + line * step)
            if held and (line is None or data != alike or not data):
                yield from [range(held[0], held[-1] + 1)] if len(held) >= _ALIKE else held
                held = []
            if line is None or line <= 1 or not data or data != alike or first < 0:
                yield line
                alike, first = (data, line) if line is not None and line > 0 else (b"", -1)
            else:
                held.append(line)
        if held:
            yield from [range(held[0], held[-1] + 1)] if len(held) >= _ALIKE else held

    def _data(self, address: int) -> bytes:
        try:
            return self._memory.read(address, 2 * self._pointer_size)
        except MemoryFault:
            return b""

    def _fold(self, chunk: Chunk, lines: range) -> None:
        """Add the rows of lines that hold the same, and for people one line for them all."""
        shown, step = self.display_rows, 2 * self._pointer_size
        self.display_rows = []
        for line in lines:
            self._add_line(chunk, 0, chunk.address + line * step, first=False)
        told = f"{'':>18}  … {counted(len(lines), 'line')} more of the same"
        self.display_rows = [*shown, Line.plain(told, "dim")]

    def _shown(self, lines: int) -> Iterator[int | None]:
        """Yield the lines to show; None stands for those left out."""
        if lines <= _LINES + 1 or self._whole:
            yield from range(lines)
            return
        yield from range(_LINES - _TAIL_LINES)
        yield None
        yield from range(lines - _TAIL_LINES, lines)

    def _add_line(self, chunk: Chunk, index: int, address: int, first: bool) -> None:
        try:
            data = self._memory.read(address, 2 * self._pointer_size)
        except MemoryFault:
            self.display_rows.append(Line((("address", f"{address:#18x}"), ("fault", "  unreadable"))))
            self.rows.append(_Row(address, None, None, None, chunk.address, "unreadable"))
            return
        words = [
            int.from_bytes(data[: self._pointer_size], "little"),
            int.from_bytes(data[self._pointer_size :], "little"),
        ]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
        note = self._note(chunk, address, words)
        self.rows.append(_Row(address, words[0], words[1], text, chunk.address, note))
        colour, before = f"chunk.{index % _COLOURS}", f"chunk.{(index - 1) % _COLOURS}"
        digits = 2 + 2 * self._pointer_size
        self.display_rows.append(
            Line(
                (
                    ("address", f"{address:#18x}  "),
                    (before if first and index else colour, f"{words[0]:#0{digits}x}  "),
                    (colour, f"{words[1]:#0{digits}x}"),
                    ("dim", f"  {text}"),
                    ("note" if note else "", f"  ← {note}" if note else ""),
                )
            )
        )

    def _note(self, chunk: Chunk, address: int, words: list[int]) -> str:
        layout = self._view.layout
        if address == chunk.address:
            place = place_of(self._view, chunk)
            state = f"{chunk.state.label}{', ' + place if place else ''}"
            return f"size {chunk.size:#x} {flag_letters(chunk.flags)} {state}"
        if chunk.state is State.IN_USE:
            return self._members(chunk, address, words)
        if address != chunk.address + layout.header or not chunk.state.is_free:
            return ""
        if chunk.state in (State.TCACHE, State.FASTBIN):
            return f"next {demangle(address, words[0], layout):#x}"
        return f"fd {words[0]:#x}, bk {words[1]:#x}"

    def _members(self, chunk: Chunk, address: int, words: list[int]) -> str:
        """Return what lies in the line by name: the members that begin in each word, the type before the first; and
        what text or symbol a word leads to."""
        mem, size = chunk.address + self._view.layout.header, self._pointer_size
        block = None if self._names is None else self._names.find(mem)
        told = []
        for number, word in enumerate(words):
            at = address + number * size
            members = "" if self._names is None or block is None else self._names.members_in(block, at - mem, size)
            leads = self._leads(word) if at >= mem else ""
            told.append(f"{members}{leads}")
        if told[0] and told[0] == told[1]:  # two words of one member
            del told[1]
        joined = "; ".join(told) if all(told) else told[0] or (told[1] and f"…; {told[1].lstrip()}")
        kind = "" if self._names is None or block is None or address != mem else self._names.of(block)
        return f"{kind}: {joined.lstrip()}" if kind and joined else kind or joined.lstrip()

    def _leads(self, word: int) -> str:
        """Return the text or the symbol that a word leads to; "" for neither."""
        chain = pointer_chain(self._target.process, word, self._target.symbol_at)
        return "" if chain is None else end_text(chain)


COMMAND = Command(
    name="heap vis",
    summary="Dump chunks in hexadecimal, each in its own colour, headers and links explained.",
    description=(
        "Each line holds two words; a chunk's first line is prev_size (while the chunk before is in use, its data) "
        "and size. Flags: A NON_MAIN_ARENA, M IS_MMAPPED, P PREV_INUSE."
    ),
    run=run,
    arguments=(
        Argument("ADDRESS", "expression", "Start at the chunk that holds this address."),
        Argument("--count", "count", "How many chunks; 0 for all.", default=10),
        Argument("--whole", "flag", "Show long chunks in full."),
    ),
    examples=(("heap vis", "the first ten chunks"), ("heap vis p --count 2", "the chunk of p and the next")),
)
