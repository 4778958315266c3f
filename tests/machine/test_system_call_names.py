"""The names of system calls are those of the kernel's own headers on this system."""

from __future__ import annotations

import re
import subprocess

import pytest

from gdbheap.machine.machines import MACHINES
from gdbheap.machine.system_call_names import system_call_name

_BITS = {"x86-64": "64", "i386": "32"}


@pytest.mark.parametrize("machine", _BITS)
def test_they_are_the_kernels(machine):
    header = f"#include <asm/unistd_{_BITS[machine]}.h>\n"
    made = subprocess.run(["gcc", "-E", "-dM", "-"], input=header, capture_output=True, text=True, check=True).stdout
    told = {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)\n", made)}
    assert len(told) > 300
    assert {number: system_call_name(machine, number) for number in told} == told
    assert system_call_name(machine, 1 << 20) == system_call_name(machine, -1) == ""


def test_new_calls_have_one_number_on_every_machine():
    """From 424 on, but for those that one machine alone has."""
    for number in (424, 439, 451, 462):
        names = {system_call_name(each.name, number) for each in MACHINES}
        assert len(names) == 1 and "" not in names
    assert system_call_name("aarch64", 173) == "getppid"
    assert system_call_name("riscv64", 173) == "getppid"
    assert system_call_name("riscv64", 258) == "riscv_hwprobe"
    assert system_call_name("loongarch64", 173) == ""
