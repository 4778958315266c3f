"""The cache of symbols: what goes in comes out; what does not look like it, does not."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbheap.elf import cache as cache_module
from gdbheap.elf.cache import MAX_ENTRIES, SymbolCache, cache_directory
from gdbheap.process.cstruct import CStruct, Field
from gdbheap.process.symbols import ModuleSymbols, Symbol

MODULE = ModuleSymbols(
    build_id="ab12",
    symbols={"main_arena": Symbol(0x1000, 2200), "tcache": Symbol(8, 8, tls=True)},
    structs={"malloc_state": CStruct("malloc_state", 16, {"bins": Field("bins", 0, 16, 2)})},
    library_file="/lib/libc.so.6",
    debug_file="/usr/lib/debug/libc.debug",
    version="2.36",
    texts=frozenset(["a text"]),
    missing=("something",),
)
ABOUT = {"link": "libc.debug"}


@pytest.fixture
def cache(tmp_path):
    return SymbolCache(str(tmp_path / "gdbheap" / "symbols"))


def test_what_is_stored_is_loaded(cache):
    cache.store("one.json", MODULE, ABOUT)
    assert cache.load("one.json") == (MODULE, ABOUT)
    assert os.listdir(cache.directory) == ["one.json"]


def test_nothing_is_loaded_where_nothing_is(cache):
    assert cache.load("one.json") is None


def test_a_torn_entry_is_as_none_and_is_written_anew(cache):
    cache.store("one.json", MODULE, ABOUT)
    path = os.path.join(cache.directory, "one.json")
    with open(path, "rb") as file:
        whole = file.read()
    for size in range(0, len(whole), 7):
        with open(path, "wb") as file:
            file.write(whole[:size])
        assert cache.load("one.json") is None
    cache.store("one.json", MODULE, ABOUT)
    assert cache.load("one.json") == (MODULE, ABOUT)


PATHS = [
    ("version",),
    ("module",),
    ("about",),
    *(("module", key) for key in ("build_id", "symbols", "structs", "texts", "missing", "glibc")),
    ("module", "symbols", "main_arena"),
    ("module", "structs", "malloc_state"),
    ("module", "structs", "malloc_state", 0),
    ("module", "structs", "malloc_state", 1),
    ("module", "structs", "malloc_state", 1, 0),
    *(("module", "structs", "malloc_state", 1, 0, index) for index in range(4)),
]
TEXTS = st.sampled_from(["", "bins", "x" * 5000, "\0"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=9,
)


@given(st.sampled_from(PATHS), JUNK)
def test_an_entry_of_the_wrong_shape_is_as_none_or_still_an_entry(tmp_path_factory, path, junk):
    cache = SymbolCache(str(tmp_path_factory.getbasetemp() / "shapes"))
    cache.store("one.json", MODULE, ABOUT)
    place = os.path.join(cache.directory, "one.json")
    with open(place) as file:
        entry = json.load(file)
    part = entry
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = junk
    with open(place, "w") as file:
        json.dump(entry, file)
    loaded = cache.load("one.json")
    if loaded is not None:
        for struct in loaded[0].structs.values():
            assert all(each.offset >= 0 and each.offset + each.size <= struct.size for each in struct.fields.values())
            assert all(each.item_size * each.count == each.size for each in struct.fields.values())


@pytest.mark.parametrize("size", [0x4000_0000_0000_0000, 1 << 40, 1 << 17])
@pytest.mark.parametrize("place", [(0,), (1, 0, 1), (1, 0, 2)])
def test_a_struct_that_no_memory_holds_is_as_none(cache, size, place):
    cache.store("one.json", MODULE, ABOUT)
    path = os.path.join(cache.directory, "one.json")
    with open(path) as file:
        entry = json.load(file)
    part = entry["module"]["structs"]["malloc_state"]
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = size
    if place[0]:
        entry["module"]["structs"]["malloc_state"][0] = 2 * size
    with open(path, "w") as file:
        json.dump(entry, file)
    assert cache.load("one.json") is None


def test_what_is_no_regular_file_is_as_none(cache):
    os.makedirs(cache.directory)
    os.mkfifo(os.path.join(cache.directory, "pipe.json"))
    for name, target in (("zero.json", "/dev/zero"), ("link.json", "pipe.json"), ("loop.json", "loop.json")):
        os.symlink(target, os.path.join(cache.directory, name))
    for name in ("pipe.json", "zero.json", "link.json", "loop.json"):
        assert cache.load(name) is None


@pytest.mark.parametrize("change", [lambda path: os.chown(path, 65534, 65534), lambda path: os.chmod(path, 0o666)])
def test_what_another_user_may_have_written_is_as_none(cache, change):
    cache.store("one.json", MODULE, ABOUT)
    change(os.path.join(cache.directory, "one.json"))
    assert cache.load("one.json") is None


@pytest.mark.parametrize("contents", [b"[" * 100_000, b'{"version": 1e999}', b"\xff" * 10, b" " * (1 << 20)])
def test_hostile_contents_are_as_none(cache, contents):
    os.makedirs(cache.directory)
    with open(os.path.join(cache.directory, "one.json"), "wb") as file:
        file.write(contents)
    assert cache.load("one.json") is None


def test_the_oldest_entries_go_and_so_do_leftovers(cache):
    os.makedirs(cache.directory)
    for index in range(MAX_ENTRIES + 5):
        path = os.path.join(cache.directory, f".new-{index}" if index < 3 else f"{index}.json")
        with open(path, "wb"):
            os.utime(path, (index, index))
    with open(os.path.join(cache.directory, "README"), "wb"):
        pass
    cache.store("newest.json", MODULE, ABOUT)
    left = set(os.listdir(cache.directory))
    assert left == {"README", "newest.json", *(f"{index}.json" for index in range(6, MAX_ENTRIES + 5))}


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    cache = SymbolCache(str(tmp_path / "file" / "symbols"))
    cache.store("one.json", MODULE, ABOUT)
    assert cache.load("one.json") is None


def test_another_version_of_gdbheap_does_not_read_it(cache, monkeypatch):
    cache.store("one.json", MODULE, ABOUT)
    monkeypatch.setattr(cache_module, "VERSION", cache_module.VERSION + 1)
    assert cache.load("one.json") is None


def test_the_directory_is_below_xdg_cache_home(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_directory() == "/somewhere/gdbheap/symbols"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_directory() == "/home/me/.cache/gdbheap/symbols"
