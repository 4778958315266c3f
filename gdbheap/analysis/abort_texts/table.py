"""Every text that glibc's malloc can abort with, from 2.31 to 2.43, and which of them this process's glibc has."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.of_debugging import DEBUGGING_TEXTS
from gdbheap.analysis.abort_texts.of_free import FREE_TEXTS
from gdbheap.analysis.abort_texts.of_malloc import MALLOC_TEXTS
from gdbheap.analysis.abort_texts.text import NEWEST, OLDEST, AbortText, Release
from gdbheap.glibc.layout import Layout
from gdbheap.process.fault import Message

TEXTS = FREE_TEXTS + MALLOC_TEXTS + DEBUGGING_TEXTS

_BY_TEXT = {each.text: each for each in TEXTS}


def find_text(message: str) -> AbortText | None:
    """Return the entry whose text is exactly the message (its line end aside), or None."""
    return _BY_TEXT.get(message.strip())


class Texts:
    """Which texts this process's glibc has, as far as its structs tell."""

    def __init__(self, layout: Layout) -> None:
        self.oldest, self.newest = releases(layout)

    def has(self, text: str) -> bool | None:
        """Return whether this glibc can abort with the text; None where the structs do not tell."""
        entry = _BY_TEXT[text]
        if entry.last < self.oldest or entry.first > self.newest:
            return False
        return True if entry.first <= self.oldest and entry.last >= self.newest else None

    def choose(self, *texts: str, otherwise: Message | None) -> Message:
        """Return the first text that this glibc has; where the structs leave it open, it and the next one that is
        certain."""
        open_ones: list[str] = []
        for text in texts:
            known = self.has(text)
            if known:
                return Message((*open_ones, text))
            if known is None:
                open_ones.append(text)
        last = otherwise or Message()
        return Message((*open_ones, *last.texts), last.name)


def releases(layout: Layout) -> tuple[Release, Release]:
    """Return the oldest and the newest release whose structs are like these: each release that changed one is a
    bound."""
    tcache, parameters = layout.tcache_struct, layout.malloc_par
    counts_down = tcache is not None and "num_slots" in tcache
    bounds: list[tuple[bool | None, Release, Release]] = [
        # (whether it is so, the first release where it is, the last where it is not)
        (None if tcache is None else counts_down or tcache["counts"].item_size == 2, (2, 30), (2, 29)),
        (layout.safe_linking, (2, 32), (2, 31)),
        (layout.tcache_key is not None or None, (2, 34), (2, 33)),
        ("pagesize" in layout.heap_info, (2, 35), (2, 34)),
        (None if tcache is None else counts_down, (2, 42), (2, 41)),
        (not layout.has_fastbins, (2, 43), (2, 42)),
        (None if parameters is None else "thp_mode" in parameters, (2, 43), (2, 42)),
    ]
    oldest = max([first for holds, first, _ in bounds if holds], default=OLDEST)
    newest = min([last for holds, _, last in bounds if holds is False], default=NEWEST)
    return oldest, max(oldest, newest)
