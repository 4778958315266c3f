"""What users see of types: in a C and a C++ program of our own, live, in a core, and stripped. What is expected is
written from the programs."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter

import pytest

from support.programs import build

REACH = ("break inspected", "run", "up")

# The blocks of fixtures/programs/types_shown.c that something holds, by their types.
SHOP = {
    "struct customer": 2,
    "struct order": 4,
    "struct tree": 3,
    "forest": 1,
    "struct order *[]": 1,
    "char[]": 3,
}
# And those of types_shown_cxx.cc; of the library's own, the one block that it sets aside when it is loaded.
PAINT = {
    "Step": 3,
    "paint::Circle": 1,
    "paint::Shape": 1,
    "std::_Rb_tree_node<std::pair<int const, Session> >": 3,
    "std::_List_node<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > >": 2,
    "int[]": 1,
    "char[]": 2,
    "exception pool of libstdc++": 1,
}


def masked(text):
    return re.sub(r"0x[5-9][0-9a-f]{11}\b", "ADDRESS", text)


def named(answer):
    """Return how many blocks of each type are called so for certain, or are likely so."""
    counts = {row["type"]: row["certain"] + row["likely"] for row in json.loads(answer)["rows"] if row["type"]}
    return {name: count for name, count in counts.items() if count}


@pytest.fixture(scope="module")
def shop_core(tmp_path_factory):
    """The core of the C program at the same place."""
    core = tmp_path_factory.mktemp("types") / "core"
    words = ["-ex", "break inspected", "-ex", "run", "-ex", f"generate-core-file {core}"]
    subprocess.run(["gdb", "-nx", "-q", "-batch", *words, build("types_shown", "-O0")], check=True, timeout=240)
    return core


@pytest.mark.parametrize("kind", ["live", "core"])
def test_the_heap_of_a_c_program_by_type(gdb, kind, request):
    reach = REACH if kind == "live" else (f"core-file {request.getfixturevalue('shop_core')}", "up")
    lines = (
        "heap types --json", "heap types --type order", "heap types --why ada->orders->next",
        "heap owners shop.forest->trees[0]->left", "heap chunks ada --count 3", "heap vis ada --count 1",
        "heap search shop.forest->trees[0]->left", "explain &ada->friend_of", "heap leaks --kind still_reachable",
    )  # fmt: skip
    said = gdb(build("types_shown", "-O0"), *reach, *lines)
    assert named(said["heap types --json"]) == SHOP
    assert masked(said["heap types --type order"]).count("struct order  ") >= 4
    assert masked(said["heap types --why ada->orders->next"]).startswith("ADDRESS is struct order\nbecause ")
    assert masked(said["heap owners shop.forest->trees[0]->left"]) == (
        "the block at ADDRESS, struct tree, of chunk size 0x20:\n"
        "         place  kind   at offset  holder                                         which is\n"
        "ADDRESS  block        0x0  struct tree.left (block ADDRESS + 0x0)  still reachable\n"
        "the shortest path to it from a root: shop.forest->trees[0]->left\n"
        "    shop.forest (shop+16 in types_shown-O0)\n"
        "  → forest.trees[0] (block ADDRESS + 0x8)\n"
        "  → struct tree.left (block ADDRESS + 0x0)\n"
        "  → struct tree (block ADDRESS)\n"
        "next: heap retained ADDRESS (what it keeps alive), explain ADDRESS (what it is)\n"
    )
    chunks = said["heap chunks ada --count 3"].splitlines()
    assert "  struct customer  0x1 0x" in chunks[1]
    assert chunks[2].endswith('  char[40]  "Ada Lovelace"')
    assert "  struct customer  0x2 0x" in chunks[3]
    assert [line.partition("← ")[2] for line in said["heap vis ada --count 1"].splitlines()[:4]] == [
        "size 0x40 --P in_use", 'struct customer: number; name → "Ada Lovelace"',
        "all.next; all.prev → <shop in types_shown-O0>", "orders; friend_of",
    ]  # fmt: skip
    assert "  struct tree.left\n" in said["heap search shop.forest->trees[0]->left"]
    assert re.match(
        r"40 bytes into a live struct customer \(struct customer\.friend_of\), held by \S.*\n0x.*\nfield ",
        said["explain &ada->friend_of"],
    )
    leaks = [line.split("  ")[-1] for line in said["heap leaks --kind still_reachable"].splitlines()]
    assert {"struct order", "struct customer", "struct tree", "forest", "struct order *[]"} <= set(leaks)


def test_the_heap_of_a_cxx_program_by_type(gdb):
    lines = ("heap types --json", "heap chunks shape --count 1", "heap chunk &shape->twin", "heap owners sessions[2]")
    said = gdb(build("types_shown_cxx", "-O0"), *REACH, *lines[:3])
    assert named(said["heap types --json"]) == PAINT
    assert "  paint::Circle  0x" in said["heap chunks shape --count 1"]
    chunk = dict(re.findall(r"^(type|member) +(\S+)", said["heap chunk &shape->twin"], re.MULTILINE))
    assert chunk == {"type": "paint::Circle", "member": "paint::Circle::twin"}


def test_names_are_left_out_where_the_user_wants_none(gdb):
    said = gdb(build("types_shown", "-O0"), *REACH, "set gdbheap types off", "heap chunks ada --count 1", "heap leaks")
    assert "struct" not in said.text.partition("types off")[2]


def test_a_stripped_program_says_what_is_missing(gdb, tmp_path):
    stripped = tmp_path / "shop"
    subprocess.run(["strip", "-o", stripped, build("types_shown", "-O0")], check=True)
    # The last call that it makes before it waits is write(), of "ready".
    said = gdb(stripped, "catch syscall write", "run", "heap types", "heap types --blocks --json")
    assert (
        "note: no debug information for shop: only what needs none is named. Compile it with -g, or install its debug "
        "symbols (on Debian the package PROGRAM-dbgsym; elsewhere debuginfod serves them)\n"
    ) in said["heap types"]
    assert "struct" not in said["heap types"]
    found = Counter(row["type"] for row in json.loads(said["heap types --blocks --json"])["rows"])
    assert set(found) <= {None, "text"}


def test_types_of_a_program_of_32_bits(gdb):
    said = gdb(build("types_shown", "-O0", "-m32"), *REACH, "heap types --json")
    assert named(said["heap types --json"]) == SHOP


def test_what_no_type_fits_is_told_apart_from_the_allocators_faults(gdb):
    overwrite = "set var ada->friend_of = (struct customer *)0x4141414141414141"
    said = gdb(build("types_shown", "-O0"), *REACH, "heap check --types", overwrite, "heap check --types --json")
    assert "types: no block is of another kind than what points to it says\n" in said["heap check --types"]
    answer = json.loads(said["heap check --types --json"])
    (block,) = answer["totals"]["misfits"]["blocks"]
    assert (block["expected"], block["reason"]) == ("struct customer", "not_a_pointer")
    assert (answer["rows"], answer["faults"], answer["totals"]["faults"]) == ([], [], 0)
