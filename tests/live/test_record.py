"""heap record on a server whose source says what it keeps: sessions, made by enqueue(), and nothing else."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask
from support.programs import build

# A busy machine keeps gdb waiting, which counts: so as to see enough, all of the time is allowed.
RECORD = "heap record --seconds 4 --slowdown 100"
START = ("break inspected", "run")
# The first bytes of malloc's code: a breakpoint that was left there would show.
CODE = "x/16xb malloc"
PID = "python import os, signal; pid = gdb.selected_inferior().pid"
STATE = (
    "python print('state:', [line for line in open(f'/proc/{pid}/status') if line.startswith('State')]); "
    "os.kill(pid, signal.SIGKILL)"
)


def recorded(*flags, arguments="", command=RECORD, get_there=(), then=()):
    words = [f"set args {arguments}", *START, *get_there]
    return ask([str(build("recorded", *flags))], [command], get_there=words, then=then)


@pytest.fixture(scope="module", params=[(), ("-O2",), ("-m32",)], ids=["plain", "optimised", "32-bit"])
def said(request):
    return recorded(
        *request.param,
        get_there=["delete", CODE],
        then=["info breakpoints", "info signals SIGSTOP", CODE, PID, "detach", STATE],
    )


def test_the_code_that_makes_the_heap_grow_comes_first_with_its_stack(said):
    rows = said[RECORD]["rows"]
    first = rows[0]
    assert any(frame.startswith("enqueue") for frame in first["frames"]), said.text
    assert first["alive"] == first["judged"] > 0
    assert first["grown"] > 0
    assert first["example"] is not None
    assert re.match("main", first["frames"][-1])


def test_what_is_thrown_away_is_not_called_alive(said):
    # The request that is served as the time ends has its one block still.
    thrown_away = [
        row for row in said[RECORD]["rows"] if any(frame.startswith(("scratch", "parse")) for frame in row["frames"])
    ]
    assert sum(row["alive"] for row in thrown_away) <= 1, thrown_away


def test_the_slowdown_is_kept_as_it_was_measured(said):
    totals = said[RECORD]["totals"]
    assert totals["samples"] == sum(row["calls"] for row in said[RECORD]["rows"]) > 0
    assert totals["end"] == "time"
    # One call is not cut short: on a busy machine it may take long, and is told all the same.
    assert totals["slowdown"] == pytest.approx(totals["held_seconds"] / totals["seconds"])


def test_nothing_is_left_behind(said):
    before, after = re.findall(r"(?:<malloc.*>:\t.*\n){2}|(?:0x\w+ <.*malloc.*>:.*\n){2}", said.text)
    assert before == after
    assert "No breakpoints" in said.text
    assert re.search(r"SIGSTOP\s+Yes\s+Yes\s+Yes", said.text)
    assert re.search(r"state: \['State:\\t[SRD]", said.text), said.text


def test_without_symbols_a_stack_has_modules_and_offsets():
    program = str(build("recorded", "-s"))
    rows = ask([program], [RECORD], get_there=["break usleep", "run", "delete"])[RECORD]["rows"]
    assert rows[0]["alive"] == rows[0]["judged"] > 0
    assert any(re.fullmatch(r"recorded-s\+0x[0-9a-f]+", frame) for frame in rows[0]["frames"]), rows[0]


@pytest.mark.parametrize(
    ("arguments", "get_there", "end"),
    [
        ("300", (), "exited"),
        ("300 signal", (), "signal"),
        ("300 handled", (), "exited"),
        ("300 exec", (), "executed another program"),
        ("", ("break served if request == 400",), "breakpoint"),
    ],
)
def test_what_ends_the_program_or_stops_it_ends_the_recording(arguments, get_there, end):
    answers = recorded(arguments=arguments, get_there=get_there, command="heap record --seconds 50 --slowdown 100")
    totals = answers["heap record --seconds 50 --slowdown 100"]["totals"]
    assert totals["end"] == end
    assert totals["end_detail"] == {"signal": "SIGUSR1", "breakpoint": "2"}.get(end)
    assert totals["samples"] > 0


RAN_ON = """\
state, place = "", f"/proc/{pid}/stat"
while state not in ("T", "Z", "gone"):
    try:
        state = open(place).read().rpartition(")")[2].split()[0]
    except OSError:
        state = "gone"
print("then:", state)
"""


def test_the_program_that_it_became_by_exec_runs_on_to_its_end_afterwards(tmp_path):
    file = tmp_path / "ran_on.py"
    file.write_text(RAN_ON)
    said = recorded(arguments="300 exec 3000", get_there=["delete"], then=[PID, "detach", f"source {file}"])
    assert said[RECORD]["totals"]["end"] == "executed another program"
    assert re.search("^then: (Z|gone)$", said.text, re.MULTILINE), said.text


def test_where_gdb_runs_each_thread_by_itself_it_says_so():
    said = ask([str(build("recorded"))], [RECORD], get_there=["set non-stop on", *START])
    assert "in non-stop mode gdb runs each thread by itself" in said.text


def test_through_gdbserver_it_says_where_to_record():
    program = build("recorded")
    server = (f"file {program}", f"target remote | gdbserver --once - {program}", "break inspected", "continue")
    said = ask([], ["heap", "heap record"], get_there=server)
    assert "through gdbserver nothing can be recorded: run gdb on that machine" in said.text
    assert "arena main" in said.text or said["heap"]["rows"]


def test_only_the_sizes_asked_for_are_recorded():
    command = f"{RECORD} --size 200-"
    rows = recorded(command=command)[command]["rows"]
    assert rows
    assert all(any(frame.startswith("scratch") for frame in row["frames"]) for row in rows)


def test_in_a_large_heap_types_are_looked_for_only_where_they_are_asked_for():
    small, large = f"{RECORD} --count 3", f"{RECORD} --type session"
    lower = "python import gdbheap.commands.heap_record as asked; asked._MOST_TYPED = 10"
    rows = ask([str(build("recorded"))], [RECORD], get_there=[*START, "delete"])[RECORD]["rows"]
    assert "Session" in rows[0]["type"], rows
    said = ask([str(build("recorded"))], [small, large], get_there=[*START, "delete", lower])
    assert {row["type"] for row in said[small]["rows"]} == {None}
    assert all("Session" in row["type"] for row in said[large]["rows"])
    assert said[large]["rows"]


def test_the_stacks_are_written_for_flame_graphs(tmp_path):
    file, stack = tmp_path / "stacks", re.compile(r"^(?:.*;)?main;enqueue.*;malloc \d+$", re.MULTILINE)
    command = f"{RECORD} --folded {file}"
    said = recorded(command=command, then=["heap record --seconds 1 --slowdown 100 --folded -"])
    assert stack.search(file.read_text())
    assert stack.search(said.text)
    assert said[command]["next"][-1] == "continue"
    assert any(each.startswith("heap owners 0x") for each in said[command]["next"])


def test_a_core_is_not_recorded(tmp_path):
    core = tmp_path / "core"
    program = str(build("recorded"))
    made = ask([program], [], get_there=[*START, f"generate-core-file {core}"])
    assert core.exists(), made.text
    answers = ask([program, str(core)], ["heap record"])
    assert "a core cannot run, so there is nothing to record" in answers.text
