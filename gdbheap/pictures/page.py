"""One page of HTML with all in it: sections with pictures and tables, the facts as JSON, and no request to anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from gdbheap.lazy import dataclass, regex
from gdbheap.pictures.svg import Svg, asset, escaped

# What is inlined, in this order; page/vendor/README.md has versions and licences.
_STYLES = ("pictures.css", "page.css")
_SCRIPTS = ("vendor/d3-hierarchy.min.js", "vendor/dagre.min.js", "page.js")
_LICENCES = (
    ("d3-hierarchy 3.1.3 (ISC)", "vendor/d3-hierarchy.LICENSE"),
    ("dagre 3.1.3 (MIT)", "vendor/dagre.LICENSE"),
)


_IN_BACKTICKS = regex(r"`([^`]+)`")


@dataclass(frozen=True)
class Figure:
    """A picture and the sentence below it; `facts` names what of the facts a script draws in its place, or adds to it
    ("map:0", "held", "owners")."""

    caption: str
    svg: Svg | None = None
    facts: str = ""


@dataclass(frozen=True)
class Section:
    """`name` is its id, `lines` what is said first, `tables` markup."""

    name: str
    title: str
    lines: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def page(title: str, subtitle: str, sections: Iterable[Section], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page in pieces."""
    sections = list(sections)
    style = "\n".join(map(asset, _STYLES))
    script = "\n;\n".join(map(asset, _SCRIPTS))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escaped(policy)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="referrer" content="no-referrer">\n'
    yield f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    yield '<a class="skip" href="#main">Skip to the report</a>\n'
    yield f"<header><h1>{escaped(title)}</h1><p>{escaped(subtitle)}</p>"
    yield '<button type="button" id="theme" hidden>Dark or light</button></header>\n'
    yield '<nav aria-label="Sections"><ul>'
    for each in sections:
        yield f'<li><a href="#{each.name}">{escaped(each.title)}</a></li>'
    yield '</ul></nav>\n<main id="main">\n'
    for each in sections:
        yield from _section(each)
    yield from _licences()
    yield '</main>\n<div id="tip" role="status" aria-live="polite"></div>\n'
    yield f'<script type="application/json" id="facts">{_embedded(facts)}</script>\n<script>{script}</script>\n'
    yield "</body>\n</html>\n"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
    yield f'<h2 id="{section.name}-title">{escaped(section.title)}</h2>\n'
    for line in section.lines:
        yield f'<p class="line">{_with_code(line)}</p>\n'
    for figure in section.figures:
        drawn = figure.svg.inline() if figure.svg is not None else ""
        yield f'<figure data-facts="{escaped(figure.facts)}"><div class="wide drawing">{drawn}</div>'
        yield f"<figcaption>{escaped(figure.caption)}</figcaption></figure>\n"
    yield from section.tables
    for note in section.notes:
        yield f'<p class="note">Note: {_with_code(note)}</p>\n'
    yield "</section>\n"


def _with_code(line: str) -> str:
    """Return a line made safe, what it has in backticks as code."""
    return _IN_BACKTICKS.sub(r"<code>\1</code>", escaped(line))


def _licences() -> Iterator[str]:
    yield "<footer><details><summary>Libraries in this page, and their licences</summary>"
    for name, file in _LICENCES:
        yield f"<h3>{escaped(name)}</h3><pre>{escaped_lines(asset(file))}</pre>"
    yield "</details><p>The facts of this page are in it as JSON: the element with the id facts.</p></footer>\n"


def escaped_lines(text: str) -> str:
    """Return several lines made safe."""
    return "\n".join(map(escaped, text.split("\n")))


def _embedded(facts: Mapping[str, Any]) -> str:
    """Return JSON that holds no "<", so that nothing in it can end the element it is in."""
    return json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
