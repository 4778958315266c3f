"""Symbols and structs of a module: from wherever its debug info lies, or what stands in the way, in a line."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys

import pytest

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch, debuginfod_cache
from gdbheap.process.cstruct import CStruct, Field
from gdbheap.process.process import Module
from support.built_library import build, build_dwz_pair, run, split

NOWHERE = DebugSearch(())


def module(path, build_id=""):
    return Module(str(path), str(path), 0, build_id)


def read(path, search=NOWHERE):
    return DebugFiles(search).symbols_of(module(path))


def check_contents(found, debug_file=""):
    """All that the small library has to say."""
    assert found.missing == ()
    assert found.debug_file == debug_file
    assert found.version == "2.99"
    assert found.texts == {"malloc(): unaligned fastbin chunk detected"}
    # next_to_use is static within a function: the compiler puts a number behind its name
    assert {"main_arena", "tcache", "thread_arena", "_int_malloc", "malloc", "next_to_use"} <= found.symbols.keys()
    word = 8
    assert found.symbols["main_arena"].size == 8 + word + 254 * word + 16
    assert (found.symbols["tcache"].tls, found.symbols["tcache"].size, found.symbols["main_arena"].tls) == (
        True,
        8,
        False,
    )
    assert {found.symbols["tcache"].value, found.symbols["thread_arena"].value} == {0, 8}
    state = {each.name: (each.offset, each.size, each.count) for each in found.structs["malloc_state"].fields.values()}
    assert state == {
        "mutex": (0, 4, 1),
        "flags": (4, 4, 1),
        "top": (8, 8, 1),
        "as_word": (8, 8, 1),
        "bins": (16, 254 * 8, 254),
        "binmap": (16 + 254 * 8, 16, 4),
    }
    tcache = found.structs["tcache_perthread_struct"]
    assert [(each.offset, each.size, each.count) for each in tcache.fields.values()] == [(0, 128, 64), (128, 512, 64)]
    assert list(found.structs["heap_info"].fields) == ["ar_ptr", "prev"]


@pytest.mark.parametrize("flags", [("-gdwarf-4",), ("-gdwarf-5",), ("-gz=zlib",), ("-fdebug-types-section",)], ids=str)
def test_a_library_with_debug_info_of_its_own(tmp_path, flags):
    if flags == ("-fdebug-types-section",):
        # Types are in units of their own then; that is not how any libc is built, and their sizes tell enough.
        found = read(build(tmp_path, *flags))
        assert found.symbols["main_arena"].size == 2064 and found.missing == ()
    else:
        check_contents(read(build(tmp_path, *flags)))


def test_the_debug_file_by_build_id(tmp_path):
    library = build(tmp_path)
    build_id = read(library).build_id
    debug_file = tmp_path / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
    split(library, debug_file, link=False)
    check_contents(read(library, DebugSearch((str(tmp_path / "debug"),))), str(debug_file))


@pytest.mark.parametrize("place", ["libc.debug", ".debug/libc.debug", "global"])
def test_the_debug_file_by_debuglink(tmp_path, place):
    library = build(tmp_path)
    directory = tmp_path / "debug"
    debug_file = directory / f".{tmp_path}" / "libc.debug" if place == "global" else tmp_path / place
    split(library, debug_file)
    check_contents(read(library, DebugSearch((str(directory),))), os.path.normpath(str(debug_file)))


def test_a_debuglink_to_another_file_of_that_name_is_not_followed(tmp_path):
    library = build(tmp_path)
    split(library, tmp_path / "libc.debug")
    with open(tmp_path / "libc.debug", "ab") as file:
        file.write(b"x")
    found = read(library)
    assert "main_arena" not in found.symbols
    assert found.missing == (f"there is no debug file for libc.so.6 (build-id {found.build_id})",)


def test_the_debug_file_that_debuginfods_client_has_kept(tmp_path, monkeypatch):
    library = build(tmp_path)
    build_id = read(library).build_id
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "fetched"))
    debug_file = tmp_path / "fetched" / build_id / "debuginfo"
    split(library, debug_file, link=False)
    check_contents(read(library, DebugSearch((), debuginfod_cache())), str(debug_file))


def test_debug_info_whose_shared_part_dwz_has_moved_to_another_file(tmp_path):
    library = build_dwz_pair(tmp_path)
    found = read(library)
    assert found.missing == ()
    assert found.structs == {"malloc_state": CStruct("malloc_state", 8, {"flags": Field("flags", 4, 4)})}
    (tmp_path / "common.dwz").rename(tmp_path / "elsewhere")
    found = read(library)
    assert found.structs == {}
    assert found.missing == (f"a part of the debug info in {library} lies in common.dwz, which is not here",)


def test_a_file_that_has_been_replaced_since_the_process_started(tmp_path):
    """An upgraded libc: the file has another build-id than what runs; the debug file of what runs may still be
    there."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir(), new.mkdir()
    was = build(old)
    build_id = read(was).build_id
    debug_file = tmp_path / "debug" / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
    split(was, debug_file, link=False)
    upgraded = build(new, "-DX", "-O2")
    found = DebugFiles(DebugSearch((str(tmp_path / "debug"),))).symbols_of(module(upgraded, build_id))
    assert found.missing == (f"{upgraded} is not the file that the process runs (its build-id differs)",)
    assert (found.library_file, found.debug_file, found.texts) == ("", str(debug_file), None)
    assert found.symbols["main_arena"].size == 2064


def test_a_module_that_cannot_be_opened_here():
    found = DebugFiles(NOWHERE).symbols_of(Module("/elsewhere/libc.so.6", None, 0))
    assert found.missing == (
        "/elsewhere/libc.so.6 cannot be opened here",
        "there is no debug file for libc.so.6 (build-id none)",
    )


@pytest.mark.parametrize("contents", [b"", b"\x7fELF", b"not an ELF file at all"], ids=["empty", "short", "text"])
def test_a_file_that_is_no_elf_file_is_told_of(tmp_path, contents):
    path = tmp_path / "libc.so.6"
    path.write_bytes(contents)
    found = read(path)
    assert found.missing[0].startswith(f"{path} cannot be read")
    assert (found.symbols, found.structs, found.library_file) == ({}, {}, "")


def test_damaged_files_never_raise(tmp_path):
    """Bytes changed at random, and the file cut short: something is read, or it is told what could not be."""
    seed = os.environ.get("GDBHEAP_SEED", "1")
    print("seed", seed)
    choose = random.Random(seed)
    whole = build(tmp_path).read_bytes()
    path = tmp_path / "damaged"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(choose.choice((1, 10, 1000))):
            data[choose.randrange(len(data))] = choose.randrange(256)
        path.write_bytes(data[: choose.choice((len(data), choose.randrange(len(data))))])
        found = read(path)
        assert found.symbols or found.structs or found.missing


def test_a_cached_answer_is_the_same_and_needs_no_pyelftools(tmp_path):
    library = build(tmp_path)
    cache = SymbolCache(str(tmp_path / "cache"))
    first = DebugFiles(NOWHERE, cache).symbols_of(module(library))
    script = f"""
import sys
from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.process.process import Module
found = DebugFiles(DebugSearch(()), SymbolCache({cache.directory!r})).symbols_of(
Module({str(library)!r}, {str(library)!r}, 0))
print(found, "elftools" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=240)
    assert told.stdout == f"{DebugFiles(NOWHERE, cache).symbols_of(module(library))} False\n"
    assert DebugFiles(NOWHERE, cache).symbols_of(module(library)) == first


def test_a_debug_file_that_comes_or_goes_is_noticed_in_spite_of_the_cache(tmp_path):
    library = build(tmp_path)
    files = DebugFiles(NOWHERE, SymbolCache(str(tmp_path / "cache")))
    split(library, tmp_path / "libc.debug")
    check_contents(files.symbols_of(module(library)), str(tmp_path / "libc.debug"))
    (tmp_path / "libc.debug").rename(tmp_path / "hidden")
    assert "main_arena" not in files.symbols_of(module(library)).symbols
    shutil.move(tmp_path / "hidden", tmp_path / "libc.debug")
    check_contents(files.symbols_of(module(library)), str(tmp_path / "libc.debug"))


def test_a_library_that_is_replaced_is_read_anew(tmp_path):
    library = build(tmp_path)
    files = DebugFiles(NOWHERE, SymbolCache(str(tmp_path / "cache")))
    files.symbols_of(module(library))
    run("strip", "--strip-all", library)
    assert "main_arena" not in files.symbols_of(module(library)).symbols
