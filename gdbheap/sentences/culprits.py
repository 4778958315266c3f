"""Which live blocks keep free memory from being returned, and how that is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gdbheap.counted import counted
from gdbheap.lazy import dataclass
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line


@dataclass(frozen=True)
class Culprits:
    """`blocks` live ones of `bytes` are spread over `spread` bytes, a good part of them free. Most have the chunk size
    `size` (`size_blocks` of them), and are `type`; `example` is one of these, held by `holder` ("": by nothing).
    """

    blocks: int
    bytes: int
    spread: int
    size: int
    size_blocks: int
    type: str
    example: int
    holder: str


def culprit_lines(found: Culprits | None) -> Iterator[Line]:
    """Yield what they are, and who holds them."""
    if found is None:
        return
    held = f"held by {found.holder}" if found.holder else "nothing leads to it"
    spread = human_size(found.spread)
    if found.blocks == 1:
        text = f"1 live block of {human_size(found.bytes)} ({found.type}) is alone in {spread}"
    else:
        text = (
            f"{counted(found.blocks, 'live block')} ({human_size(found.bytes)}, mostly of {found.size:#x} bytes: "
            f"{found.size_blocks:,}, {found.type}) are spread over {spread}"
        )
    yield Line.plain(text)
    yield Line.plain(f"for example the block at {found.example:#x}, {held}: `heap owners {found.example:#x}`")


def culprit_json(found: Culprits | None) -> dict[str, Any] | None:
    """Return them as JSON has them."""
    return None if found is None else {**vars(found), "example": f"{found.example:#x}", "holder": found.holder or None}
