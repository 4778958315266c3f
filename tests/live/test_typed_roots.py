"""Every variable of a program is a typed root: statics, thread-local ones of each thread, locals and arguments of all
frames, at the address and with the type that the program itself tells; live, and in a core."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from gdbheap.types.short_names import short_name
from support.programs import SOURCES

LOOK = """
import json
from gdbheap.inside_gdb.answering import TARGET
from gdbheap.session.catalogues import joined_catalogue, typed_roots
from gdbheap.types.type_names import type_name
language = gdb.parameter("language")
selected = (gdb.selected_thread().num, gdb.selected_frame().pc())
TARGET.begin()
catalogue = joined_catalogue(TARGET)
roots = [[each.name, each.address, each.word, each.kind.name, type_name(catalogue, each.type)]
         for each in typed_roots(TARGET)]
kept = [gdb.parameter("language") == language, (gdb.selected_thread().num, gdb.selected_frame().pc()) == selected]
print("told", json.dumps([roots, list(catalogue.problems), kept]))
"""
LINE = re.compile(r"^(root|held) (\S+) (0x[0-9a-f]+) (.*)$", re.MULTILINE)


def spelled(name):
    return short_name(name).replace(" ", "")


def look_at(text):
    roots, problems, kept = json.loads(text.partition("told ")[2].partition("\n")[0])
    roots = [[each[0].replace("(anonymous namespace)::", ""), *each[1:]] for each in roots]
    assert problems == []
    assert kept == [True, True]
    return roots


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O0", "-gsplit-dwarf")], ids="".join)
def test_all_variables_are_roots(gdb, tmp_path, flags):
    program = tmp_path / "typed_roots"
    words = ["g++", "-g", "-pthread", *flags, str(SOURCES / "typed_roots.cc"), "-o", str(program)]
    subprocess.run(words, check=True, cwd=tmp_path)  # where the .dwo file comes to lie with an older compiler
    output, core, look = tmp_path / "output", tmp_path / "core", f"python exec({LOOK!r})"
    again = f"python exec({LOOK!r}) # of the core"
    said = gdb(
        program,
        "break inspected",
        f"run > {output}",
        look,
        f"generate-core-file {core}",
        "kill",
        f"core-file {core}",
        again,
        before=("set confirm off",),
    )
    told = LINE.findall(output.read_text())
    assert len(told) == 10 + 2 * 7, said.text
    for roots in (look_at(said[look]), look_at(said[again])):
        for kind, name, place, type_ in told:
            plain = name.lstrip("&")
            found = [each for each in roots if re.fullmatch(rf"{re.escape(plain)}( (in|of) .*)?", each[0])]
            if kind == "root":
                found = [each for each in found if each[1] == int(place, 16)]
            else:  # what it holds is read from where it lies, if that is not a register
                found = [each for each in found if each[2] in (None, int(place, 16))]
            assert [spelled(each[4]) for each in found[:1]] == [spelled(type_)], (kind, name, place, roots)
        assert {each[0] for each in roots if each[0].startswith("own ")} == {"own of thread 1", "own of thread 2"}
        threads = {each[0].rpartition(" ")[2] for each in roots if each[3] == "LOCAL" and each[0].startswith("held ")}
        assert threads == {"1", "2"}
