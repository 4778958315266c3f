"""Frames that hold arrays of variable length: gdb 10 has an internal error where it is asked for such a one's range."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build

COMMANDS = ("heap leaks", "heap types", "heap retained", "heap chunks", "heap check --types", "explain local.names[0]")


@pytest.mark.parametrize("flags", [("-O0",), ("-O1",)], ids=["-O0", "-O1"])
def test_no_command_falls_over_them(flags):
    answers = ask([str(build("variable_length", *flags))], COMMANDS, get_there=["break inspected", "run", "up"])
    for command in COMMANDS[: None if flags == ("-O0",) else -1]:
        assert answers[command]["rows"] is not None
    assert answers["heap leaks"]["totals"]["still_reachable_blocks"] == 1
