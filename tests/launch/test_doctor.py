"""doctor on the other plugins that gdb's start-up files load."""

from __future__ import annotations

import pytest

from gdbheap.launch import doctor

ADVICE = "they keep heap and vmmap: type gdbheap heap, gdbheap vmmap; load them before gdb's first prompt, gdbheap last"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("source ~/pwndbg/gdbinit.py\nsource ~/gdbheap/gdb_init.py\n", ["pwndbg"]),
        ("set confirm off\n source /opt/gef/gef.py\n", ["gef"]),
        ("source ~/.gdbinit-gef.py\nsource /usr/share/pwndbg/gdbinit.py\n", ["gef", "pwndbg"]),
        ("# source ~/pwndbg/gdbinit.py\nsource ~/gefaehrlich.py\n", []),
        (None, []),
    ],
)
def test_plugins_in_the_start_up_files_are_named_with_what_that_means(monkeypatch, tmp_path, lines, found):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / ".gdbinit"
    if lines is not None:
        path.write_text(lines)
    check = doctor._other_plugins()
    assert check.good
    assert check.mend == (ADVICE if found else "")
    if found:
        assert check.found == ", ".join(f"{name} in {path}" for name in found)
