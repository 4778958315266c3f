"""All that gdbheap tells a user to type is something that can be typed: gdbheap's own argument parser takes it,
and gdb's parser the rest."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from gdbheap.commands import MODULES, name_of
from support.gdb_runs import ROOT, run_gdb
from support.programs import build
from support.suggestions import PACKAGE, suggestions

# What a parser says, and not the process: a symbol, a thread or a byte that is not there here is there for the user.
WRONG = (
    r"syntax error|[Ii]nvalid|[Uu]ndefined|[Uu]nmatched|junk|no option|unexpected|no place|unknown option|is "
    r"missing|does not know|takes "
)

TRY = r"""
import json, re
from gdbheap.commands import all_commands
from gdbheap.errors import UsageError
from gdbheap.inside_gdb.expressions import evaluate
from gdbheap.interface.arguments import parse
from gdbheap.commands.heap_search import _wanted
from gdbheap.analysis.prediction.calls import parse_calls

BY_NAME = {command.name: command for command in all_commands()}
# What would let the process run on, start another program or shell, or ask something: that gdb has the command
# is enough.
NOT_RUN = {"continue", "finish", "start", "run", "shell", "rr", "help", "kill", "detach", "interrupt", "file",
"next", "step", "reverse-continue"}

def known(text):
    try:
        return evaluate(text)
    except UsageError as error:
        if re.search(WRONG, str(error)):
            raise
        return 16

class Target:
    evaluate = staticmethod(known)
    process = type("Process", (), {"pointer_size": 8})

def ours(words):
    for count in (3, 2, 1):
        if " ".join(words[:count]) in BY_NAME:
            return BY_NAME[" ".join(words[:count])], count
    return None, 0

def trouble(line):
    words = line.split()
    plain = words[1:] if words[0] == "gdbheap" and len(words) > 1 and not words[1].startswith("-") else words
    command, count = ours(plain)
    try:
        if command is None:
            if words[0].split("/")[0] in NOT_RUN:
                gdb.execute(f"help {words[0]}", to_string=True)
            else:
                gdb.execute(line, to_string=True)
            return ""
        named = count + len(words) - len(plain)
        rest = "".join(line.split(None, named)[named:])
        given = parse(command, rest, known)
        if command.name == "heap search":
            if not given["hex"]:
                _wanted(Target, given)
        if command.name == "heap predict":
            parse_calls(given["ops"], known)
    except (gdb.error, UsageError) as error:
        return str(error) if isinstance(error, UsageError) or re.search(WRONG, str(error)) else ""
    return ""

def try_all(lines, file):
    with open(file, "w") as answer:
        json.dump({line: trouble(line) for line in lines}, answer)
"""


def test_every_line_that_is_suggested_can_be_typed(tmp_path):
    lines = suggestions()
    assert len(lines) > 100
    # Lines as they were once suggested, and one that no parser takes: the test can fail.
    wrong = ["heap search 'ZZ'", "vmmap --resident", "heap chunk p +", "x/4i $pc +"]
    (tmp_path / "try.py").write_text(f"import gdb\nWRONG = {WRONG!r}\n{TRY}")
    words = ["gdb", "-nx", "-q", "-batch"]
    for line in (
        "set confirm off", f"source {ROOT / 'gdb_init.py'}", f"source {tmp_path / 'try.py'}", "break look_here",
        "run", "up",
        f"python try_all({[*lines, *wrong]!r}, {str(tmp_path / 'answer')!r})",
    ):  # fmt: skip
        words += ["-ex", line]
    run_gdb([*words, str(build("typed"))])
    answers = json.loads((tmp_path / "answer").read_text())
    assert all(answers.pop(line) for line in wrong)
    assert {f"{lines[line]}: {line}": told for line, told in answers.items() if told} == {}


def test_every_way_to_start_gdbheap_that_is_named_is_there():
    named = {"README.md": (ROOT / "README.md").read_text()}
    named |= {str(path): path.read_text() for path in PACKAGE.rglob("*.py")}
    found = {name for text in named.values() for name in re.findall(r"python3 -m gdbheap (\w+)", text)}
    help_text = subprocess.run(
        [sys.executable, "-m", "gdbheap", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    # (Any command of gdb's may stand there too, on a core.)
    ways = {*re.findall(r"^    (\w+)  ", help_text, re.M), *(name_of(each).split()[0] for each in MODULES), "COMMAND"}
    assert found and found <= ways
