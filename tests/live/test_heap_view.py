"""heap view: blocks as gdb prints their types, and the lists and trees that start there. What is expected is written
from the programs."""

from __future__ import annotations

import json
import re

from support.programs import build

REACH = ("break inspected", "run", "up")


def lettered(text):
    """Return the text, but for what leads on, with each address in the heap as a letter, in the order in which they
    are met."""
    letters = {}
    text = text.partition("next: heap owners ")[0]
    return re.sub(
        r"0x[5-9][0-9a-f]{11}\b", lambda match: letters.setdefault(match[0], chr(ord("A") + len(letters))), text
    )


def test_lists_and_trees_of_c(gdb):
    lines = (
        "heap view freed_in_the_middle", "heap view ada->orders", "heap view ada->orders->next --by prev",
        "heap view shop.forest->trees[0]", "heap view ada --by friend_of", "heap view ada --by all.next --count 1",
        "heap view shop.cookie", "heap view vague --as 'struct order' --by none", "heap view ada --by number",
        "heap view vague --as 'struct nothing'", "heap view forest", "heap view &shop",
    )  # fmt: skip
    said = gdb(build("types_shown", "-O0"), *REACH, *lines)
    assert lettered(said["heap view freed_in_the_middle"]) == (
        "  1  A  struct order  in use, chunk of 0x30\n"
        "    {id = 2, price = 2.5, next = B, prev = 0x0, note = 0x0}\n"
        "  2  B  struct order  free (tcache), chunk of 0x30  ← next of 1\n"
        f"    {stale(said['heap view freed_in_the_middle'])}\n"
        "2 nodes, following next; struct order also has prev (--by prev)\n"
    )
    assert lettered(said["heap view ada->orders"]) == (
        "  1  A  struct order  in use, chunk of 0x30\n"
        '    {id = 2, price = 2.5, next = B, prev = 0x0, note = C "deliver to the back door"}\n'
        "  2  B  struct order  in use, chunk of 0x30  ← next of 1\n"
        "    {id = 1, price = 1.5, next = D, prev = A, note = 0x0}\n"
        "  3  D  struct order  in use, chunk of 0x30  ← next of 2\n"
        "    {id = 0, price = 0.5, next = 0x0, prev = B, note = 0x0}\n"
        "3 nodes, following next; struct order also has prev (--by prev)\n"
    )
    assert lettered(said["heap view ada->orders->next --by prev"]) == (
        "  1  A  struct order  in use, chunk of 0x30\n"
        "    {id = 1, price = 1.5, next = B, prev = C, note = 0x0}\n"
        "  2  C  struct order  in use, chunk of 0x30  ← prev of 1\n"
        '    {id = 2, price = 2.5, next = A, prev = 0x0, note = D "deliver to the back door"}\n'
        "2 nodes, following prev; struct order also has next (--by next)\n"
    )
    assert lettered(said["heap view shop.forest->trees[0]"]) == (
        "  1  A  struct tree  in use, chunk of 0x20\n"
        "    {left = B, right = C, key = 1}\n"
        "  2  B  struct tree  in use, chunk of 0x20  ← left of 1\n"
        "    {left = 0x0, right = 0x0, key = 2}\n"
        "  3  C  struct tree  in use, chunk of 0x20  ← right of 1\n"
        "    {left = 0x0, right = 0x0, key = 3}\n"
        "3 nodes, following left and right\n"
    )
    circle = said["heap view ada --by friend_of"]
    assert "name = " in circle and '"Grace Hopper"' in circle
    assert lettered(circle).endswith(
        "    friend_of → A: node 1 again\n"
        "2 nodes, following friend_of; struct customer also has all.next, all.prev (--by all.next)\n"
    )
    first = said["heap view ada --by all.next --count 1"]
    assert re.search(r"\nnext: heap owners (0x\w+) \(who points to it\), heap retained \1 \(", first)
    assert lettered(first).endswith(
        "… more nodes follow: --count 0 shows up to 65,536\n"
        "1 node, following all.next; struct customer also has all.prev, friend_of (--by all.prev)\n"
    )
    assert re.fullmatch(
        "heap view: the type of what is at (0x[0-9a-f]+) is not known: `heap view shop.cookie --as TYPE` shows it "
        r"as a TYPE, `heap vis \1` as words\n",
        said["heap view shop.cookie"],
    )
    assert lettered(said["heap view vague --as 'struct order' --by none"]) == (
        "A  struct order  in use, chunk of 0x30\n"
        '    {id = 2, price = 2.5, next = B, prev = 0x0, note = C "deliver to the back door"}\n'
    )
    assert said["heap view vague --as 'struct nothing'"] == "heap view: gdb knows no type 'struct nothing'\n"
    assert said["heap view forest"] == (
        "heap view: forest is a type, not an address: `heap types --type forest` lists its blocks\n"
    )
    assert said["heap view ada --by number"] == (
        "heap view: struct customer has no member 'number' that points to another struct customer; there are: "
        "all.next, all.prev, friend_of\n"
    )
    assert "struct shop  not in the heap\n" in said["heap view &shop"]
    assert "following" not in said["heap view &shop"]


def stale(text):
    """Return what is left in a freed node: the number of bytes that malloc writes over is malloc's matter."""
    return lettered(text).splitlines()[3].strip()


def test_a_list_head_ends_the_list(gdb, tmp_path):
    answer = tmp_path / "answer"
    line = f"heap view ada --json --output {answer}"
    gdb(build("types_shown", "-O0"), *REACH, line)
    found = json.loads(answer.read_text())
    assert [(row["number"], row["offset"], row["state"], row["type"], row["via"]) for row in found["rows"]] == [
        (1, 0, "in_use", "struct customer", None), (2, 0, "in_use", "struct customer", "1.all.next"),
    ]  # fmt: skip
    assert found["totals"] == {"nodes": 2, "followed": "all.next"}


def test_objects_and_nodes_of_cxx(gdb):
    node = "std::_Rb_tree_node<std::pair<int const, Session> >"
    lines = ("heap view *(Step **)&steps", "heap view shape --by none", "heap view named --by none",
             f"heap view sessions._M_t._M_impl._M_header._M_parent --as '{node}'", "heap view &sessions")  # fmt: skip
    said = gdb(build("types_shown_cxx", "-O0"), *REACH, *lines)
    assert re.sub(r"\{get\(\) = |\}, value|std::unique_ptr<Step> = ", "", lettered(said[lines[0]])) == (
        "  1  A  Step  in use, chunk of 0x30\n"
        '    {what = "step 1", next = B}}\n'
        "  2  B  Step  in use, chunk of 0x30  ← next of 1\n"
        '    {what = "step 2", next = C}}\n'
        "  3  C  Step  in use, chunk of 0x30  ← next of 2\n"
        '    {what = "step 3", next = 0x0}}\n'
        "3 nodes, following next\n"
    )
    for line in lines[1:3]:
        shown = lettered(said[line])
        assert shown.startswith("A  paint::Circle  in use, chunk of 0x70\n")
        assert "      <paint::Named> = {\n" in shown and "      radius = 2,\n" in shown
        assert "      points = std::vector of length 3, capacity 3 = {1, 2, 3}\n" in shown
    assert lettered(said[lines[3]]).startswith(
        "  1  A  std::_Rb_tree_node<std::pair<int const, Session>>  in use, chunk of 0x50\n"
        "    {first = 2, second = {user = 2, words = empty std::__cxx11::list}}\n"
        "  2  B  std::_Rb_tree_node<std::pair<int const, Session>>  in use, chunk of 0x50  ← _M_left of 1\n"
        "    {first = 1, second = {user = 1, words = std::__cxx11::list = {"
    )
    assert "following" not in said["heap view &sessions"]


def test_a_plain_address_is_shown_as_what_its_block_is(gdb):
    lines = ("heap view vague", "heap view (long)shop.by_id", "heap view (long)ada->name")
    said = gdb(build("types_shown", "-O0"), *REACH, *lines)
    assert lettered(said["heap view vague"]).startswith(
        "  1  A  struct order  in use, chunk of 0x30\n"
        '    {id = 2, price = 2.5, next = B, prev = 0x0, note = C "deliver to the back door"}\n'
        "  2  B  struct order  in use, chunk of 0x30  ← next of 1\n"
    )
    assert lettered(said["heap view (long)shop.by_id"]) == (
        "A  struct order *[3]  in use, chunk of 0x20\n    {B, C, D}\n"
    )
    assert lettered(said["heap view (long)ada->name"]) == (
        "A  char[40]  in use, chunk of 0x30\n    \"Ada Lovelace\", '\\000' <repeats 27 times>\n"
    )


def test_of_what_takes_very_many_lines_the_first_are_shown(gdb):
    line = "heap view &main_arena --as 'struct pthread' --by none"
    said = gdb(build("types_shown", "-O0"), *REACH, line, f"{line} --count 0")
    headline, *shown = said[line].splitlines()
    every = said[f"{line} --count 0"].splitlines()[1:]
    assert headline.endswith("struct pthread  not in the heap")
    assert shown == [*every[:40], f"    … {len(every) - 40} more lines: --count 0 shows all"]
    assert len(every) > 50
