"""`gdbheap`: what gdbheap is, and what it found in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

import gdbheap
from gdbheap import packages
from gdbheap.errors import HeapError
from gdbheap.glibc.layout import BUILT_IN, DWARF, SIGNATURE, SYMBOL, Layout
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import Facts, Next, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """A fact: what it is of, and what was found."""

    what: str = field(metadata=column("text", "heading", heading=""))
    found: str = field(metadata=column("text", heading=""))


def about(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return what was found, a fact for each row; what cannot be found is a row that says why."""
    rows = [*_itself(), *_process(target)]
    facts = _facts(target)
    then = (Next("heap", "what is in the heap"), Next("help gdbheap", "all commands")) if "places" in facts else ()
    return Report("gdbheap", (Table(columns_of(_Row), rows), Facts(facts, shown=False)), next=then)


def _facts(target: Target) -> dict[str, Any]:
    """Return the same as values, None where it is not known: for a program that must know how far to trust."""
    facts: dict[str, Any] = {"version": gdbheap.__version__, "packages_missing": list(packages.missing())}
    try:
        process = target.process
    except HeapError:
        return facts
    facts |= {"kind": process.kind, "pid": process.pid, "pointer_size": process.pointer_size}
    facts["program"] = None if process.main is None else process.main.path
    try:
        layout = target.layout()
    except HeapError:
        return facts
    facts |= {"libc": layout.libc_path or None, "glibc_version": layout.glibc_version or None}
    places = {"main_arena": layout.main_arena, "mp_": layout.mp, "brk": layout.brk}
    facts["places"] = {
        name: None if place is None else {"address": f"{place.value:#x}", "source": place.source}
        for name, place in places.items()
    }
    return facts | {
        "sources": dict(layout.sources),
        "missing": {name: said(why) for name, why in layout.missing.items()},
        "missing_facts": {name: why.record() for name, why in layout.missing.items()},
    }


def _itself() -> Iterator[_Row]:
    yield _Row("gdbheap", gdbheap.__version__)
    missing = packages.missing()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    yield _Row("python", version + (f", without {', '.join(missing)}: {packages.setup_command()}" if missing else ""))


def _process(target: Target) -> Iterator[_Row]:
    try:
        process = target.process
    except HeapError as error:
        yield _Row("process", f"none: {error}")
        return
    where = f"{process.kind} process {process.own_id}" if process.pid is not None else process.kind
    threads = len(process.threads)
    yield _Row("process", f"{where}, {8 * process.pointer_size} bits, {threads} thread{'' if threads == 1 else 's'}")
    if process.main is not None:
        yield _Row("program", process.main.path)
    yield from (_Row("note", said(note)) for note in process.notes)
    try:
        layout = target.layout()
    except HeapError as error:
        yield _Row("heap", f"not found: {error}")
        return
    yield from _layout(layout)


def _layout(layout: Layout) -> Iterator[_Row]:
    """Where malloc keeps its things, and by what each was known: the surest first."""
    yield _Row("libc", f"{layout.libc_path or 'in the program'}, glibc {layout.glibc_version or 'of unknown version'}")
    for name, place in (("main_arena", layout.main_arena), ("mp_", layout.mp), ("brk", layout.brk)):
        if place is not None:
            yield _Row(name, f"{place.value:#x} (by {place.source})")
    for source in (SYMBOL, DWARF, SIGNATURE, BUILT_IN):
        names = [name for name, how in layout.sources.items() if how == source]
        if names:
            yield _Row(f"by {source}", ", ".join(names))
    for source in (SYMBOL, DWARF, SIGNATURE, BUILT_IN):
        threads = [
            str(each.number) for each in layout.threads if each.tcache is not None and each.tcache.source == source
        ]
        if threads:
            yield _Row("tcaches", f"of thread{'' if len(threads) == 1 else 's'} {', '.join(threads)} (by {source})")
    for each in layout.threads:
        if each.reason:
            yield _Row("tcaches", f"thread {each.number}: {said(each.reason)}")
    yield from (_Row("not known", f"{name}: {said(reason)}") for name, reason in layout.missing.items())
    yield from (_Row("note", said(note)) for note in layout.notes)


COMMAND = Command(
    name="gdbheap",
    summary="Show what gdbheap is, what it found in this process and how it knew.",
    run=about,
    description=(
        "Each place where malloc keeps its state is shown with how it was found: symbol and dwarf (from libc's own "
        "symbol table and debug information), signature (recognised by the shape of the data) or built-in (known for "
        "this release of libc). Whatever could not be found is listed with the reason and with what would fix it."
    ),
    examples=(("gdbheap", "the version, the process, its libc, and where malloc's state was found"),),
)
