"""Catalogues kept on disk: what goes in comes out; what is damaged, or of other files, does not."""

from __future__ import annotations

import os
import random
import subprocess
import zlib
from pathlib import Path

import pytest

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.section_table import section_places
from gdbheap.elf.types import scan
from gdbheap.elf.types.kept_catalogues import _MAGIC, catalogue_of, kept_files, load
from gdbheap.process.process import Module

SOURCE = """
typedef struct node { struct node *next; const char *text; } node;
node *nodes[3];
int main(void) { static node *kept; return kept != nodes[0]; }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kept")
    (directory / "kept.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", str(directory / "kept.c"), "-o", str(directory / "kept")], check=True)
    return directory / "kept"


@pytest.fixture
def kept(tmp_path):
    return kept_files(str(tmp_path / "types"))


def told(catalogue):
    return list(catalogue.types), list(catalogue.variables), catalogue.problems, dict(catalogue.by_name)


def scanned(program, kept):
    module = Module(str(program), str(program), 0, "ab12")
    return module, catalogue_of(module, DebugSearch(()), kept)


def entry_of(kept):
    (name,) = os.listdir(kept.directory)
    return os.path.join(kept.directory, name)


def test_what_is_kept_is_what_was_scanned(program, kept):
    module, first = scanned(program, kept)
    assert {each.name for each in first.variables} == {"nodes", "kept"}
    assert load(kept, module) is not None
    assert told(load(kept, module)) == told(first)
    assert {*first.types.columns.names} <= {*load(kept, module).types.columns.names}
    assert os.stat(entry_of(kept)).st_mode & 0o77 == 0


def test_another_file_of_the_name_is_read_anew(program, kept, tmp_path):
    module, _ = scanned(program, kept)
    os.utime(program, ns=(1, 1))
    assert load(kept, module) is None
    assert told(catalogue_of(module, DebugSearch(()), kept)) == told(load(kept, module))


def test_what_others_may_have_written_is_not_read(program, kept):
    module, _ = scanned(program, kept)
    os.chmod(entry_of(kept), 0o666)
    assert load(kept, module) is None


def test_a_torn_file_is_as_none(program, kept):
    module, _ = scanned(program, kept)
    whole = Path(entry_of(kept)).read_bytes()
    for size in range(0, len(whole), 13):
        with open(entry_of(kept), "wb") as file:
            file.write(whole[:size])
        assert load(kept, module) is None


def test_numbers_out_of_bounds_are_refused(program, kept):
    """A flipped byte in the columns, with a checksum that fits: whatever comes back can be walked."""
    module, _ = scanned(program, kept)
    whole = Path(entry_of(kept)).read_bytes()
    start = len(_MAGIC) + 12
    length = int.from_bytes(whole[start - 8 : start - 4], "little")
    columns = bytearray(zlib.decompress(whole[start + length :]))
    seed = random.Random(13)
    for _ in range(400):
        place = seed.randrange(len(columns))
        before, columns[place] = columns[place], seed.randrange(256)
        body = zlib.compress(bytes(columns), 1)
        with open(entry_of(kept), "wb") as file:
            file.write(
                whole[: start - 4] + zlib.crc32(body).to_bytes(4, "little") + whole[start : start + length] + body
            )
        columns[place] = before
        found = load(kept, module)
        if found is not None:
            for each in found.types:
                for number in (each.target, *each.arguments, *(member.type for member in each.members)):
                    assert -1 <= number < len(found.types)
            assert all(-1 <= each.type < len(found.types) for each in found.variables)


def test_what_ctrl_c_stopped_is_known_in_part_and_not_kept(program, kept, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(scan, "_PROGRESS", 0)
    module = Module(str(program), str(program), 0, "ab12")
    found = catalogue_of(module, DebugSearch(()), kept, stop)
    assert found.interrupted
    assert [each.name for each in found.types if each.name == "node"] == ["node", "node"]  # the struct, the typedef
    assert load(kept, module) is None
    whole = catalogue_of(module, DebugSearch(()), kept)
    assert not whole.interrupted
    assert told(load(kept, module)) == told(whole)


def test_a_damaged_table_of_sections_is_none_or_one(program, tmp_path):
    """Whether a file has debug information is asked without pyelftools."""
    assert section_places(str(program))[".debug_info"].is_there
    whole, seed = program.read_bytes(), random.Random(13)
    table = int.from_bytes(whole[40:48], "little")
    for _ in range(300):
        damaged = bytearray(whole[: seed.choice([len(whole), seed.randrange(len(whole))])])
        place = seed.choice([seed.randrange(64), table + seed.randrange(64 * 20)])
        if place < len(damaged):
            damaged[place] = seed.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        assert isinstance(section_places(str(tmp_path / "damaged")), dict)
        catalogue_of(Module("x", str(tmp_path / "damaged"), 0), DebugSearch(()))
