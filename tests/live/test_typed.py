"""gdbheap changes nothing in the process, whatever is typed: no byte of its writable memory, no register, none of gdb's
settings.

The bytes are read behind gdb's back, from /proc/PID/mem; the registers from the kernel, gdb's own copies thrown away
before.
"""

from __future__ import annotations

import json

import pytest

from gdbheap.commands import all_commands
from gdbheap.interface.arguments import all_arguments
from support.gdb_runs import ROOT, run_gdb
from support.programs import PATIENCE, build

CALLS = (
    "malloc(77)",
    "free(p)",
    '(long)puts("x")',
    'strlen("abc")',
    '"text"+1',
    '&"text"',
    '(long)"text"',
    "x+malloc(1)",
)
ASSIGNMENTS = (
    "x=1", "x+=1", "x<<=1", "x^=1", "p++", "(++x)", "(x)=1", "x?x=1:0", "*(int*)p=3", "p[0]='Z'", "kept=5", "kept++",
    "$1=5",
    "$rsp=0", "$pc=0", "++$rsp", "$eflags|=1", "$xmm0.uint128=0", "$_siginfo.si_signo=3",
)  # fmt: skip
TEXT = '"text"'
HARMLESS = ("$mine=p", "$mine+=1", "x==1", "x<=1", "p!=0")
SWITCHES = ("may-call-functions", "may-write-memory", "may-write-registers", "may-insert-breakpoints", "observer")
EXPRESSIONS = {"expression", "object", "size", "range", "text", "calls"}

WATCHER = r"""
import hashlib, json

def settings():
    return [gdb.execute(f"show {name}", to_string=True) for name in SWITCHES]

def page(memory, address):
    memory.seek(address)
    try:
        return memory.read(4096)
    except OSError:
        return b"a guard within a stack"

def fingerprint():
    pid = gdb.selected_inferior().pid
    pages = {}
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end = (int(each, 16) for each in line.split()[0].split("-"))
            if " rw" in line:
                pages[line] = hashlib.md5(b"".join(page(memory, each) for each in range(start, end, 4096))).hexdigest()
    try:
        gdb.execute("maintenance flush register-cache", to_string=True)
    except gdb.error:
        gdb.execute("flushregs", to_string=True)
    vector = gdb.execute("print/x $xmm0.uint128", to_string=True).partition("=")[2]
    return pages, vector, gdb.execute("thread apply all -q -- info registers", to_string=True), settings()

def watch(lines, file):
    said, changed = {}, []
    before = fingerprint()
    for line in lines:
        try:
            said[line] = gdb.execute(line, to_string=True)
        except gdb.error as error:
            said[line] = f"{error}\n"
        after = fingerprint()
        if after != before:
            changed.append([line, [a != b for a, b in zip(before, after)]])
        before = after
    with open(file, "w") as answer:
        json.dump({"said": said, "changed": changed}, answer)
"""


def lines_for(expression):
    """Return every command of gdbheap's with the expression in each place where it takes one."""
    for command in all_commands():
        required = [each for each in command.arguments if each.required and not each.name.startswith("--")]
        for argument in all_arguments(command):
            if argument.kind not in EXPRESSIONS:
                continue
            text = f"malloc({expression})" if argument.kind == "calls" else expression
            if argument.name.startswith("--"):
                text = " ".join(["p" for _ in required] + [f"{argument.name}={text}"])
            yield f"{command.name} {text}"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    directory = tmp_path_factory.mktemp("typed")
    refused = [line for each in (*CALLS, *ASSIGNMENTS) for line in lines_for(each)]
    texts = [*lines_for(TEXT), 'vmmap "libc"', 'vmmap "no such"', 'print $chunk("text")', 'print $chunk_size("text")',
             'print $heap_state("text")']  # fmt: skip
    completed = [f"complete {line}" for each in (CALLS[0], ASSIGNMENTS[0], TEXT) for line in lines_for(each)]
    lines = [*refused, *texts, *completed, *(f"heap chunk {each}" for each in HARMLESS)]
    (directory / "watcher.py").write_text(f"import gdb\nSWITCHES = {SWITCHES}\n{WATCHER}")
    run_gdb(
        [
            "gdb", "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}",
            "-ex", f"source {directory / 'watcher.py'}", "-ex", "break look_here", "-ex", "run", "-ex", "up",
            "-ex", "print kept", "-ex", "frame function main",
            "-ex", f"python watch({lines!r}, {str(directory / 'answer')!r})",
            str(build("typed")),
        ],
        patience=3 * PATIENCE,
        fresh=True,  # gdb 13 dies where a command within a command within a command throws its frames away
    )  # fmt: skip
    answer = json.loads((directory / "answer").read_text())
    return {"refused": refused, **answer}


def test_nothing_typed_changes_memory_registers_or_settings(told):
    assert len(told["said"]) > 300
    assert told["changed"] == []


def test_what_would_call_or_assign_is_one_line_that_says_so(told):
    odd = {line: told["said"][line] for line in told["refused"] if not is_refusal(told["said"][line])}
    assert odd == {}


def is_refusal(text):
    """Whether the first line says it, and no more follows but the place that heap predict points at."""
    first, *rest = text.rstrip("\n").split("\n")
    return (
        "in the program" in first
        and first.endswith("(gdb's print does)")
        and rest == [each for each in rest if each[:2] == "  "]
    )


def test_text_is_text(told):
    said = told["said"]
    rows = [line for line in said['vmmap "libc"'].splitlines() if line.startswith("0x")]
    assert len(rows) >= 4 and all("libc" in row for row in rows)
    assert said['vmmap "no such"'] == 'vmmap: no mapping matches "no such"\n'
    assert said['heap chunk "text"'] == 'heap chunk: "text" is text, not an address\n'
    assert said['explain "text"'] == 'explain: "text" is text, not an address\n'
    assert "total: found " in said['heap search "text"']


INTERRUPT = """python
class Interrupt(gdb.Function):
    def invoke(self):
        said.append([gdb.parameter(name) for name in ("may-call-functions", "may-write-memory")])
        raise KeyboardInterrupt
said = []
Interrupt("interrupt")
end
"""


def test_the_switches_are_as_they_were_after_ctrl_c_too(gdb, tmp_path):
    (tmp_path / "interrupt").write_text(INTERRUPT)
    shown = [f"show {name}" for name in SWITCHES]
    told = gdb(
        build("typed"), f"source {tmp_path / 'interrupt'}", "break look_here", "run", "heap chunk $interrupt()",
        "python print(said)", *shown, "continue", "set may-write-memory off", "heap chunk p", "show  may-write-memory",
    )  # fmt: skip
    assert told["python print(said)"] == "[[False, False]]\n"
    assert [told[each].rpartition(" ")[2] for each in shown] == ["on.\n"] * 4 + ["off.\n"]
    assert "look_here (what=" in told["continue"]
    assert told["show  may-write-memory"] == "Permission to write into target memory is off.\n"


def test_a_variable_of_gdbs_own_may_be_assigned(told):
    assigned, moved, *compared = (told["said"][f"heap chunk {each}"] for each in HARMLESS)
    assert "the pointer that malloc returned\n" in assigned
    assert " 0x1 bytes into the user's part\n" in moved
    # x is 7: no comparison but p's with NULL is true, and 0 and 1 are in no chunk.
    assert [each.split(" is in no chunk")[0] for each in compared] == [f"heap chunk: {n:#x}" for n in (0, 0, 1)]
