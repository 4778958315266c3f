"""The scanner's structs against gdb's own reading of the same debug information (what `ptype /o` prints): sizes,
members, offsets, base classes, their types."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.programs import SOURCES, build

LOOK = r"""
import gdb, json, re
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.types.scan import scan_files
from gdbheap.types.catalogue import MemberKind, TypeKind
from gdbheap.types.type_names import size_of

catalogue, _ = scan_files([gdb.objfiles()[0].filename], DebugSearch(()))
types = catalogue.types

def ours(info):
    found = []
    for member in info.members:
        place = "virtual" if member.kind == MemberKind.VIRTUAL_BASE else member.offset
        size = None if place == "virtual" else size_of(catalogue, member.type)
        found.append([member.name, None if member.kind == MemberKind.BIT_FIELD else place, size])
    return found

def gdbs(kind):
    found = []
    for field in kind.fields():
        if not hasattr(field, "bitpos"):
            continue  # static
        place = None if field.bitsize or field.bitpos is None else field.bitpos // 8
        found.append(["" if field.is_base_class else field.name or "", place, field.type.sizeof])
    return found

def same(info, kind):
    # What gdb says of a virtual base class differs from gdb to gdb.
    own, told = ours(info), gdbs(kind)
    told = [mine if mine[1] == "virtual" and not his[0] else his for mine, his in zip(own, told)] + told[len(own):]
    return info.size == kind.sizeof and own == told

checked, wrong = 0, []
for name, numbers in catalogue.by_name.items():
    infos = [types[each] for each in numbers if types[each].kind in (TypeKind.STRUCT, TypeKind.UNION)]
    if not infos or "lambda" in name:
        continue
    kind = None
    for spelled in (name, f"struct {name}", f"union {name}"):
        try:
            kind = gdb.lookup_type(spelled).strip_typedefs()
            break
        except gdb.error:
            pass
    if kind is None or kind.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        continue
    checked += 1
    if not any(same(each, kind) for each in infos):
        wrong.append([name, [[each.size, ours(each)] for each in infos], [kind.sizeof, gdbs(kind)]])
print("told", json.dumps([checked, wrong[:4]]))
"""


@pytest.mark.parametrize("program", ["typed_roots", "classes", "leaks_cxx", "demo"])
def test_structs_are_as_gdb_has_them(gdb, program):
    look = f"python exec({LOOK!r})"
    said = gdb(build(program), look)
    checked, wrong = json.loads(said[look].partition("told ")[2])
    assert wrong == []
    assert checked > (40 if (SOURCES / f"{program}.cc").exists() else 2)


def test_virtual_bases_are_as_gdb_has_them(gdb, tmp_path):
    source = tmp_path / "virtual.cc"
    source.write_text(
        "struct Base { virtual ~Base() {} int a; }; struct Left : virtual Base { int b; };\n"
        "struct Right : virtual Base { int c : 3, d : 9; char flags[2][3]; }; struct Both : Left, Right { long e; };\n"
        "union Mixed { int a; char *b; struct { short c, d; }; }; struct Flexible { int n; long rest[]; };\n"
        "Both both; Mixed mixed; Flexible *flexible; int main() { return both.a + mixed.a; }\n"
    )
    program = tmp_path / "virtual"
    subprocess.run(["g++", "-g", str(source), "-o", str(program)], check=True)
    look = f"python exec({LOOK!r})"
    checked, wrong = json.loads(gdb(program, look)[look].partition("told ")[2])
    assert wrong == []
    assert checked == 6
