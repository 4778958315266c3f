"""`fault` on the gallery: every way to die that fixtures/programs/faults.c knows, live and on its core, 64 and 32 bits."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from gdb_runs import ROOT, run_gdb
from programs import build

# The best verdict of each case; where two fit, both, in this order; and for some what the summary or the evidence must say.
CASES: dict[str, tuple[str, ...]] = {
    "null_pointer": ("null_pointer",),
    "null_plus_offset": ("null_plus_offset",),
    "null_huge_index": ("null_plus_offset",),
    "negative_small": ("negative_small",),
    "errno_as_pointer": ("errno_as_pointer", "negative_small"),
    "map_failed": ("errno_as_pointer", "negative_small"),
    "ascii_as_pointer": ("ascii_as_pointer",),
    "truncated_pointer": ("truncated_pointer",),
    "poison_fill": ("poison_fill",),
    "deadbeef": ("poison_fill",),
    "mangled_link": ("mangled_link", "freed_chunk"),
    "tcache_key_as_pointer": ("tcache_key_as_pointer",),
    "past_mapping_end": ("past_mapping_end",),
    "past_chunk_end": ("past_chunk_end", "past_mapping_end"),
    "unmapped": ("unmapped",),
    "freed_mmapped_chunk": ("freed_mmapped_chunk", "unmapped"),
    "write_to_read_only": ("write_to_read_only",),
    "write_to_code": ("write_to_read_only",),
    "no_access": ("no_access",),
    "guard_page": ("guard_page",),
    "string_overrun": ("string_overrun", "past_mapping_end"),
    "bus_beyond_eof": ("bus_beyond_eof",),
    "stack_overflow": ("stack_overflow",),
    "thread_stack_overflow": ("thread_stack_overflow",),
    "heap_reserve": ("heap_reserve",),
    "jump_to_null": ("jump_to_null",),
    "jump_to_heap": ("jump_to_non_executable",),
    "jump_to_unmapped": ("jump_to_unmapped",),
    "return_address_overwritten": ("return_address_overwritten", "jump_to_unmapped"),
    "return_to_text": ("return_address_overwritten", "ascii_as_pointer"),
    "trap_instruction": ("trap_instruction",),
    "int3": ("trap_instruction",),
    "illegal_instruction": ("illegal_instruction",),
    "integer_divide": ("integer_divide",),
    "divide_overflow": ("integer_divide",),
    "privileged_instruction": ("privileged_instruction",),
    "kernel_address": ("kernel_address",),
    "external_signal": ("external_signal",),
    "program_abort": ("program_abort",),
    "assertion": ("assertion",),
    "malloc_abort": ("malloc_abort",),
    "invalid_free": ("malloc_abort", "invalid_free"),
    "free_of_stack": ("malloc_abort", "invalid_free"),
    "stack_smashing": ("stack_smashing",),
    "fortify_overflow": ("fortify_overflow",),
    "top_chunk": ("top_chunk",),
    "freed_chunk": ("freed_chunk",),
    "bit_flip": ("unmapped", "bit_flip"),
    "bad_syscall": ("bad_syscall",),
    "non_canonical": ("non_canonical",),
    "non_canonical_jump": ("jump_to_unmapped", "non_canonical"),
    "misaligned_sse": ("misaligned_sse",),
}
# A 32-bit process on a 64-bit kernel has nearly all 4 GiB to itself: no kernel half.
ONLY_64 = {"kernel_address", "truncated_pointer", "non_canonical", "non_canonical_jump", "misaligned_sse"}
BUILDS = {"x86-64": (), "i386": ("-m32",)}

FLAGS = ("-O1", "-fno-omit-frame-pointer", "-fstack-protector-strong", "-Wno-error", "-w")


GLIBC = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")))
# Before glibc 2.32 links are not mangled: the last block's is a plain NULL.
if GLIBC < (2, 32):
    CASES["mangled_link"] = ("null_plus_offset", "freed_chunk")
# To glibc 2.33 the key is the address of the thread's own tcache: following it harms nobody.
KEY_IS_AN_ADDRESS = GLIBC < (2, 34)


def cases_of(bits: str) -> list[str]:
    harmless = {"tcache_key_as_pointer"} if KEY_IS_AN_ADDRESS else set()
    return [name for name in CASES if name not in harmless and (bits == "x86-64" or name not in ONLY_64)]


def run_all(program: Path, names: list[str], directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run every case in one gdb, live, and then its core in another; return the answers by case."""
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    live = list(words)
    for name in names:
        for line in (
            f"run {name}",
            f"fault --json --output {directory / name}.live",
            f"generate-core-file {directory / name}.core",
            "kill",
        ):
            live += ["-ex", line]
    run_gdb([*live, str(program)], patience=300)
    dead = list(words)
    for name in names:
        dead += ["-ex", f"core-file {directory / name}.core", "-ex", f"fault --json --output {directory / name}.dead"]
    run_gdb([*dead, str(program)], patience=300)
    answers = [
        {name: json.loads((directory / f"{name}.{kind}").read_text()) for name in names} for kind in ("live", "dead")
    ]
    return answers[0], answers[1]


@pytest.fixture(scope="module", params=list(BUILDS))
def gallery(request, tmp_path_factory):
    bits = request.param
    live, dead = run_all(build("faults", *FLAGS, *BUILDS[bits]), cases_of(bits), tmp_path_factory.mktemp(bits))
    return {"live": live, "core": dead}


@pytest.mark.parametrize("where", ["live", "core"])
def test_every_way_to_die_gets_its_verdict(gallery, where):
    wrong = {}
    for name, answer in gallery[where].items():
        verdicts = [row["verdict"] for row in answer["rows"]]
        wanted = CASES[name]
        if verdicts[:1] != [wanted[0]] or not set(wanted) <= set(verdicts):
            wrong[name] = verdicts
    assert wrong == {}


def test_fatal_signals_are_explained_at_once_where_that_is_asked_for(gdb):
    program = build("faults", *FLAGS)
    asked = gdb(program, "set gdbheap auto-fault on", "break null_pointer", "run null_pointer", "continue")
    assert "null_pointer  (certain)" in asked["continue"]
    assert "certain" not in asked["run null_pointer"]
    assert "certain" not in gdb(program, "run null_pointer")["run null_pointer"]


def test_ordinary_stops_are_no_faults(gdb):
    program = build("faults", *FLAGS)
    stopped = gdb(
        program, "fault", "starti", "fault", "break main", "continue", "fault", "next", "fault", "kill", "fault"
    )
    assert stopped["fault"] == "there is no process: run a program, attach to one, or load a core\n"
    said = gdb(program, "break main", "run", "next", "fault")["fault"]
    assert (
        said
        == "no signal stopped this thread: there is no fault to explain. `explain ADDRESS` tells about an address\n"
    )
