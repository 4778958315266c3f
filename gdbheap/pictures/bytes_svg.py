"""Bytes around a broken field: those of the block, those that were written past its end, and the field that was hit."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.lazy import dataclass
from gdbheap.pictures.svg import Svg, columns_in, fitted, legend_height
from gdbheap.report.line_text import broken_at_words

_LEFT, _CELL, _ROW, _COLUMNS, _TEXT = 130, 30, 24, 16, 16
BLOCK, PAST, HEADER, REST = "block", "past", "header", "rest"
WORDS = {
    BLOCK: "the block that was written past its end",
    PAST: "written past its end",
    HEADER: "a header of malloc's",
    REST: "other memory",
}


@dataclass(frozen=True)
class ByteSpan:
    """Bytes [start, end) of one of the kinds above."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class BytePicture:
    """`data` is what lies at `start` (a multiple of 16); later `spans` go before earlier ones. `field` is the broken
    one, [start, end); `lines` say of it what was found and what was expected."""

    start: int
    data: bytes
    spans: Sequence[ByteSpan]
    field: tuple[int, int]
    lines: Sequence[str]


def bytes_svg(picture: BytePicture, title: str) -> Svg:
    """Draw the bytes in rows of 16, the broken field framed."""
    rows = -(-len(picture.data) // _COLUMNS)
    width = _LEFT + _COLUMNS * _CELL + 20 + _TEXT * 8
    legend = [(f"byte {kind}", WORDS[kind]) for kind in dict.fromkeys(each.kind for each in picture.spans)]
    top = int(legend_height(width, _LEFT, legend)) + 12
    lines = [piece for told in picture.lines for piece in _broken(told, width - _LEFT)]
    svg = Svg(width, top + rows * _ROW + 10 + 18 * len(lines), title, "; ".join(picture.lines))
    svg.legend(_LEFT, legend)
    for offset, byte in enumerate(picture.data):
        row, column = divmod(offset, _COLUMNS)
        x, y, address = _LEFT + column * _CELL, top + row * _ROW, picture.start + offset
        if column == 0:
            svg.text(_LEFT - 8, y + 16, f"{address:#x}", "dim", end=True)
            line = picture.data[offset : offset + _COLUMNS]
            text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in line)
            svg.text(_LEFT + _COLUMNS * _CELL + 12, y + 16, text, "dim")
        svg.rect(x, y, _CELL - 2, _ROW - 3, f"byte {_kind(picture, address)}")
        svg.text(x + 6, y + 15, f"{byte:02x}")
    _frame(svg, picture, top)
    bad = len(_broken(picture.lines[0], width - _LEFT)) if picture.lines else 0
    for number, told in enumerate(lines):
        svg.text(_LEFT, top + rows * _ROW + 18 + 18 * number, told, "bad" if number < bad else "")
    return svg


def _broken(text: str, width: float) -> list[str]:
    """Return the text in as many lines as it takes (of a very long word as much as fits)."""
    return [fitted(line, width) for line in broken_at_words(text, columns_in(width))]


def _kind(picture: BytePicture, address: int) -> str:
    kinds = [each.kind for each in picture.spans if each.start <= address < each.end]
    return kinds[-1] if kinds else REST


def _frame(svg: Svg, picture: BytePicture, top: int) -> None:
    """Draw a frame around the field, in each row that it is in."""
    start, end = picture.field
    for row_start in range(picture.start, picture.start + len(picture.data), _COLUMNS):
        low, high = max(start, row_start), min(end, row_start + _COLUMNS)
        if low < high:
            y = top + (row_start - picture.start) // _COLUMNS * _ROW
            x = _LEFT + (low - row_start) * _CELL
            svg.rect(x - 2, y - 2, (high - low) * _CELL + 2, _ROW + 1, "wrong")
