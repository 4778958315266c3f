"""What must stand in gdbheap/machine/ alone, found in the sources: registers' names, decisions by a pointer's size, how
many bits an address has, how large a page is."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gdbheap.machine.machines import MACHINES

PACKAGE = Path(__file__).parents[2] / "gdbheap"
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
    "elf/unit_ranges.py": "tables of addresses have the size of an address in their heads",
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


def in_files(found: Callable[[ast.Module], Iterable[object]]) -> dict[str, list[object]]:
    """Return what is found in each file, of those in which anything is."""
    each = {str(path.relative_to(PACKAGE)): list(found(tree)) for path, tree in TREES.items()}
    return {name: lines for name, lines in each.items() if lines}


def bits(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that shift by as many bits as addresses have, or hold the end of them."""
    ends = {1 << count for count in ADDRESS_BITS} | {(1 << count) - 1 for count in ADDRESS_BITS}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
            # (64 - 47, not a distance of 48 bytes from some sum.)
            is_shift = isinstance(node.op, (ast.LShift, ast.RShift)) or (
                isinstance(node.op, ast.Sub) and not isinstance(node.left, ast.BinOp)
            )
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


def named_registers(tree: ast.AST) -> list[tuple[int, str]]:
    """Return the strings that are registers' names, or hold one as gdb's expressions and instructions write it."""
    return [each for each in words_of(tree) if each[1] in REGISTERS or _IN_EXPRESSIONS.search(each[1])]


def machines_own(tree: ast.AST) -> list[str]:
    """Return the modules of one machine's room that are imported."""
    imports = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [module for module in imports if re.match(r"gdbheap\.machine\.\w+\.", module)]
