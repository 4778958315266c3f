"""`python3 -m gdbheap core CORE --do COMMAND`, `attach PID --do COMMAND`: answers without a session."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from gdbheap.launch.launcher import Launch
from gdbheap.launch.refused import StartRefusal, why_refused

_QUIETLY = ("set confirm off", "set pagination off", "set debuginfod enabled off")
_MODULE = "gdbheap.inside_gdb.one_shot"


def do_on_core(launch: Launch, core: str, program: str | None, commands: Sequence[str]) -> int:
    """Run the commands on a core; return the exit status: 1 where one failed."""
    typed = launch.typed("core", core, *([program] if program else []))
    return _do(launch.core(core, program), commands, StartRefusal(""), typed)


def do_on_process(launch: Launch, pid: int, commands: Sequence[str]) -> int:
    """The same on a process, which goes on when they are done."""
    return _do(launch.attach(pid), commands, why_refused(pid), launch.typed("attach", str(pid)))


def session_words(launch: Launch, pid: int) -> list[str]:
    """Return gdb's words for a session on a process, which ends at once where gdb may not attach."""
    refusal = why_refused(pid)
    call = f"end_if_refused({refusal.text!r}, {refusal.commands!r})"
    return [*launch.attach(pid), "-ex", f"python import {_MODULE}; {_MODULE}.{call}"]


def quiet(words: Sequence[str]) -> list[str]:
    """Return gdb's words for answers alone: without the user's start-up files, a prompt or a question."""
    settings = [word for line in _QUIETLY for word in ("-iex", line)]
    return [words[0], "-nx", "-q", "-batch", *settings, *words[1:]]


def _do(words: Sequence[str], commands: Sequence[str], refusal: StartRefusal, typed: Sequence[str]) -> int:
    """`typed` are the words of a shell's command that answers another one. What gdb itself has to say goes to
    standard error."""
    output = os.dup(1)
    try:
        refused = f"{refusal.text!r}, {refusal.commands!r}"
        call = f"run_all({list(commands)!r}, {output}, {refused}, {list(typed)!r})"
        gdb = [*quiet(words), "-ex", f"python import {_MODULE}; {_MODULE}.{call}"]
        return subprocess.run(gdb, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(output,), check=False).returncode
    finally:
        os.close(output)
