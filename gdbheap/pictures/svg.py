"""A drawing as SVG: shapes with a class each (pages/pictures.css gives classes their look), all text made safe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from gdbheap.files import read_regular
from gdbheap.report.printable import cut_end, printable

_FOLDER = os.path.join(os.path.dirname(__file__), "page")
# The width of a letter for its size: text is set in a font of one width.
_LEGEND_LINE = 16
LETTER = 0.6
TEXT = 12


def escaped(text: str) -> str:
    """Return the text, whatever it holds, as characters of HTML, XML or a quoted attribute."""
    import html  # kept out of gdb's start

    return html.escape(printable(text), quote=True)


def asset(name: str) -> str:
    """Return the text of a file that comes with the package, in page/."""
    return read_regular(os.path.join(_FOLDER, name), 1 << 22).decode()


class Svg:
    """A drawing of `width` by `height` units. `title` and `description` are what a screen reader says of it."""

    def __init__(self, width: float, height: float, title: str, description: str = "") -> None:
        self.width, self.height, self.title = width, height, title
        self._description = description
        self._attributes: list[str] = []
        self._pieces: list[str] = []

    def attribute(self, name: str, value: str) -> None:
        """Give the drawing itself an attribute."""
        self._attributes.append(f' {name}="{escaped(value)}"')

    def rect(  # noqa: PLR0913 (the first four are SVG's own)
        self, x: float, y: float, width: float, height: float, kind: str, title: str = ""
    ) -> None:
        """Draw a rectangle of class `kind`; `title` is what it is, shown at the pointer."""
        shape = f'<rect class="{kind}" x="{x:.4g}" y="{y:.5g}" width="{max(width, 0):.4g}" height="{height:.4g}"'
        self._pieces.append(f"{shape}><title>{escaped(title)}</title></rect>" if title else f"{shape}/>")

    def path(self, steps: Iterable[str], kind: str) -> None:
        """Draw a path out of SVG's path commands."""
        self._pieces.append(f'<path class="{kind}" d="{"".join(steps)}"/>')

    def text(self, x: float, y: float, text: str, kind: str = "", end: bool = False) -> None:
        """Write a line; at `end` it ends at x."""
        anchor = ' text-anchor="end"' if end else ""
        of_kind = f' class="{kind}"' if kind else ""
        self._pieces.append(f'<text{of_kind} x="{x:.5g}" y="{y:.5g}"{anchor}>{escaped(text)}</text>')

    def line(self, x: float, y: float, to_x: float, to_y: float, kind: str) -> None:
        self._pieces.append(f'<line class="{kind}" x1="{x:.5g}" y1="{y:.5g}" x2="{to_x:.5g}" y2="{to_y:.5g}"/>')

    def legend(self, left: float, kinds: Iterable[tuple[str, str]]) -> None:
        """Write what each kind stands for along the top, in as many lines as it takes (see legend_height)."""
        for x, y, kind, words in _legend_places(self.width, left, kinds):
            self.rect(x, y, 11, 11, kind)
            self.text(x + 15, y + 10, words)

    def inline(self) -> str:
        """Return it as an element of a page that has page/pictures.css."""
        description = f"<desc>{escaped(self._description)}</desc>" if self._description else ""
        box = f'viewBox="0 0 {self.width:.5g} {self.height:.5g}" width="{self.width:.5g}" height="{self.height:.5g}"'
        start = f'<svg class="picture" role="img" {box}{"".join(self._attributes)}>'
        return f"{start}<title>{escaped(self.title)}</title>{description}{PATTERNS}{''.join(self._pieces)}</svg>"

    def document(self) -> str:
        """Return it as a file of its own."""
        markup = self.inline().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        style = f"<style>{asset('pictures.css')}</style>"
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{markup.replace("<title>", style + "<title>", 1)}\n'


def legend_height(width: float, left: float, kinds: Iterable[tuple[str, str]]) -> float:
    """Return how high a drawing's legend is, in a drawing of this width."""
    return max((y + _LEGEND_LINE for _, y, _, _ in _legend_places(width, left, kinds)), default=0.0)


def _legend_places(
    width: float, left: float, kinds: Iterable[tuple[str, str]]
) -> Iterator[tuple[float, float, str, str]]:
    x, y = left, 2.0
    for kind, words in kinds:
        needed = 31 + LETTER * TEXT * len(words)
        if x + needed > width and x > left:
            x, y = left, y + _LEGEND_LINE
        yield x, y, kind, words
        x += needed


def fitted(text: str, width: float) -> str:
    """Return as much of the text as fits into so many units."""
    return cut_end(printable(text), columns_in(width))


def columns_in(width: float) -> int:
    """Return how many letters fit into so many units."""
    return max(int(width / (TEXT * LETTER)), 3)


# What tells kinds of memory apart beside their colours: stripes and dots.
PATTERNS = "".join(
    f'<pattern id="{name}" patternUnits="userSpaceOnUse" width="{size}" height="{size}">'
    f'<rect class="{name} ground" width="{size}" height="{size}"/>{mark}</pattern>'
    for name, size, mark in (
        ("of-free", 4, '<path class="of-free mark" d="M-1 1l2-2M0 4l4-4M3 5l2-2"/>'),
        ("of-given_back", 4, '<path class="of-given_back mark" d="M1 1h1v1h-1z"/>'),
        ("of-top", 6, '<path class="of-top mark" d="M0 3h6"/>'),
        ("of-other", 4, '<path class="of-other mark" d="M0 0l4 4M0 4l4-4"/>'),
    )
)
