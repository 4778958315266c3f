"""Programs of fixtures/programs/faults_* as aarch64's kernel (6.1) let them die, their cores read without gdb: each has
the verdicts that fixtures/faults/*.txt have for it.

deaths.tar.xz holds CASE.core, CASE.out (what the case told of itself before it died) and the programs, made by
aarch64-linux-gnu-gcc 12 with `-g -O0 -pthread -fno-omit-frame-pointer -fstack-protector-strong`; libc's file is not
there.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import tarfile
import tempfile
from pathlib import Path

import pytest

from gdbheap.__main__ import main
from support import fault_gallery
from support.gdb_runs import ROOT

PACKED = ROOT / "fixtures" / "cores" / "aarch64" / "deaths.tar.xz"
DEATHS = {
    "pointers": ("null_plus_offset", "null_array", "null_in_freed", "non_canonical"),
    "control": (
        "jump_to_null",
        "call_null_member",
        "jump_to_data",
        "tail_call_of_null",
        "trap_instruction",
        "illegal_instruction",
    ),
    "heap": ("link_called", "chunk_metadata"),
    "signals": ("in_handler", "handler_overflow"),
    "aarch64": (
        "misaligned_exclusive",
        "misaligned_call",
        "misaligned_return",
        "undefined_instruction",
        "pair_past_end",
        "negative_index",
        "vectors_past_end",
        "zeroed_block",
        "tagged_pointer",
        "tag_in_the_middle",
    ),
}
_directory = tempfile.TemporaryDirectory(prefix="gdbheap-deaths-")


@functools.cache
def unpacked() -> Path:
    with tarfile.open(PACKED) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isfile() else None
            if content is not None:
                (Path(_directory.name) / Path(member.name).name).write_bytes(content.read())
    return Path(_directory.name)


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in DEATHS.items() for name in names])
def test_a_death_has_its_verdicts(family: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # (The programs ran on this glibc, and their sources are named from the checkout.)
    monkeypatch.setattr(fault_gallery, "GLIBC", (2, 36))
    monkeypatch.chdir(ROOT)
    place, out = unpacked(), io.StringIO()
    with contextlib.redirect_stdout(out):
        words = ["fault", "--program", str(place / f"faults_{family}"), "--core", str(place / f"{name}.core"), "--json"]
        assert main(words) == 0
    told = re.findall(rf"^told {name} (\w+) (\w+)$", (place / f"{name}.out").read_text(errors="replace"), re.M)
    said = fault_gallery.said(json.loads(out.getvalue()), {key: int(value, 0) for key, value in told})
    # (Nobody knows what was interrupted in libc, whose file is not there.)
    wanted = [line.replace(": it interrupted LIBC", "") for line in fault_gallery.expected(name, "aarch64", "core")]
    missing = [line for line in said if "not here as the process had mapped" in line]
    assert len(missing) == 1 and "libc.so.6" in missing[0]
    assert [line for line in said if line not in missing] == wanted
