"""gdbheap where the locale has no characters but ASCII (a container without one), and where files' names are no text
in it."""

from __future__ import annotations

import shutil

import pytest

from gdbheap.commands import all_commands
from gdbheap.report.charset import in_charset
from support.gdb_runs import run_gdb
from support.programs import build

START = ("gdb", "-nx", "-q", "-batch", "-ex", "source gdb_init.py")
COMMANDS_ASKED = (
    *(
        "heap",
        "heap arenas",
        "heap bins",
        "heap check",
        "heap chunks",
        "heap leaks",
        "heap params",
        "heap rss",
        "heap sizes",
    ),
    *(
        "heap vis",
        "heap predict malloc 24",
        "vmmap",
        "vmmap --pages",
        "mm",
        "gdbheap",
        "explain $sp",
        "explain $pc",
        "fault",
    ),
)
ASKED = [word for command in COMMANDS_ASKED for word in ("-ex", command)]


@pytest.mark.parametrize(
    ("locale", "name"),
    [("C", b"plain"), ("C", "süd€".encode()), ("C", b"no-\xff-utf8"), ("C.UTF-8", b"no-\xff-utf8")],
    ids=["plain", "utf8", "bytes", "bytes, in a locale of UTF-8"],
)
def test_every_command_answers_whatever_the_locale_live_and_on_the_core(tmp_path, locale, name):
    program, core = bytes(tmp_path) + b"/" + name, tmp_path / "core"
    shutil.copy(build("mixed"), program)
    live = (*START, "-ex", "break inspected", "-ex", "run", *ASKED, "-ex", f"generate-core-file {core}", "-ex", "kill")
    for words in (live, (*START, "-ex", f"core {core}", *ASKED)):
        text = run_gdb([*words, program], {"LC_ALL": locale, "LANG": locale})
        assert "Error" not in text
        for heading in ("main_arena", "start_brk", "still reachable", "by sharing", "bytes into it, 0x"):
            assert heading in text


def test_help_is_drawn_in_ascii_too():
    documents = {command.name: f"help gdbheap {command.name}" for command in all_commands()}
    lines = [word for line in documents.values() for word in ("-ex", line)]
    text = run_gdb([*START, *lines], {"LC_ALL": "C", "LANG": "C"})
    assert text.isascii()
    for command in all_commands():
        assert in_charset(command.summary, "ascii") in text
