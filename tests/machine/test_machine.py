"""A machine is one whole value, and what stands elsewhere of it is found (support/machine_rules.py)."""

from __future__ import annotations

import ast

import pytest

from gdbheap.machine.machine import Machine
from gdbheap.machine.machines import MACHINES
from support.machine_rules import bits, decisions, named_registers, pages


def test_a_decision_is_found() -> None:
    texts = "x = 1 if process.pointer_size == 8 else 2", "{8: 1, 4: 2}[size]"
    assert [list(decisions(ast.parse(text))) for text in texts] == [[1], [1]]


def test_bits_and_pages_are_found() -> None:
    assert [list(bits(ast.parse(text))) for text in ("1 << 47", "0x7FFF_FFFF_FFFF")] == [[1], [1]]
    texts = "_PAGE = 4096", "x & -4096", "x & ~0xFFF", "x % 16384"
    assert [list(pages(ast.parse(text))) for text in texts] == [[1]] * 4


def test_registers_are_found() -> None:
    texts = 'name = "rax"', 'x = f"$rdi == {y}"', '"""The text of $rdi."""', 'name = "eraxer"'
    assert [len(named_registers(ast.parse(text))) for text in texts] == [1, 1, 0, 0]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_machine_is_one_whole_value(machine: Machine) -> None:
    """What roles name are registers that are read; a role may be empty only where a machine has none of the kind."""
    read = {*machine.general, *machine.special}
    for role in ("stack_pointer", "frame_pointer", "program_counter", "result"):
        assert getattr(machine, role) in read
    assert machine.flags in {*read, ""}
    assert {*machine.preserved, *machine.arguments, *machine.objects} <= read
    assert {*machine.without_pointers} <= {*machine.special}
    assert machine.page_size & (machine.page_size - 1) == 0
    assert machine.spare_bits >= 0
