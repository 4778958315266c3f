"""`explain` where less is known: a core, a remote target, a process that has not begun, a heap that is broken."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask, generated_core
from support.mappings import mappings
from support.programs import build

BUILDS = {"x86-64": (), "i386": ("-m32",)}
NAMES = ("small_block", "large_block", "first_stack", "private_file", "program_text", "main_stack", "shared_anonymous")


def table(answer):
    return {row["field"]: row["value"] for row in answer["rows"]}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_a_core_tells_the_same_but_for_pages_and_sharing(tmp_path, flags):
    with mappings(tmp_path, *flags) as program:
        places = {name: sum(program.facts[name]) // 2 for name in NAMES}
        commands = [f"explain {place:#x}" for place in places.values()]
        live = ask(["-p", str(program.pid)], commands)
        core = generated_core(program.pid, tmp_path)
        dead = ask([str(build("mappings", *flags)), str(core)], commands)
    for command in commands:
        told, again = table(live[command]), table(dead[command])
        assert again["page"] is None
        # Of the threads' numbers gdb makes its own; registers are read after the process has run on.
        for field in ("address", "kind", "chunk", "state", "contents", "read", "write", "execute"):
            assert again.get(field) == told.get(field), (command, field)
    kinds = [table(live[command])["kind"] for command in commands]
    assert kinds[:3] == ["main_heap", "mmapped_chunk", "thread_stack"]


def test_a_remote_target_has_unknown_pages():
    server = f"target remote | gdbserver --once - {build('mappings')}"
    answer = ask([], ["explain $sp", "explain main"], get_there=[server, "break main", "continue"])
    stack, text = table(answer["explain $sp"]), table(answer["explain main"])
    assert (stack["kind"], stack["page"], text["kind"]) == ("main_stack", None, "program_text")


def test_before_the_loader_has_run():
    answer = ask([str(build("mappings"))], ["explain $sp", "explain $pc", "explain 8"], get_there=["starti"])
    assert table(answer["explain $pc"])["execute"] == "allowed"
    assert table(answer["explain 8"])["read"] == "SIGSEGV SEGV_MAPERR"
    assert answer["explain $sp"]["notes"][0].startswith("malloc's heaps could not be read, so they are not marked: ")


def test_a_broken_heap_is_explained_as_far_as_it_can_be_read():
    # The size of the chunk after the first block, and all behind it, is nonsense.
    spoil = ["set var *(long *)(first + 16 + 8) = 0x4141414141414141", "print first"]
    words = ["break look", "run", "continue", "continue", *spoil]
    answer = ask([str(build("experiments"))], ["explain first", "explain first + 0x100"], get_there=words)
    assert table(answer["explain first"])["state"] == "in_use"
    beyond = table(answer["explain first + 0x100"])
    assert (beyond["kind"], beyond["write"]) == ("main_heap", "allowed")
    assert beyond.get("chunk") is None or re.match("0x", beyond["chunk"])


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_a_thread_local_variable_is_named_where_gdb_finds_it(flags):
    program = build("owned", *flags)
    places = {f"(char *)&of_thread[{index}] + 1": f"of_thread+{index * (4 if flags else 8) + 1}" for index in (0, 3)}
    answer = ask([str(program)], [f"explain {place}" for place in places], get_there=["break inspected", "run", "up"])
    for place, name in places.items():
        (row,) = [row for row in answer[f"explain {place}"]["rows"] if row["field"] == "tls"]
        assert (row["value"], row["meaning"]) == ("thread 1", f"thread-local {name} in {program.name}")
