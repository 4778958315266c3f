"""Where malloc's things are: as gdb itself says with libc's symbols, and the same again without any."""

from __future__ import annotations

import json
import re

import pytest

from support.programs import build, running

STOPPED = ("break inspected", "run")

# Three ways to look at one stop: with debug info, with what the library itself says, and with nothing but memory.
LOOK = """
import json
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.errors import HeapError
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.process.symbols import ModuleSymbols
from gdbheap.sentences.facts.said import said, said_all

process = gdb_process.gather()
ways = {
    "debug": DebugFiles(DebugSearch(gdb_process.debug_directories())).symbols_of,
    "library": DebugFiles(DebugSearch(())).symbols_of,
    "nothing": lambda module: ModuleSymbols(),
}

def located(it):
    return None if it is None else [it.value, it.source]

def members(struct):
    return struct and [[f.name, f.offset, f.size] for f in struct.fields.values()]

def told(layout):
    return {
        "main_arena": located(layout.main_arena),
        "mp": located(layout.mp),
        "brk": located(layout.brk),
        "threads": {
            t.number: [located(t.tcache), located(t.arena), said(t.reason) if t.reason else "", t.is_known]
            for t in layout.threads
        },
        "safe_linking": layout.safe_linking,
        "mmapped_overhead": layout.mmapped_overhead,
        "alignment": layout.alignment,
        "version": layout.glibc_version,
        "notes": said_all(layout.notes),
        "heap_max": layout.heap_max,
        "sources": dict(layout.sources),
        "missing": {name: said(why) for name, why in layout.missing.items()},
        "structs": {
            "malloc_state": members(layout.malloc_state),
            "malloc_par": members(layout.malloc_par),
            "tcache_perthread_struct": members(layout.tcache_struct),
            "heap_info": members(layout.heap_info),
        },
    }

def answer(way):
    try:
        return told(make_layout(process, way))
    except HeapError as error:
        return {"error": f"{type(error).__name__}: {error}"}

print("told", json.dumps({name: answer(way) for name, way in ways.items()}))
"""


def python(script: str) -> str:
    return f"python exec({script!r})"


def look(gdb, program, *more: str, get_there=STOPPED):
    """Return what each way told, and gdb's outputs."""
    said = gdb(program, *get_there, python(LOOK), *more)
    output = said[python(LOOK)]
    assert "told {" in output, said.text
    return json.loads(output.partition("told ")[2]), said


def number(text: str) -> int:
    """The value in gdb's "$1 = (type *) 0x55..." or "$1 = 0x55..."."""
    return int(re.search(r"0x[0-9a-f]+", text)[0], 16)


def by_thread(text: str) -> dict[int, int]:
    """What `thread apply all print/x ...` says, by thread."""
    lines = re.compile(r"^Thread (?:1\.)?(\d+) .*?\n\$\d+ = (0x[0-9a-f]+)", re.MULTILINE | re.DOTALL)
    return {int(thread): int(value, 16) for thread, value in lines.findall(text)}


ASK = {
    "main_arena": "print/x (unsigned long)&main_arena",
    "mp": "print/x (unsigned long)&mp_",
    "tcache": "thread apply all print/x (unsigned long)tcache",
    "arena": "thread apply all print/x (unsigned long)thread_arena",
}


@pytest.mark.parametrize("flags", [(), ("-m32",), ("-no-pie",)], ids=["plain", "i386", "no-pie"])
def test_all_is_where_gdb_says_it_is_with_symbols_and_without(gdb, flags):
    told, said = look(gdb, build("threads", *flags), *ASK.values())
    main_arena, mp = number(said[ASK["main_arena"]]), number(said[ASK["mp"]])
    tcaches, arenas = by_thread(said[ASK["tcache"]]), by_thread(said[ASK["arena"]])
    assert len(tcaches) == len(arenas) == 5
    for way, source in (("debug", "symbol"), ("library", "signature"), ("nothing", "signature")):
        assert told[way]["main_arena"] == [main_arena, source]
        assert told[way]["mp"] == [mp, source]
        threads = told[way]["threads"]
        assert threads == {str(n): [[tcaches[n], source], [arenas[n], source], "", True] for n in tcaches}
    assert told["debug"]["missing"].keys() <= {"tcache_key", "global_max_fast"}


def layout_of_struct(text: str) -> dict[str, tuple[int, int]]:
    """What `ptype /o` says: {member: (offset, size)}, the outermost level only."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"/\*\s+(0x[0-9a-f]+|\d+)\s*\|\s*(0x[0-9a-f]+|\d+)\s*\*/ {4}\S.*?(\w+)(\[\d+\])*;", line)
        if match:
            found[match[3]] = (int(match[1], 0), int(match[2], 0))
    return found


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["plain", "i386"])
def test_struct_layouts_are_those_of_gdb_also_when_built_in(gdb, flags):
    structs = ["malloc_state", "malloc_par", "tcache_perthread_struct", "heap_info"]
    ask = {name: f"ptype /o struct {'_heap_info' if name == 'heap_info' else name}" for name in structs}
    told, said = look(gdb, build("threads", *flags), *ask.values())
    for name in structs:
        expected = layout_of_struct(said[ask[name]])
        assert len(expected) >= 2, said[ask[name]]
        debug, built_in = (
            {member: (offset, size) for member, offset, size in told[way]["structs"][name]}
            for way in ("debug", "nothing")
        )
        # gdb gives flexible padding (char pad[0]) a line of no bytes
        assert debug == {member: place for member, place in expected.items() if place[1]}
        if name == "malloc_par":
            # The newest glibcs differ in a last member that memory does not tell of; nor does it tell what 2.42 calls
            # tcache_bins.
            built_in = {
                "tcache_bins" if member == "tcache_small_bins" else member: built_in[member] for member in built_in
            }
            debug = {"tcache_bins" if member == "tcache_small_bins" else member: debug[member] for member in debug}
            debug.pop("tcache_unsorted_limit", None), built_in.pop("tcache_unsorted_limit", None)
        assert built_in == debug


@pytest.mark.parametrize(
    "flags",
    [("-static",), ("-static-pie",), ("-static", "-s"), ("-static", "-m32"), ("-static", "-m32", "-s")],
    ids=["static", "static-pie", "static-stripped", "i386-static", "i386-static-stripped"],
)
def test_static_programs(gdb, flags):
    """Where the libc that is linked in has symbols, they tell; without, the shape does, and says the same."""
    program = build("threads", *flags)
    with running(program) as process:
        attach = (f"attach {process.pid}",)
        told, said = look(gdb, program, *(ASK[each] for each in ("main_arena", "mp")), get_there=attach)
    stripped = "-s" in flags
    assert told["debug"]["main_arena"][1] == told["debug"]["mp"][1] == ("signature" if stripped else "symbol")
    if not stripped:
        assert told["debug"]["main_arena"][0] == number(said[ASK["main_arena"]])
        assert told["debug"]["mp"][0] == number(said[ASK["mp"]])
    values = [
        (
            each["main_arena"][0],
            each["mp"][0],
            {n: [a and a[0], b and b[0]] for n, (a, b, *_) in each["threads"].items()},
        )
        for each in told.values()
    ]
    assert values[0] == values[1] == values[2]
    assert all(tcache and arena for tcache, arena in values[0][2].values()), told


WORDS = pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["plain", "i386"])


def test_before_libc_is_loaded(gdb):
    told, _ = look(gdb, build("mixed"), get_there=("starti",))
    error = "NoHeap: libc is not loaded yet: let the program run further (`start`, or a breakpoint on main)"
    assert told == {way: {"error": error} for way in told}


@WORDS
def test_before_the_first_malloc(gdb, flags):
    """Since 2.42 malloc sets itself up before main; until then its arena is as in the file."""
    told, said = look(gdb, build("before_malloc", *flags), ASK["main_arena"], "print main_arena.top == 0")
    if said["print main_arena.top == 0"].endswith("= 1\n"):
        error = "UnusedHeap: malloc has not been used yet: main_arena is empty. Stop later, after the first malloc"
        assert told == {way: {"error": error} for way in told}
    else:
        assert {each["main_arena"][0] for each in told.values()} == {number(said[ASK["main_arena"]])}
        assert [each["threads"]["1"][0] for each in told.values()] == [None, None, None]
        assert told["debug"]["threads"]["1"][2:] == ["it has no tcache yet", True]


def test_with_tunables_that_change_what_the_search_goes_by(gdb):
    tunables = "glibc.malloc.top_pad=65536:glibc.malloc.arena_max=3:glibc.malloc.mmap_threshold=4194304"
    told, said = look(
        gdb,
        build("threads"),
        *(ASK[each] for each in ("main_arena", "mp")),
        get_there=(f"set environment GLIBC_TUNABLES {tunables}", *STOPPED),
    )
    expected = [number(said[ASK["main_arena"]]), number(said[ASK["mp"]])]
    assert {way: [each["main_arena"][0], each["mp"][0]] for way, each in told.items()} == dict.fromkeys(told, expected)


def test_with_the_tcache_switched_off(gdb):
    off = ("set environment GLIBC_TUNABLES glibc.malloc.tcache_count=0", *STOPPED)
    told, said = look(gdb, build("threads"), ASK["tcache"], ASK["arena"], "print &__tcache_dummy", get_there=off)
    arenas, tcaches = by_thread(said[ASK["arena"]]), by_thread(said[ASK["tcache"]])
    lazy = said["print &__tcache_dummy"].startswith("$")
    for way in told.values():
        threads = way["threads"]
        assert {int(n): arena[0] for n, (_, arena, *_) in threads.items()} == arenas
        # To 2.42 there is a tcache even then, in which nothing is ever kept.
        assert {int(n): tcache and tcache[0] for n, (tcache, *_) in threads.items()} == (
            dict.fromkeys(arenas) if lazy else tcaches
        )
        assert all(is_known for *_, is_known in threads.values())


def test_a_preloaded_malloc_in_place_of_libcs(gdb):
    """Since 2.34 MALLOC_CHECK_ works only with libc_malloc_debug.so, which has an arena of its own; before, in libc
    itself."""
    preload = ("set environment MALLOC_CHECK_ 3", "set environment LD_PRELOAD libc_malloc_debug.so.0", *STOPPED)
    told, _ = look(gdb, build("mixed"), "info symbol 0", get_there=preload)
    debug = "libc_malloc_debug" in " ".join(told["debug"]["notes"])
    version = tuple(map(int, told["debug"]["version"].split("."))) if not debug else (2, 34)
    assert debug == (version >= (2, 34))
    assert len({each["main_arena"][0] for each in told.values()}) == 1
    assert len({each["mp"][0] for each in told.values()}) == 1
    if debug:
        assert [each["threads"]["1"][2] for each in told.values()] == ["this malloc has no tcaches"] * 3


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_of_two_libcs_the_one_that_serves_the_program_is_shown(gdb, flags):
    program = build("two_libcs", *flags, "-Wl,--no-as-needed", "-ldl")
    ours, theirs = "heap chunk ours", "heap chunk theirs"
    told, said = look(gdb, program, ours, theirs, "heap")
    assert len({each["main_arena"][0] for each in told.values()}) == 1
    assert "in_use" in said[ours]
    assert "in_use" not in said[theirs]
    assert said["heap"].count("note: another malloc in use is not shown: main_arena at") == 1


@WORDS
def test_a_core_tells_the_same_as_the_process(gdb, flags, tmp_path):
    program = build("threads", *flags)
    core = tmp_path / "core"
    live, _ = look(gdb, program, f"generate-core-file {core}")
    dead, _ = look(gdb, None, get_there=(f"file {program}", f"core-file {core}"))
    for told in (live, dead):
        for way in told.values():
            # gdb numbers a core's threads in an order of its own
            way["threads"] = sorted((values for values in way["threads"].values()), key=str)
    dead["nothing"]["brk"] = live["nothing"]["brk"]
    assert dead == live


@WORDS
def test_the_header_of_mmapped_chunks_is_told_by_real_ones(gdb, flags):
    told, _ = look(gdb, build("mmapped", *flags))
    fastbins = any(member == "fastbinsY" for member, *_ in told["debug"]["structs"]["malloc_state"])
    overhead = 0 if fastbins else 2 * (4 if flags else 8)
    assert [(each["mmapped_overhead"], each["sources"]["mmapped_overhead"]) for each in told.values()] == [
        (overhead, "signature")
    ] * 3
