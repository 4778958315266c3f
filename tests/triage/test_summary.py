"""Groups add up to the cores, and what a build brought is told once."""

from __future__ import annotations

from gdbheap.triage.row import Row
from gdbheap.triage.summary import changes_between_builds, groups_of


def row(number: int, group: str, build: str, day: int, **more) -> Row:
    values = {
        "key": str(number),
        "core": f"/core.{number}",
        "group": group,
        "signature": f"about {group}",
        "kind": "crash",
        "build": build,
        "program": "/bin/server",
        "time": f"2026-01-{day:02}T00:00:00Z",
        "sure": "certain",
        "size": 100 - number,
    }
    return Row(**{**values, **more})


ROWS = [
    row(1, "x", "b1", 1),
    row(2, "y", "b1", 2, sure="possible"),
    row(3, "x", "b2", 3),
    row(4, "z", "b2", 4),
    row(5, "z", "b2", 5, errors=("heap rss: none",)),
    row(6, "y", "b3", 6),
    row(7, "u", "", 7, kind="unread", sure="unknown"),
]


def test_groups():
    found = {each.group: each for each in groups_of(ROWS)}
    assert list(found) == ["x", "y", "z", "u"]
    assert sum(each.cores for each in found.values()) == len(ROWS)
    y, z = found["y"], found["z"]
    assert (y.cores, y.builds, y.sure, y.first, y.last) == (
        2,
        2,
        "possible",
        "2026-01-02T00:00:00Z",
        "2026-01-06T00:00:00Z",
    )
    assert (z.exemplar, z.errors) == ("/core.4", 1)


def test_changes():
    found = [(each.build, each.before, each.group, each.change) for each in changes_between_builds(ROWS)]
    assert found == [
        ("b2", "b1", "z", "new"),
        ("b2", "b1", "x", "fewer"),
        ("b2", "b1", "y", "gone"),
        ("b3", "b2", "y", "more"),
        ("b3", "b2", "x", "gone"),
        ("b3", "b2", "z", "gone"),
    ]


def test_one_build_has_no_changes():
    assert changes_between_builds([each for each in ROWS if each.build == "b1"]) == []
