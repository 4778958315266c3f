"""A walk's progress: nothing of a short one, a line that is written over of a long one."""

from __future__ import annotations

from gdbheap.report.progress import Progress


def shown(times):
    """What is written when the clock says these times, one for each look at it."""
    written = []
    clock = iter(times)
    progress = Progress(written.append, lambda: next(clock))
    for address in (0x1000, 0x2000, 0x3000):
        progress(address)
    progress.finish()
    return written


def test_a_short_walk_says_nothing():
    assert shown([0, 0.1, 0.2, 0.3]) == []


def test_a_long_walk_says_how_far_it_is_and_clears_up():
    line = "reading the heap: 2 MiB, at 0x2000 (Ctrl-C stops here) "
    assert shown([0, 0.5, 1.1, 1.1, 1.2]) == [f"\r{line}", f"\r{' ' * len(line)}\r"]


def test_a_shorter_line_leaves_nothing_of_a_longer_one():
    written = []
    clock = iter([0.0, 2.0, 2.0, 4.0, 4.0])
    progress = Progress(written.append, lambda: next(clock))
    progress.of_types(1 << 20)
    progress(0x1000)
    long, short = (len(text.rstrip(" ")) for text in written)
    assert short < long and len(written[0].rstrip(" ")) <= len(written[1])


def test_work_is_shown_when_it_begins_and_again_when_what_it_called_is_over():
    written: list[str] = []
    now = [0.0]
    progress = Progress(written.append, lambda: now[0])
    with progress.doing("finding this"):
        now[0] = 1.5
        with progress.doing("finding that"):
            now[0] = 1.6
            progress.of_objects(65_536)
            now[0] = 2.5
            progress.of_objects(131_072)
    lines = [each.strip("\r ") for each in written]
    assert [each for each in lines if each] == [
        "finding that (Ctrl-C stops here)",
        "finding that: at object 131,072 (Ctrl-C stops here)",
        "finding this (Ctrl-C stops here)",
    ]
    assert not written[-1].strip()


def test_short_work_says_nothing():
    written: list[str] = []
    progress = Progress(written.append, lambda: 0.0)
    with progress.doing("finding this"):
        progress.finish()
    assert written == []
