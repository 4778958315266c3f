"""A line with a name in front: "    cause   a double free: ..."."""

from __future__ import annotations

from gdbheap.report.report import Line


def labelled(name: str, text: str, token: str = "") -> Line:
    """Return the line; name "" continues what stands above."""
    return Line((("dim", f"    {name:8}"), (token, text)))
