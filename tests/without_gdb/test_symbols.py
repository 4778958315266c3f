"""Symbols without gdb: an alias is told by the name that gdb tells, one is found by its name."""

from __future__ import annotations

import subprocess
from argparse import Namespace
from contextlib import ExitStack

import pytest

from gdbheap.errors import UsageError
from gdbheap.without_gdb.command_line import reader_of

SOURCE = """
#include <stdlib.h>
unsigned int told = 0x12345678;
int kill_it(void) { abort(); }
int __kill_it(void) __attribute__((alias("kill_it")));
int another_alias(void) __attribute__((alias("kill_it")));
int piece(void) __asm__("piece.part.0");
int piece(void) { return kill_it(); }
int main(void) { return piece(); }
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    directory = tmp_path_factory.mktemp("symbols")
    (directory / "program.c").write_text(SOURCE)
    subprocess.run(["gcc", "-w", "-O0", "-o", "program", "program.c"], cwd=directory, check=True)
    subprocess.run(["bash", "-c", "ulimit -c unlimited; ./program; true"], cwd=directory, check=True)
    (core,) = (each for each in directory.iterdir() if each.name.startswith("core"))
    with ExitStack() as hold:
        yield reader_of(Namespace(core=str(core), pid=None, program=None, sysroot="", debug_dir=[]), hold)


def test_a_function_of_several_names_has_gdbs(reader):
    names = [each.function for each in reader.frames(reader.gather(), None, 16)]
    assert names[-3:] == ["kill_it", "piece.part", "main"]


def test_a_symbol_is_where_it_is(reader):
    place = reader.evaluate("&told")
    assert reader.gather().memory.read(place, 4) == bytes.fromhex("78563412")
    assert reader.evaluate("(unsigned long)&told") == place
    assert reader.evaluate("*(unsigned int *)&told") == 0x12345678
    with pytest.raises(UsageError, match="a symbol"):
        reader.evaluate("&nothing_of_that_name")


def test_a_label_of_data_is_gdbs_and_reaches_no_further_than_its_section(reader):
    start = reader.evaluate("&__data_start")
    assert reader.symbol_at(start).name == "data_start"  # the last of two in the alphabet
    edge = reader.evaluate("&__bss_start")  # where .data ends, before .bss begins
    found = reader.symbol_at(edge)
    assert found is None or found.name != "__bss_start"
