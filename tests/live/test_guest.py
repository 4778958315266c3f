"""gdbheap as a guest in gdb: others' commands keep working, settings and the process stay as they were, Ctrl-C
works, pipes get no colour."""

from __future__ import annotations

import re

import pytest

from gdbheap.commands import all_commands
from support.gdb_runs import ROOT, TELL_TALES
from support.programs import build
from support.terminal import typed

LOADED = ": heap, vmmap, fault, explain and more: `help gdbheap`"
STOPPED = ("break inspected", "run")
INIT = f"source {ROOT / 'gdb_init.py'}"

THEIRS = """
class Theirs(gdb.Command):
    \"\"\"The other plugin's heap.\"\"\"

    def __init__(self, name, **options):
        super().__init__(name, gdb.COMMAND_USER, **options)

    def invoke(self, line, from_tty):
        print("theirs:", line)

Theirs("heap")
Theirs("vmmap_of_others")
"""

MINE = """define gdbheapish
echo mine\\n
end
define heap
echo my heap\\n
end
"""

# What the process is made of: its writable memory, its registers, and which thread and frame are selected.
STATE = """
import hashlib, os
from gdbheap.process.live.proc_maps import read_maps

pid = gdb.selected_inferior().pid
digest = hashlib.sha256()
with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
    for vma in read_maps(pid):
        for page in range(vma.start, vma.end, 4096) if vma.writable else ():
            try:
                digest.update(os.pread(memory.fileno(), 4096, page))
            except OSError:  # a guard page
                digest.update(b"guard")
digest.update(open(f"/proc/{pid}/maps", "rb").read())
print(digest.hexdigest(), gdb.execute("info registers", to_string=True), gdb.execute("frame", to_string=True))
"""

INTERRUPT = """
import os, signal, time
from gdbheap.inside_gdb import plugin
from gdbheap.interface.command import Command

def work(target, arguments):
    os.kill(os.getpid(), signal.SIGINT)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass
    return None

plugin.GdbCommand("work", "work", "Work for a minute.", (), lambda: Command("work", "Work for a minute.", work))
"""


@pytest.fixture
def script(tmp_path):
    """Return the gdb command that sources these lines, of Python or of gdb's own language."""

    def write(text, suffix=".py"):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}{suffix}"
        path.write_text(text)
        return f"source {path}"

    return write


NO_PROCESS = "there is no process: run a program, attach to one, or load a core\n"
# What needs none, or is asked for something else first.
# What lets the process run.
RUN_ON = ("heap record",)
OF_FILES = (["gdbheap"], ["heap", "snapshots"], ["heap", "diff"])
WITHOUT_PROCESS = {
    "heap leaks": NO_PROCESS.replace("\n", " (what a program leaks until its end: python3 -m gdbheap leaks PROGRAM)\n"),
    "heap snapshot": (
        "heap snapshot: NAME is missing: a name for `heap diff` to know the snapshot by (or --output FILE)\n"
    ),
}


def every_command(address="&event_count", but=()):
    """Every command (`but` these) as it is typed with no arguments, or where it must have one with an address (that of
    a variable), or a call to predict."""
    lines = []
    for command in all_commands():
        if command.name in but:
            continue
        needed = [each for each in command.arguments if each.required]
        given = {"OPS": "malloc 24", "FILE": "/dev/null"}
        lines.append(" ".join([command.name, *(given.get(each.name, address) for each in needed)]))
    return lines


def test_a_python_command_of_that_name_stays_theirs(gdb, script):
    said = gdb(build("mixed"), INIT, "heap words", "gdbheap --json", "help heap", before=[script(THEIRS)], source=False)
    assert said["heap words"] == "theirs: words\n"
    assert said["help heap"] == "The other plugin's heap.\n"
    assert said[INIT] == "gdbheap: some names were already taken; type gdbheap heap\n"
    ours = gdb(None, "help gdbheap heap", "help heap")
    assert ours["help gdbheap heap"].replace("gdbheap heap", "heap") == ours["help heap"].replace(
        "gdbheap heap", "heap"
    )


def test_a_users_own_command_of_that_name_stays(gdb, script):
    said = gdb(None, INIT, "heap", "gdbheapish", before=[script(MINE, ".gdb")], source=False)
    assert said["heap"] == "my heap\n"
    assert said["gdbheapish"] == "mine\n"


def test_names_are_kept_apart_even_where_completion_is_off(gdb, script):
    before = ["set max-completions 0", script(THEIRS)]
    said = gdb(None, INIT, "heap words", "gdbheap", before=before, source=False)
    assert said["heap words"] == "theirs: words\n"
    assert said["gdbheap"].startswith("gdbheap  ")


def test_no_setting_of_gdbs_changes(gdb):
    again = "python gdb.execute('show')"
    said = gdb(build("mixed"), *STOPPED, "show", INIT, *every_command(but=RUN_ON), again, source=False)

    def settings(text):
        # History counts the commands typed; convenience variables are values, not settings.
        return [line for line in text.split("\n") if not re.match(r"(gdbheap|convenience|commands|values|\$)", line)]

    assert settings(said[again]) == settings(said["show"])
    assert len(settings(said["show"])) > 200


@pytest.mark.parametrize("name", ["mixed", "threads"])
def test_no_command_changes_the_process(gdb, script, name):
    before, after = script(STATE), script(STATE)
    said = gdb(build(name), *STOPPED, "up", before, *every_command(but=RUN_ON), after)
    assert len(said[before]) > 500
    assert said[after] == said[before]


def test_no_command_changes_what_the_first_one_said(gdb):
    lines = [f"{line} --json" for line in every_command(but=RUN_ON)]
    again = [f"{line}  --json" for line in every_command(but=RUN_ON)]
    said = gdb(build("threads"), *STOPPED, *lines, *again)
    assert [said[line] for line in lines] == [said[line] for line in again]


def test_every_command_says_in_one_line_that_there_is_no_process(gdb):
    # (Snapshots are files, and gdbheap's own facts are there without a process.)
    lines = [line for line in every_command("0x1000") if line.split()[:2] not in OF_FILES]
    said = gdb(None, *lines)
    assert {line: said[line] for line in lines} == {line: WITHOUT_PROCESS.get(line, NO_PROCESS) for line in lines}


def test_control_c_ends_a_command(gdb, script):
    said = gdb(None, script(INTERRUPT), "work", "print 1 + 1")
    assert said["work"] == "Quit: work was interrupted before it had anything to show\n"
    assert said["print 1 + 1"] == "$1 = 2\n"


def test_a_terminal_gets_colours():
    assert re.search(r"\x1b\[[\d;]*mgdbheap\x1b\[[\d;]*m  ", typed("gdbheap"))


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_terminal_that_wants_no_colours_gets_none(variables):
    text = typed("gdbheap", **variables)
    assert [line for line in text.split("\n") if line.startswith("gdbheap  ")]
    assert LOADED in text


def test_a_session_that_ends_by_itself_is_told_nothing_as_gdbheap_is_loaded():
    assert LOADED in typed("print 1")
    assert LOADED not in typed("print 1", more=["-batch"])


@pytest.mark.parametrize(
    "commands",
    [
        ("set style enabled off", "gdbheap"),
        ("pipe gdbheap | cat",),
        ("python print(gdb.execute('gdbheap', to_string=True))",),
    ],
    ids=["style off", "pipe", "captured"],
)
def test_no_colours_where_they_are_not_wanted(commands):
    lines = typed(*commands).split("\n")
    assert [line for line in lines if line.startswith("gdbheap  ")]


def test_the_pager_may_be_left_early():
    text = typed("gdbheap", "print 6 * 7", height=3)
    assert "process" not in text.partition("--Type <RET>")[2].partition("$1")[0]
    assert "Quit" in text and "was stopped" not in text
    assert re.search(r"\$1\S* = 42", text)
    assert not any(word in text for word in TELL_TALES)


def test_a_missing_package_is_one_line_and_the_rest_works(gdb):
    hidden = "python import sys; sys.modules['numpy'] = sys.modules['elftools'] = None"
    said = gdb(build("mixed"), INIT, *STOPPED, "gdbheap", before=[hidden], source=False)
    command = r"(PYTHONPATH=\S+ )?python3 -m gdbheap setup"
    pattern = rf"gdbheap: numpy, pyelftools are missing for gdb's Python 3\.\d+; run: {command}\n"
    assert re.fullmatch(pattern, said[INIT])
    assert "live process" in said["gdbheap"]


def test_loading_loads_little_of_gdbheap_and_next_to_nothing_else(gdb):
    show = "python import sys; print(*sorted(sys.modules))"
    loaded = set(gdb(None, show, fresh=True)[show].split()) - set(
        gdb(None, show, source=False, fresh=True)[show].split()
    )
    own = {name for name in loaded if name.split(".")[0] == "gdbheap"}
    # What gdb 10's Python has not loaded by itself, all of it small: found where it is in the sources' imports.
    assert loaded - own <= {"__future__", "errno", "fcntl", "importlib.machinery"}
    # Not one command, and nothing that answers: those come when they are asked.
    rooms = {".".join(name.split(".")[1:2]) for name in own}
    assert rooms == {"", "commands", "files", "inside_gdb", "interface", "packages", "report"}
    assert "gdbheap.inside_gdb.answering" not in own and len(own) < 24


INTERRUPTED_WALK = """
import os, signal
from gdbheap.inside_gdb.answering import TARGET

class Interrupt:
    calls = 0

    def __call__(self, address):
        Interrupt.calls += 1
        os.kill(os.getpid(), signal.SIGINT)

    def finish(self):
        pass

TARGET.begin(Interrupt())
view = TARGET.heap()
print(view.complete, len(view.table) > 1000, bool((view.table.address[1:] > view.table.address[:-1]).all()),
Interrupt.calls)
"""


INTERRUPTED_GRAPH = """
import contextlib, os, signal
from gdbheap.inside_gdb.answering import TARGET

class Interrupt:
    # Once the heap has been walked: while pointers are looked for.
    def __call__(self, address):
        if TARGET._heap is not None:
            os.kill(os.getpid(), signal.SIGINT)

    def doing(self, work):
        return contextlib.nullcontext()

    def of_types(self, read):
        pass

    def finish(self):
        pass

begin = TARGET.begin
TARGET.begin = lambda progress=None: begin(Interrupt())
gdb.execute("heap leaks")
TARGET.begin = begin
"""


def test_control_c_while_pointers_are_looked_for_calls_nothing_lost_and_the_next_command_reads_anew(gdb, script):
    leaks = script(INTERRUPTED_GRAPH)
    said = gdb(build("big"), *STOPPED[:1], "run 200000 < /dev/null > /dev/null", leaks, "heap leaks")
    assert re.search(r"undecided: [\d,]+ blocks, ", said[leaks])
    assert re.search(
        r"note: stopped by Ctrl-C with .* MiB of memory unread: .*no block is called lost",
        said[leaks],
    )
    assert "definitely lost: 0 blocks" in said[leaks]
    assert "undecided" not in said["heap leaks"] and "Ctrl-C" not in said["heap leaks"]


def test_control_c_in_a_long_walk_leaves_what_was_read_and_the_next_command_reads_on(gdb, script):
    walk = script(INTERRUPTED_WALK)
    whole = (
        "python from gdbheap.inside_gdb.answering import TARGET; print(TARGET.heap().complete, "
        "len(TARGET.heap().table) > 200000)"
    )
    said = gdb(build("big"), *STOPPED[:1], "run 200000 < /dev/null > /dev/null", walk, "heap chunks --summary", whole)
    assert said[walk] == "False True True 1\n"
    assert said[whole] == "True True\n"
