"""Beside other plugins that want the same names, in either order: nobody's gdb ends, and what gdbheap says to type
works as it stands.

The others are played: one refuses to load where a name that it wants is in `help all`, as pwndbg does, and shows its
context when it is asked for the prompt; one takes what it wants and shows its context when it hears of a stop, as
GEF does.
"""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import build

THEIRS = """
class Theirs(gdb.Command):
    \"\"\"The other plugin's command.\"\"\"
    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_USER)
    def invoke(self, line, from_tty):
        print("theirs:", line)
"""
CAREFUL = f"""
there = {{line.split()[0] for line in gdb.execute("help all", to_string=True).split("\\n") if line.strip()}}
assert not there & {{"heap", "vmmap"}}, "Cannot override a command that is there"
{THEIRS}
Theirs("heap"), Theirs("vmmap")
def show_context(prompt):
    print("THE CONTEXT")
gdb.prompt_hook = show_context
"""
RUTHLESS = f"""
{THEIRS}
Theirs("heap"), Theirs("vmmap")
gdb.events.stop.connect(lambda event: print("THE CONTEXT"))
"""
NOTICE = "gdbheap: another plugin has since taken heap, vmmap; type gdbheap heap, gdbheap vmmap\n"
NAMES = ("explain", "fault", "heap", "mm", "vmmap")
LISTED = f"""
def listed():
    lines = gdb.execute("help all", to_string=True).split("\\n")
    print("listed:", sorted(line.split()[0] for line in lines if line.split(" --")[0] in {NAMES}))
"""
OURS = f"source {ROOT / 'gdb_init.py'}"


@pytest.fixture
def source(tmp_path):
    def write(text):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        return f"source {path}"

    return write


def session(*lines, program=None, options=()):
    """Return what a gdb says that comes to its prompt (unless the options keep it from one), and finds no more to
    read there."""
    words = ["gdb", "-nx", "-q", *options, "-iex", "set confirm off"]
    for line in lines:
        words += ["-ex", line]
    return run_gdb([*words, *([str(program)] if program else [])])


def test_scripts_have_the_bare_names_at_once_and_hear_nothing_of_it(gdb, source):
    said = gdb(None, "vmmap", "heap chunks", "help vmmap", "complete hea", "python listed()", before=[source(LISTED)])
    nothing = "there is no process: run a program, attach to one, or load a core\n"
    assert (said["vmmap"], said["heap chunks"]) == (nothing, nothing)
    assert said["help vmmap"].startswith("Show the process's mappings")
    assert said["complete hea"] == "heap\n"
    assert said["python listed()"] == "listed: []\n"


def test_from_the_first_prompt_on_they_are_listed(source):
    text = session(source(LISTED), OURS, "python gdb.events.before_prompt.connect(listed)")
    assert f"listed: {list(NAMES)}\n" in text


@pytest.mark.parametrize("peer", [CAREFUL, RUTHLESS], ids=["careful", "ruthless"])
def test_a_peer_that_comes_later_gets_its_names_and_the_user_hears_of_it_once(source, peer):
    text = session(OURS, source(peer), "heap words")
    assert "theirs: words\n" in text
    assert text.count(NOTICE) == 1


@pytest.mark.parametrize("peer", [CAREFUL, RUTHLESS], ids=["careful", "ruthless"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
@pytest.mark.parametrize("batch", [True, False], ids=["batch", "prompt"])
def test_what_is_said_of_a_fatal_signal_comes_below_the_peers_context(source, peer, first, batch):
    plugins = [OURS, source(peer)] if first == "ours" else [source(peer), OURS]
    lines = [*plugins, "set gdbheap auto-fault on", "run kernel_address > /dev/null"]
    program = build("faults_pointers", "-w")
    text = session(*lines, program=program, options=("-batch",) if batch else ())
    assert text.count("kernel_address  (") == 1, text
    if not (batch and peer is CAREFUL):  # without a prompt it shows none
        assert text.index("THE CONTEXT") < text.index("because"), text


def test_suggestions_help_and_errors_are_spelled_as_they_work(gdb, source):
    said = gdb(
        build("typed"), OURS, "break look_here", "run", "gdbheap heap", "gdbheap heap chunk 3",
        "help gdbheap heap owners",
        "gdbheap heap owners p --json", "gdbheap fault", before=[source(RUTHLESS)], source=False,
    )  # fmt: skip
    chunk = "gdbheap heap chunk: 0x3 is in no chunk of the heap; `gdbheap vmmap 0x3` shows what is there\n"
    assert said["gdbheap heap chunk 3"] == chunk
    assert "next: gdbheap heap leaks (what is lost), gdbheap heap retained" in said["gdbheap heap"]
    assert "Usage: gdbheap heap owners ADDRESS" in said["help gdbheap heap owners"]
    assert "\n  gdbheap heap owners " in said["help gdbheap heap owners"]
    assert "`explain ADDRESS` explains" in said["gdbheap fault"]  # nobody has taken that one
    bare = re.compile(r"(?<!gdbheap )\b(?:heap (?:chunks?|bins|owners|search|leaks|check|sizes)|vmmap)\b[^:]")
    told = [
        line
        for line in said.outputs
        if line.startswith("gdbheap") and bare.search(said[line].replace('"command": "heap owners"', ""))
    ]
    assert told == []
