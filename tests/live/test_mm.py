"""The bounds that are worked out for a core are those that the kernel told of the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from gdb_runs import kernel_core
from mappings import mappings

from gdbheap.elf.core_file import open_core
from gdbheap.process.mm import parse_stat, read_mm


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-static",), ("-no-pie",)], ids=" ".join)
def test_a_cores_bounds_are_the_kernels(tmp_path, flags):
    with mappings(tmp_path, *flags) as program:
        told = parse_stat(Path(f"/proc/{program.pid}/stat").read_text())
        core = kernel_core(program, tmp_path)
        exact = program.facts["break"][0]
    found = read_mm(open_core(str(core)).process())
    names = ("start_code", "end_code", "start_data", "end_data", "start_brk")
    assert {name: found.get(name) for name in names} == {name: told[name] for name in names}
    assert exact <= found.get("brk") < exact + 0x1000
