"""Facts are values: no code looks into a sentence that other code wrote. The attributes below hold such sentences; the
code may print them, and nothing else. (What others write, glibc, gdb, the kernel, is input, and is read where it
comes in.)"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "gdbheap"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What values keep for people: "must be 0x21", "the argument mem of free", "block 0x4052a0 + 0x8".
SENTENCES = frozenset(
    (
        *("detail", "message", "why", "how", "meaning", "words", "sentence", "evidence", "summary", "implies"),
        *("condition", "call", "what", "holds", "holder", "note"),
    )
)
# Of these names some are numpy's columns, which are cut.
COLUMNS = ("words", "how", "holder")
_LOOK_INTO = frozenset(
    (
        *("startswith", "endswith", "partition", "rpartition", "split", "rsplit", "splitlines", "find", "rfind"),
        *("index", "rindex", "removeprefix", "removesuffix", "count", "isdigit"),
    )
)
_PATTERNS = frozenset(("search", "match", "fullmatch", "finditer", "findall", "split", "sub"))

# A mapping's path is not printed where its name holds it already.
EXCEPTIONS = {("sentences/memory_advice.py", "each.path not in each.what")}


def is_sentence(node: ast.AST) -> bool:
    """Whether this is such an attribute, or str() of one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        return is_sentence(node.args[0])
    return isinstance(node, ast.Attribute) and node.attr in SENTENCES


def is_text(node: ast.AST) -> bool:
    """Whether this is a text that is not empty."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(node.value)
    )


def looks_into(node: ast.AST) -> bool:
    """Whether the expression searches a sentence, cuts it, or tells it by its words."""
    if isinstance(node, ast.Subscript):
        return is_sentence(node.value) and getattr(node.value, "attr", "") not in COLUMNS
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method, given = node.func.attr, node.func.value
        return (method in _LOOK_INTO and is_sentence(given)) or (
            method in _PATTERNS and any(is_sentence(each) for each in node.args)
        )
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        searched = any(
            isinstance(operator, (ast.In, ast.NotIn)) and is_sentence(side)
            for operator, side in zip(node.ops, node.comparators)
        )
        return searched or (any(map(is_sentence, sides)) and any(map(is_text, sides)))
    return False


def found_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if looks_into(node):
            yield ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_sentence_is_read_again(path):
    name = str(path.relative_to(PACKAGE))
    assert {each for each in found_in(ast.parse(path.read_text())) if (name, each) not in EXCEPTIONS} == set()


@pytest.mark.parametrize(
    "code",
    [
        'holds, must, rest = each.detail.partition(", must be ")',
        'if each.how.startswith("register"): pass',
        'is_argument = "argument" in died.how',
        'if fault.message == "chunk is in two free lists": pass',
        "number = int(fault.detail[7:])",
        'found = re.search(r"0x[0-9a-f]+", each.why)',
        "found = _EXPECTED.match(found.must.words)",
        'name = str(place.what).rpartition(" ")[2]',
    ],
)
def test_what_the_house_did_once_would_be_found(code):
    assert list(found_in(ast.parse(code)))


def test_printing_a_sentence_and_comparing_facts_is_not():
    code = 'print(f"{each.message}: {each.detail}"); each.invariant is Invariant.TOP; kind == "overrun"; died.how or ""'
    assert not list(found_in(ast.parse(code)))
