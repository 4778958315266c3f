"""gdb's expressions as addresses, its symbols as names, and processes that are exchanged for others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import PATIENCE, build

STOPPED = ("break stop_here", "run", "up", "python from gdbheap.inside_gdb import expressions as gdb_expressions")

SOURCE = """
struct node { node *next; char text[16]; int count : 3; };
struct adder { int operator+(int) const; };
__attribute__((noinline)) int adder::operator+(int other) const { __asm__ volatile(""); return other + 1; }
enum colour { red, green };
int numbers[4];
node second, first = { &second, "first", 1 };
extern "C" __attribute__((noinline)) void stop_here() { __asm__ volatile(""); }
int main() {
  node *pointer = &first, &reference = first;
  int &number = numbers[2];
  long negative = -1;
  double real = 1.5;
  colour shade = green;
  stop_here();
  return adder() + number + (int)real + shade + (int)negative + (pointer == &reference);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("expressions")
    (directory / "expressions.cpp").write_text(SOURCE)
    command = ["g++", "-g", "-O0", str(directory / "expressions.cpp"), "-o", str(directory / "expressions")]
    subprocess.run(command, check=True, timeout=PATIENCE)
    return directory / "expressions"


def test_a_variable_without_debug_information_is_told_as_that(tmp_path):
    (tmp_path / "plain.c").write_text(
        '#include <stdlib.h>\nvoid *kept;\nvoid stop_here(void) { __asm__ volatile(""); }\n'
        "int main(void) { kept = malloc(24); stop_here(); }\n"
    )
    subprocess.run(["gcc", str(tmp_path / "plain.c"), "-o", str(tmp_path / "plain")], check=True, timeout=PATIENCE)
    asked = ["heap owners kept", "heap owners *(void **)&kept", "explain &kept"]
    said = run_gdb(
        ["gdb", "-nx", "-q", "-batch", "-ex", f"source {ROOT / 'gdb_init.py'}", "-ex", "break stop_here", "-ex", "run"]
        + [word for each in asked for word in ("-ex", "echo @@\\n", "-ex", each)]
        + [str(tmp_path / "plain")]
    )
    untyped, owners, variable = said.split("@@\n")[1:]
    assert (
        "kept: no debug information says what kept is: &kept is its address, *(void **)&kept the pointer that it may "
        "hold" in " ".join(untyped.split())
    )
    assert "kept in plain" in owners and "of chunk size 0x20" in owners
    assert "data: kept in plain" in variable


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("pointer", "&first"),
        ("pointer->next", "&second"),
        ("(char *)pointer + 8", "first.text"),
        ("first.text", "&first.text"),
        ("numbers", "&numbers[0]"),
        ("number", "0"),
        ("&number", "&numbers[2]"),
        ("stop_here", "*stop_here"),
        ("shade", "1"),
        ("negative", "~0UL"),
        ("$sp", "(long)$sp"),
        ("'a'", "97"),
        ("first.count", "1"),
    ],
)
def test_an_expression_is_an_address(gdb, program, expression, same):
    show = f"python print(hex(gdb_expressions.evaluate({expression!r})))"
    expected = f"output/x (unsigned long)({same})"
    said = gdb(program, *STOPPED, show, expected)
    assert said[show].strip() == said[expected]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("first", "first is a node, not an address: &first is its address"),
        ("reference", "reference is a node, not an address: &reference is its address"),
        ("real", "real is a double, not an address: &real is its address"),
        ("no_such", 'no_such: No symbol "no_such" in current context.'),
        ("*(long *)8", "*(long *)8: Cannot access memory at address 0x8"),
        ("(void)0", "(void)0 is a void, not an address"),
    ],
)
def test_what_is_no_address_is_said_in_one_line(gdb, program, expression, message):
    command = f"heap chunk {expression}"
    assert gdb(program, *STOPPED, command)[command] == f"heap chunk: {message}\n"


def test_a_syntax_error_is_gdbs_own_words(gdb, program):
    said = gdb(program, *STOPPED, "heap chunk pointer +")
    assert said["heap chunk pointer +"].startswith("heap chunk: pointer +: A syntax error in expression")
    assert said["heap chunk pointer +"].count("\n") == 1


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("(long)&stop_here + 4", "stop_here+4 in expressions"),
        ("(long)&numbers[1]", "numbers+4 in expressions"),
        ("(long)$sp", "None"),
        ("0", "None"),
    ],
)
def test_an_address_has_its_symbols_name(gdb, program, address, name):
    show = f"python print(gdb_expressions.symbol_at(gdb_expressions.evaluate({address!r})))"
    assert gdb(program, *STOPPED, show)[show] == f"{name}\n"


def test_an_operator_is_told_from_an_offset(gdb, program):
    show = "python print(gdb_expressions.symbol_at(gdb_expressions.evaluate('adder::operator+') + 4))"
    assert gdb(program, *STOPPED, show)[show] == "adder::operator+(int) const+4 in expressions\n"


def program_of(said, command):
    return {row["what"]: row["found"] for row in json.loads(said[command])["rows"]}.get("program")


def test_after_an_exec_it_is_the_new_program(gdb, program):
    shell = Path("/bin/sh").resolve()
    said = gdb(
        shell, f"set args -c 'exec {program}'", "tbreak main", "catch exec", "run", "gdbheap --json",
        "tbreak stop_here",
        "continue", "gdbheap  --json",
    )  # fmt: skip
    assert program_of(said, "gdbheap  --json") == str(program)


def test_each_inferior_is_itself(gdb, program):
    other = build("before_malloc")
    said = gdb(
        program, *STOPPED, "gdbheap --json", f"add-inferior -exec {other}", "inferior 2", "break inspected",
        "run < /dev/null > /dev/null", "gdbheap  --json", "inferior 1", "gdbheap   --json", fresh=True,
    )  # fmt: skip
    programs = [program_of(said, f"gdbheap{' ' * count}--json") for count in (1, 2, 3)]
    assert programs == [str(program), str(other), str(program)]
