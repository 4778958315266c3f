"""heap chunk and explain in JSON: what programs read of a chunk and of an address are facts, against what the program
and gdb say."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask
from support.programs import build

COMMANDS = ("heap chunk held", "explain held", "explain &held", "explain $sp", "explain 8")
ASKED = {"mem": "held", "raw": "*((unsigned long *)held - 1)", "slot": "&held"}


def facts(answer: dict) -> dict[str, dict]:
    return {row["field"]: row["facts"] for row in answer["rows"]}


@pytest.fixture(scope="module", params=[(), ("-m32",)], ids=["64", "32"])
def told(request):
    """Return what each command says in JSON, and what gdb itself does."""
    program = build("leaks", *request.param)
    run = ("break inspected", "run < /dev/null > /dev/null")
    printed = [f'printf "gdb says {name} %lx\\n", (unsigned long){each}' for name, each in ASKED.items()]
    answers = ask([str(program)], COMMANDS, get_there=run, then=printed)
    return answers, {name: int(word, 16) for name, word in re.findall(r"gdb says (\w+) (\w+)", answers.text)}


def test_a_chunk_is_told_in_facts(told):
    answers, gdb_says = told
    chunk = facts(answers["heap chunk held"])
    mem, raw = gdb_says["mem"], gdb_says["raw"]
    size = raw & ~7
    assert chunk["mem"] == {"mem": f"{mem:#x}"}
    assert chunk["address asked for"] == {"address": f"{mem:#x}", "offset": 0}
    assert chunk["size"] == {"raw": f"{raw:#x}", "size": size}
    bits = {name: chunk[name][name] for name in ("prev_inuse", "is_mmapped", "non_main_arena")}
    assert bits == {"prev_inuse": bool(raw & 1), "is_mmapped": bool(raw & 2), "non_main_arena": bool(raw & 4)}
    assert chunk["state"] == {"state": "in_use"}
    assert chunk["after"]["address"] == chunk["chunk"]["end"]
    assert int(chunk["chunk"]["end"], 16) - int(chunk["chunk"]["address"], 16) == size
    assert [row["field"] for row in answers["heap chunk held"]["rows"]] == [name.strip() for name in chunk]


def test_an_address_in_the_heap_is_told_in_facts(told):
    answers, gdb_says = told
    mem = gdb_says["mem"]
    block = facts(answers["explain held"])
    assert block["address"] == {"address": f"{mem:#x}", "mapped": True}
    mapping = block["mapping"]
    assert int(mapping["start"], 16) + mapping["offset"] == mem < int(mapping["end"], 16)
    assert block["kind"]["kind"] == "main_heap"
    assert (block["chunk"]["mem"], block["chunk"]["offset"], block["state"]["state"]) == (f"{mem:#x}", 0, "in_use")
    holders = block["pointers"]["holders"]
    assert len(holders) == block["pointers"]["count"]
    assert any(each.get("symbol") == "held" and each["symbol_offset"] == 0 for each in holders)
    assert block["read"] == {"result": "allowed"}


def test_a_symbol_a_stack_and_no_mapping_are_told_in_facts(told):
    answers, _ = told
    symbol = facts(answers["explain &held"])["symbol"]
    assert (symbol["symbol"], symbol["symbol_offset"]) == ("held", 0)
    stack = facts(answers["explain $sp"])["stack"]
    assert tuple(stack[name] for name in ("thread_number", "stack_offset", "frame", "function")) == (
        1,
        0,
        0,
        "inspected",
    )
    nothing = facts(answers["explain 8"])
    assert nothing["address"] == {"address": "0x8", "mapped": False, "canonical": True}
    assert nothing["write"] == {"result": "SIGSEGV SEGV_MAPERR"}
    assert nothing["above"]["distance"] == int(nothing["above"]["start"], 16) - 8
