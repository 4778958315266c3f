"""What must be so whatever `heap leaks` can see, and whatever it is asked: what the program's own notes say is held is
never called definitely or indirectly lost. (That a lost block looks held is an error too, but breaks no promise.)"""

from __future__ import annotations

from collections.abc import Mapping

_LOST = ("definitely", "indirectly")


def broken_promises(notes: Mapping[tuple[str, int], tuple[str, int]], kinds: Mapping[int, str]) -> list[str]:
    """Return the blocks that are held by the notes {(name, number): (verdict, address)} and lost by the verdicts of
    addresses."""
    return [
        f"{name} {number} at {address:#x} is {verdict} and called {kinds[address]} lost"
        for (name, number), (verdict, address) in notes.items()
        if verdict not in _LOST and kinds.get(address) in _LOST
    ]
