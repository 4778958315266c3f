"""`gdbheap help TOPIC`: the pages of docs/, read in the terminal."""

from __future__ import annotations

import pydoc
import sys

from gdbheap.errors import HeapError
from gdbheap.files import read_regular
from gdbheap.launch.places import PACKAGE

DIRECTORY = PACKAGE / "docs"
_LONGEST = 1 << 20


def topics() -> dict[str, str]:
    """Return the title of each page by its topic, in the order of the alphabet."""
    return {path.stem: _text(path.stem).partition("\n")[0].lstrip("# ") for path in sorted(DIRECTORY.glob("*.md"))}


def show_page(topic: str | None) -> None:
    """Show the page on a topic, by the user's pager in a terminal; the topics where none is named. HeapError: there is
    no such page."""
    if topic is None:
        print(
            "\n".join(["Pages (gdbheap help TOPIC):", *(f"  {name:<16} {title}" for name, title in topics().items())])
        )
        print("Each command explains itself inside gdb: help gdbheap heap chunks")
        return
    if topic not in topics():
        raise HeapError(f"there is no page on {topic}; there are {', '.join(topics())}")
    text = _text(topic)
    if sys.stdout.isatty():
        pydoc.pager(text)
    else:
        print(text, end="")


def _text(topic: str) -> str:
    return read_regular(str(DIRECTORY / f"{topic}.md"), _LONGEST).decode()
