"""Names that a program, its debug info or its core gives: what they lead to may be no file that can be read."""

from __future__ import annotations

import os
import subprocess

import pytest

from support.gdb_runs import ROOT, run_gdb

PROGRAM = ROOT / "fixtures" / "programs" / "odd_source.c"


def odd_source(kind: str, directory):
    """Return the name of a source file that is a device, a pipe, ..., or the true one."""
    path = directory / "source.c"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind == "directory":
        path.mkdir()
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "lines":
        path.write_bytes(b"\n" * 8 + b"x" * 500_000 + b"\n    *nowhere = block[0];\n")
    return {"device": "/dev/zero", "long": f"/{'x' * 300}/source.c"}.get(kind, str(path))


@pytest.mark.parametrize("kind", ["device", "pipe", "huge", "directory", "link to a device", "long", "lines"])
def test_the_source_that_debug_info_names_is_read_only_where_it_is_a_file(tmp_path, kind):
    source = odd_source(kind, tmp_path)
    program = tmp_path / "program"
    subprocess.run(["gcc", "-g", f'-DSOURCE="{source}"', PROGRAM, "-o", program], check=True)
    # gdb itself would read a source of 1 TiB, and die of it, to print the line.
    lines = ("set print frame-info short-location", "run", "fault")
    commands = [word for line in lines for word in ("-ex", line)]
    words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py"), *commands, str(program)]
    text = run_gdb(words, patience=30)
    assert "null pointer" in text.lower(), text
    assert ("nowhere (int *) is 0x0" in text) is (kind == "lines")
