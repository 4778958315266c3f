"""Where cores go, by kernel.core_pattern and the limit on their size."""

from __future__ import annotations

import pytest

from gdbheap.launch.core_places import where_cores_go

MANY = 1 << 30
FILES = "sudo sysctl -w kernel.core_pattern=core.%p"


@pytest.mark.parametrize(
    ("pattern", "limit", "where", "advice"),
    [
        ("core", MANY, "written to the program's current directory, as core", ""),
        ("/var/cores/%e.%p", MANY, "written to /var/cores, as %e.%p", ""),
        ("core", 0, "not written: the limit on their size is 0", "ulimit -c unlimited, where the program is started"),
        (
            "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h",
            0,
            "the kernel gives them to systemd-coredump",
            f"coredumpctl dump PID --output=FILE, or as files: {FILES}",
        ),
        ("|/opt/taker 'a b", MANY, "the kernel gives them to taker", FILES),
        ("|/bin/false", MANY, "the kernel gives them to false", FILES),
    ],
)
def test_where_a_core_goes_and_what_has_it_as_a_file(pattern, limit, where, advice):
    assert where_cores_go(pattern, limit) == (where, advice)
