"""The checker of leaks' promises finds a broken one."""

from __future__ import annotations

from support.leak_promises import broken_promises

NOTES = {("held", 0): ("reachable", 0x10), ("inside", 1): ("possibly", 0x20), ("gone", 2): ("definitely", 0x30)}


def test_only_what_is_held_and_called_lost_breaks_a_promise():
    assert broken_promises(NOTES, {0x10: "possibly", 0x20: "reachable", 0x30: "definitely"}) == []
    assert broken_promises(NOTES, {0x10: "undecided", 0x20: "possibly"}) == []
    assert broken_promises(NOTES, {0x10: "definitely", 0x20: "indirectly", 0x30: "indirectly"}) == [
        "held 0 at 0x10 is reachable and called definitely lost",
        "inside 1 at 0x20 is possibly and called indirectly lost",
    ]
