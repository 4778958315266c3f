"""What differs by machine stands in gdbheap/machine/ alone: no other file names a register, decides by the size of a
pointer, knows how many bits an address has, or how large a page is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from gdbheap.machine.machine import Machine
from gdbheap.machine.machines import MACHINES

PACKAGE = Path(__file__).parents[1] / "gdbheap"
# The pure model imports nothing of the readers: it is the oracle, and has its own words for its machine.
OUTSIDE = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("machine", "model")
)

TREES = {path: ast.parse(path.read_text()) for path in OUTSIDE}

# Names that are other things as well: gdb's, on every machine, and words.
_EVERYWHERE = {"sp", "pc", "flags"}
REGISTERS = {
    name
    for machine in MACHINES
    for names in (machine.general, machine.special, machine.core.registers, machine.objects)
    for name in names
} - _EVERYWHERE
_IN_EXPRESSIONS = re.compile(rf"[$%](?:{'|'.join(sorted(REGISTERS))})\b")
# (32 bits are more than a machine's addresses.)
ADDRESS_BITS = {machine.address_bits for machine in MACHINES} - {32}
PAGE_SIZES = {0x1000, 0x4000, 0x10000}
# Where the smallest page stands, by its name.
PAGES = {"process/memory.py"}

# Who may decide by the size of a pointer, and why.
FORMATS = {
    "process/memory.py": "struct's letter for an unsigned word of a size",
    "process/images/elf_headers.py": "ELF's two classes have two forms of program headers",
    "process/dynamic_symbols.py": "ELF's two classes have two forms of symbols",
    "elf/core_file.py": "ELF's two classes have two forms of section headers",
}


def words_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the strings of a file that are no docstrings."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def is_size(node: ast.AST) -> bool:
    """Whether this is the size of a pointer."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("pointer_size", "word_size") or name == "wide"


def decisions(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that decide by the size of a pointer: a comparison with 4 or 8, a table by 4 and 8."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            sizes = [each for each in sides if isinstance(each, ast.Constant) and each.value in (4, 8)]
            if sizes and any(is_size(each) for each in sides):
                yield node.lineno
        elif isinstance(node, ast.Dict):
            keys = {each.value for each in node.keys if isinstance(each, ast.Constant)}
            if keys == {4, 8}:
                yield node.lineno


def in_files(found: Callable[[ast.Module], list[object]]) -> dict[str, list[object]]:
    """Return what is found in each file, of those in which anything is."""
    each = {str(path.relative_to(PACKAGE)): found(tree) for path, tree in TREES.items()}
    return {name: lines for name, lines in each.items() if lines}


def test_no_register_has_a_name() -> None:
    assert not in_files(
        lambda tree: [each for each in words_of(tree) if each[1] in REGISTERS or _IN_EXPRESSIONS.search(each[1])]
    )


def test_nothing_is_decided_by_the_size_of_a_pointer() -> None:
    assert in_files(lambda tree: list(decisions(tree))).keys() == FORMATS.keys()


def test_a_decision_is_found() -> None:
    texts = "x = 1 if process.pointer_size == 8 else 2", "{8: 1, 4: 2}[size]"
    assert [list(decisions(ast.parse(text))) for text in texts] == [[1], [1]]


def test_no_machine_has_its_code_imported() -> None:
    assert not in_files(
        lambda tree: [
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and re.match(r"gdbheap\.machine\.\w+\.", node.module or "")
        ]
    )


def bits(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that shift by as many bits as addresses have, or hold the end of them."""
    ends = {1 << count for count in ADDRESS_BITS} | {(1 << count) - 1 for count in ADDRESS_BITS}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
            is_shift = isinstance(node.op, (ast.LShift, ast.RShift, ast.Sub))
            if is_shift and node.right.value in ADDRESS_BITS:
                yield node.lineno
        elif isinstance(node, ast.Constant) and type(node.value) is int and node.value in ends:
            yield node.lineno


def pages(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that name the size of a page, or round by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value in PAGE_SIZES:
            if any("PAGE" in ast.unparse(each) for each in node.targets):
                yield node.lineno
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.FloorDiv, ast.BitAnd)):
            size = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
            # (A mask of 16 bits is most often one of half a word.)
            if isinstance(size, ast.Constant) and size.value in PAGE_SIZES | {0xFFF, 0x3FFF}:
                yield node.lineno


def test_nobody_knows_how_many_bits_an_address_has() -> None:
    assert not in_files(lambda tree: list(bits(tree)))


def test_nobody_knows_how_large_a_page_is() -> None:
    """The size of a page is the process's (Process.page_size), or this machine's kernel's (live/kernel_page.py)."""
    assert in_files(lambda tree: list(pages(tree))).keys() == PAGES


def test_bits_and_pages_are_found() -> None:
    assert [list(bits(ast.parse(text))) for text in ("1 << 47", "0x7FFF_FFFF_FFFF")] == [[1], [1]]
    texts = "_PAGE = 4096", "x & -4096", "x & ~0xFFF", "x % 16384"
    assert [list(pages(ast.parse(text))) for text in texts] == [[1]] * 4


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_machine_is_one_whole_value(machine: Machine) -> None:
    """What roles name are registers that are read; a role may be empty only where a machine has none of the kind."""
    read = {*machine.general, *machine.special}
    for role in ("stack_pointer", "frame_pointer", "program_counter", "flags", "result"):
        assert getattr(machine, role) in read
    assert {*machine.preserved, *machine.arguments, *machine.objects} <= read
    assert {*machine.without_pointers} <= {*machine.special}
    assert machine.page_size & (machine.page_size - 1) == 0
    assert machine.spare_bits >= 0
    assert {each.name for each in fields(machine)} >= {"system_calls", "malloc", "core"}
