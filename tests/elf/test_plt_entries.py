"""The stubs of a module's PLT, as binutils' objdump names them."""

from __future__ import annotations

import re
import subprocess

import pytest

from gdbheap.elf.plt_entries import PltEntries, plt_entries
from gdbheap.machine.x86.code import CODE_32, CODE_64

SOURCE = (
    "#include <stdlib.h>\nint main(int c, char **v) { free(v[1]); v[0] = malloc(c); return v[c] == (char *)&qsort; }\n"
)
BUILDS = ([], ["-no-pie"], ["-fcf-protection=full", "-Wl,-z,ibtplt"], ["-Wl,-z,now"], ["-m32"], ["-m32", "-no-pie"])


@pytest.mark.parametrize("flags", BUILDS, ids="".join)
def test_stubs_are_named_as_objdump_names_them(tmp_path, flags):
    source, program = tmp_path / "a.c", str(tmp_path / "a")
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-O1", *flags, str(source), "-o", program], check=True)
    said = subprocess.run(["objdump", "-d", program], capture_output=True, text=True, check=True).stdout
    expected = {int(place, 16): name for place, name in re.findall(r"^([0-9a-f]+) <(\w+)@plt>:$", said, re.M)}
    assert {"malloc", "free"} <= set(expected.values())
    found = plt_entries(program, CODE_32 if "-m32" in flags else CODE_64)
    assert found.stubs == expected
    relocations = subprocess.run(["objdump", "-R", program], capture_output=True, text=True, check=True).stdout
    jumped_by = re.findall(r"^([0-9a-f]+) R_\w+_JU?MP_SLOT\s+(\w+)", relocations, re.M)
    assert found.slots == {int(place, 16): name for place, name in jumped_by}


def test_what_is_no_such_file_has_none(tmp_path):
    assert plt_entries(str(tmp_path / "none"), CODE_64) == PltEntries({}, {})
    (tmp_path / "text").write_text(SOURCE)
    assert plt_entries(str(tmp_path / "text"), CODE_64) == PltEntries({}, {})
