"""A variable of a library that the program uses lies in the program: the typed root is there, not where the library's
own debug information says. One of the same name that is another library's own stays where it is."""

from __future__ import annotations

import json
import subprocess

import pytest

LIBRARY = """
namespace app { struct Thing { Thing *next; }; extern Thing *things; Thing *things; }
extern "C" {
extern app::Thing *plain;
app::Thing *plain;
void add(void) { app::things = plain = new app::Thing(); }
}
"""
OTHER = """
struct Item { struct Item *next; };
static struct Item *plain;
void own(void **place) { *place = &plain; }
"""
PROGRAM = """
#include <stdio.h>
namespace app { struct Thing; extern Thing *things; Thing *seen; }
extern "C" { extern app::Thing *plain; void own(void **); void add(void); }
int main() {
  void *place;
  own(&place);
  add();
  app::seen = app::things;
  printf("%#lx %#lx %#lx\\n", (unsigned long)&app::things, (unsigned long)&plain, (unsigned long)place);
  fflush(stdout);
  if (app::seen == plain)
    __builtin_trap();
}
"""
LOOK = """
import json
from gdbheap.inside_gdb.answering import TARGET
from gdbheap.session.catalogues import joined_catalogue, typed_roots
from gdbheap.types.type_names import type_name
TARGET.begin()
catalogue = joined_catalogue(TARGET)
print("told", json.dumps([[each.name, each.address, type_name(catalogue, each.type)] for each in typed_roots(TARGET)]))
"""


@pytest.mark.parametrize("flags", ["-pie", "-no-pie"])
def test_a_variable_that_was_copied_is_where_the_program_has_it(gdb, tmp_path, flags):
    for name, text in (("library.cc", LIBRARY), ("other.c", OTHER), ("program.cc", PROGRAM)):
        (tmp_path / name).write_text(text)
    link = ["-L.", "-llibrary", "-lother", f"-Wl,-rpath,{tmp_path}"]
    for words in (
        ["g++", "-g", "-shared", "-fPIC", "library.cc", "-o", "liblibrary.so"],
        ["gcc", "-g", "-shared", "-fPIC", "other.c", "-o", "libother.so"],
        ["g++", "-g", flags, *([] if flags == "-no-pie" else ["-fPIE"]), "program.cc", "-o", "program", *link],
    ):
        subprocess.run(words, check=True, cwd=tmp_path)
    look = f"python exec({LOOK!r})"
    said = gdb(tmp_path / "program", f"run > {tmp_path / 'output'}", look)
    things, plain, own = (int(word, 16) for word in (tmp_path / "output").read_text().split())
    roots = json.loads(said[look].partition("told ")[2])
    found = {(name, address): type_ for name, address, type_ in roots if name in ("app::things", "plain")}
    assert found == {
        ("app::things", things): "app::Thing *",
        ("plain", plain): "app::Thing *",
        ("plain", own): "struct Item *",
    }, said.text
