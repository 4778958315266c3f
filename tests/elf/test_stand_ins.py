"""Files of data stand in for what a core does not hold of their mappings, as long as nobody has written there since."""

from __future__ import annotations

import os

import pytest

from gdbheap.analysis.pointers.missing import missing_parts
from gdbheap.elf.core_file import open_core
from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import UNTOLD
from gdbheap.session.stand_ins import note_on_stand_ins
from support.made_core import Load, make_core, note, nt_file

PAGE = 4096
START = 0x10000
WRITTEN = Load(0x1000, b"s" * PAGE)
WRITABLE = Load(START, b"", 2 * PAGE)


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a core with these segments, of the kernel or gdb, in which `data` is mapped; it is
    `age` seconds older than the core."""

    def make(data: bytes | None, loads, by_gdb: bool = False, age: float = 10):
        path, core = tmp_path / "table", tmp_path / "core"
        entry = (START, START + 2 * PAGE, 0, str(path))
        core.write_bytes(make_core(loads, note(0x46494C45, nt_file([entry], 1 if by_gdb else PAGE))))
        if data is not None:
            path.write_bytes(data)
            made = core.stat().st_mtime
            os.utime(path, (made, made - age))
        return open_core(str(core))

    return make


DATA = b"text".ljust(PAGE, b"\0") + b"more".ljust(PAGE, b"\0")


@pytest.mark.parametrize("by_gdb", [False, True], ids=["kernel", "gdb"])
def test_what_was_never_written_or_is_shared_is_read_from_the_file_and_that_is_said(opened, by_gdb):
    core = opened(DATA, [WRITTEN] if by_gdb else [WRITTEN, WRITABLE], by_gdb)
    assert core.memory.read(START, 2 * PAGE) == DATA
    process = core.process()
    assert [each[:2] for each in process.stand_ins] == [(START, START + 2 * PAGE)] and process.left_out == ()
    # What can be written may have held more than the file does now: nothing is called lost for sure.
    whole = (START, START + 2 * PAGE)
    assert missing_parts(process, [whole]) == (() if by_gdb else (whole,))
    (said,) = note_on_stand_ins(process)
    assert said.startswith("8 KiB that were mapped from /") and "on the assumption" in said


@pytest.mark.parametrize(
    ("data", "age"),
    [(None, 10), (DATA, -10), (b"\x7fELF" + DATA[4:], 10)],
    ids=["gone", "written since", "another program"],
)
@pytest.mark.parametrize("by_gdb", [False, True], ids=["kernel", "gdb"])
def test_no_other_file_does(opened, data, age, by_gdb):
    core = opened(data, [WRITTEN] if by_gdb else [WRITTEN, WRITABLE], by_gdb, age)
    process = core.process()
    assert process.stand_ins == ()
    with pytest.raises(MemoryFault):
        core.memory.read(START, 1)
    # (What the kernel left out can be written, and is missing where pointers are looked for.)
    assert [each[:2] for each in process.left_out] == ([(START, START + 2 * PAGE)] if by_gdb else [])
    assert [each.permissions for each in core.address_space if each.start == START] == [UNTOLD if by_gdb else "rw-?"]


def test_what_was_written_or_cut_off_is_not_in_the_file(opened):
    for load in (Load(START, b"new!", 2 * PAGE), Load(START, b"", 2 * PAGE, flags=4)):
        core = opened(DATA, [WRITTEN, load])
        with pytest.raises(MemoryFault):
            core.memory.read(START + PAGE, 1)
        assert core.process().stand_ins == ()


def test_a_file_that_is_shorter_holds_what_it_has(opened):
    core = opened(DATA[:PAGE], [WRITTEN, WRITABLE])
    assert list(core.memory.held_spans(START, START + 2 * PAGE)) == [(START, START + PAGE)]
    assert list(core.memory.data_spans(START, START + PAGE)) == [(START, START + PAGE)]
