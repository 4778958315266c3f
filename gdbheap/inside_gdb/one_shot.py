"""What `python3 -m gdbheap core CORE --do COMMAND` and `attach PID` do inside gdb."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import gdb

from gdbheap.errors import Refused
from gdbheap.inside_gdb.terminal import takes_colour
from gdbheap.inside_gdb.text import spelled
from gdbheap.inside_gdb.where_typed import TYPED
from gdbheap.interface.arguments import wants_json
from gdbheap.report.failure import failure_of
from gdbheap.report.json import error_line


def run_all(commands: Sequence[str], output: int, refusal: str, remedies: Sequence[str], before: Sequence[str]) -> None:
    """Have each command write to the file descriptor `output` in place of gdb's standard output, then end gdb: with
    status 1 where one of them failed or there is nothing to look at, which `refusal` explains ("": gdb has
    said why). `before` are the shell's words before `--do`."""
    gdb.flush()
    os.dup2(output, 1)
    os.close(output)
    failed, TYPED.before = False, before
    if os.isatty(1):
        gdb.execute(f"set width {shutil.get_terminal_size().columns}")
        gdb.execute(f"set style enabled {'on' if takes_colour() else 'off'}")
    if refusal and not has_process():
        _refuse(commands, refusal, remedies)
        failed, commands = True, ()
    for command in commands:
        try:
            gdb.execute(command, from_tty=os.isatty(1))
        except gdb.error as error:
            failed = True
            gdb.flush()
            _say(str(error))
        gdb.flush()
    os.dup2(2, 1)  # what gdb says of leaving is no answer
    gdb.execute(f"quit {int(failed)}")


def end_if_refused(refusal: str, remedies: Sequence[str]) -> None:
    """End gdb with status 1 where it could not attach, and say why."""
    if not has_process():
        gdb.flush()
        _refuse((), refusal, remedies)
        gdb.execute("quit 1")


def has_process() -> bool:
    """Whether there is anything to look at."""
    return any(each.threads() for each in gdb.inferiors())


def _refuse(commands: Sequence[str], refusal: str, remedies: Sequence[str]) -> None:
    for command in commands:
        if wants_json(command):
            name = command.partition(" -")[0]
            gdb.write(error_line(name, failure_of(Refused(refusal, *remedies), refusal)))
    gdb.flush()
    _say(f"gdbheap: {refusal}")
    for each in remedies:
        _say(f"  try: {each}")


def _say(text: str) -> None:
    print(spelled(text), file=sys.__stderr__, flush=True)
