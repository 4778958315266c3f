"""Facts are values: analysis makes no sentences, and no code looks into one that other code wrote. The attributes
below hold such sentences; the code may print them, and nothing else. (What others write, glibc, gdb, the kernel, is
input, and is read where it comes in.)"""

from __future__ import annotations

import ast
import functools
import re
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


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_no_sentence_is_read_again():
    found = {str(path.relative_to(PACKAGE)): set(found_in(parsed(path))) for path in SOURCES}
    assert {path: texts for path, texts in found.items() if texts} == {}


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


# What is typed at gdb's prompt, or in a shell, is no sentence.
COMMANDS = re.compile(
    r"(heap|info|shell|show|thread|break|watch|rr|explain|vmmap|frame|p/x|x/\d*\w*|bt|list|up|register)\b"
)
# What glibc and the C++ library print, and the names of calls and types.
_OTHERS = re.compile(
    r"(free|realloc|malloc|munmap_chunk)\(\): |double free or corruption|corrupted |Fatal glibc error|long "
)
_PROSE = re.compile(r"(?:[A-Za-z][\w'-]*[,;:]? ){2,}[A-Za-z]")
# What glibc prints, as its tables have it.
_PRINTED = frozenset(("AbortText", "Assertion"))
# What becomes one line for the user, where it is raised or returned to be.
_ERRORS = frozenset(("NoHeap", "NoSymbols", "UnusedHeap"))
_READS = frozenset(("compile", "match", "search", "fullmatch", "choose", "has", "says"))
# Rooms whose English is still among their facts, and names of things, which are the same everywhere.
STILL = {
    "mappings": "what mappings and their parts are called",
}
NAMES = {
    "a function of malloc's",
    "malloc, calloc, realloc or memalign",
    "munmap_chunk or mremap_chunk",
    "tcache_put or tcache_get",
    # Steps of the model, by name.
    *("as it is", "default of global_max_fast", "mmap for the main heap", "unsorted to tcache"),
    "a thread's dtv (libc's own)",
    "malloc or free",
    "the heap is corrupt",
    "stack of an ended thread",
    "coroutine frame of {}",
    "closure of {}",
    "UTF-16 text at {}",
    "UTF-16 text at +{}",
    "UTF-16 text",
    "UTF-32 text",
    "a FILE's buffer",
    "exception pool of libstdc++",
    "not a pointer",
    "the program itself ({})",
    "code without a name",
    "IS_MMAPPED or NON_MAIN_ARENA",
    "it is damaged ({})",
}
# The patterns that glibc's texts are known by.
PATTERNS = Path("analysis/abort_texts/topic.py")
# What a message of libc's is told by.
SEARCHED = {"buffer overflow detected", "%n in writable", "longjmp causes uninitialized"}


def prose_in(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of three words and more that are no docstrings, are not read or compared, and raise nothing."""
    prose: list[tuple[int, str]] = []
    aside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            aside.add(id(node.value))
        reads = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READS
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PRINTED:
            aside.add(id(node.args[0]))
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        reads = reads or called == "regex" or called in _ERRORS
        if reads or isinstance(node, (ast.Raise, ast.Compare)):
            aside |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
            aside |= {id(each) for each in node.values}
            prose.append((id(node), text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            prose.append((id(node), node.value))
    for number, text in prose:
        if number not in aside and _PROSE.search(text) and not COMMANDS.match(text) and not _OTHERS.match(text):
            yield text


def test_analysis_and_the_readers_make_no_sentences():
    found = {}
    rooms = ("allocators", "glibc", "analysis")
    for path in sorted(path for room in rooms for path in (PACKAGE / room).rglob("*.py")):
        room = path.relative_to(PACKAGE)
        if room == PATTERNS or room.parts[1] in STILL:
            continue
        if texts := set(prose_in(parsed(path))) - NAMES - SEARCHED:
            found[str(room)] = texts
    assert found == {}


def test_a_sentence_in_analysis_would_be_found():
    code = 'why = f"the thread {number} has used up its stack"; look = "heap chunk 0x10"'
    assert list(prose_in(ast.parse(code))) == ["the thread {} has used up its stack"]
