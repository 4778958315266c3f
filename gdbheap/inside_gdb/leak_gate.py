"""What `python3 -m gdbheap leaks PROGRAM` does inside gdb: run the program, stop where a process is about to end (by
exit, by a signal, by exec), look for leaks there, and let it end as it would have."""

from __future__ import annotations

import json
import signal
from typing import Any

import gdb

from gdbheap.commands.heap_leaks import COMMAND as LEAKS
from gdbheap.errors import HeapError, NoHeap
from gdbheap.files import kernel_text, open_new
from gdbheap.inside_gdb.debugger import GdbDebugger
from gdbheap.interface.arguments import parse
from gdbheap.interface.prefix import PREFIX
from gdbheap.report.json import json_lines
from gdbheap.session.target import Target

# Where a process is about to end: exit() and quick_exit() come to _exit, the family of exec to execve or execveat.
_WAYS_OUT = ("_exit",)
_WAYS_ON = ("execve", "execveat", "fexecve")
_SETTINGS = (
    "pagination off",
    "confirm off",
    "breakpoint pending on",
    "disable-randomization off",
    "startup-with-shell on",
    "print inferior-events off",
    "print thread-events off",
)
_FOLLOWING = ("detach-on-fork off", "follow-fork-mode parent", "schedule-multiple on")
# By default these do not end a process (signal(7)).
_HARMLESS = frozenset(["SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"])
# gdb passes these on without a stop; they may be fatal all the same.
_UNSEEN = ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO")


def run_gate(starter: str, answer: str, follow_children: bool) -> None:
    """Run gdb's program by the shell script `starter`, and write what was seen of each process to the new file
    `answer`, as JSON: {"processes": [{pid, program, end, leaks, trouble}, ...], "error": gdb's words, "" for none}."""
    gate = _Gate(starter, follow_children)
    error = ""
    try:
        gate.run()
    except gdb.error as failure:
        error = str(failure)
    finally:
        with open_new(answer) as file:
            file.write(json.dumps({"processes": gate.processes, "error": error}).encode())


class _Gate:
    """The processes that have ended are in `processes`; of one that may be about to end, `_seen` has what was found
    at its last stop, by the number of its inferior."""

    def __init__(self, starter: str, follow_children: bool) -> None:
        self.processes: list[dict[str, Any]] = []
        self._seen: dict[int, dict[str, Any]] = {}
        self._known: dict[int, tuple[int, str]] = {}
        self._event: Any = None
        self._target = Target(GdbDebugger(lambda name: gdb.parameter(f"{PREFIX} {name}")))
        for each in (*_SETTINGS, f"exec-wrapper sh {starter}", *(_FOLLOWING if follow_children else ())):
            gdb.execute(f"set {each}", to_string=True)
        for name in _UNSEEN:
            gdb.execute(f"handle {name} stop pass", to_string=True)
        gdb.execute("handle SIGINT stop pass", to_string=True)
        self._ways_out = [_breakpoint(name) for name in _WAYS_OUT]
        # gdb 13 hangs where a child of vfork that it follows comes to a breakpoint in memory that is its parent's too.
        ways_on = () if follow_children else _WAYS_ON
        self._ways_on = [_breakpoint(name) for name in ways_on]
        gdb.execute("catch exec", to_string=True)
        gdb.events.stop.connect(self._note)
        gdb.events.exited.connect(self._ended)

    def run(self) -> None:
        """Run the program and all that is followed to their ends."""
        command = "run"
        while True:
            self._event = None
            gdb.execute(command, to_string=True)
            command = "continue"
            if self._event is not None:
                self._stopped(self._event)
            alive = [each for each in gdb.inferiors() if each.pid]
            if not alive:
                return
            if not gdb.selected_inferior().pid:
                gdb.execute(f"inferior {alive[0].num}", to_string=True)

    def _note(self, event: Any) -> None:
        self._event = event

    def _stopped(self, event: Any) -> None:
        inferior = gdb.selected_inferior()
        if isinstance(event, gdb.BreakpointEvent):
            hit = event.breakpoints
            if any(each in hit for each in self._ways_out):
                self._look(inferior, "exit")
            elif any(each in hit for each in self._ways_on):
                self._look(inferior, "exec")
            else:
                self._replaced(inferior)
        elif isinstance(event, gdb.SignalEvent):
            if _is_fatal(inferior.pid, event.stop_signal):
                self._look(inferior, "signal", event.stop_signal)
        else:
            self._replaced(inferior)
        self._known[inferior.num] = (inferior.pid, _program())

    def _replaced(self, inferior: gdb.Inferior) -> None:
        """exec has replaced the program of this process: what was seen just before holds."""
        seen = self._seen.pop(inferior.num, None)
        if seen is None or seen["end"]["kind"] != "exec":
            _, program = self._known.get(inferior.num, (0, ""))
            seen = _process(inferior.pid, program, "exec", _UNWATCHED["exec"])
        seen["end"]["program"] = _program()
        self.processes.append(seen)

    def _look(self, inferior: gdb.Inferior, kind: str, signal_name: str = "") -> None:
        """Keep what leaks there are, should this be the process's end."""
        self._target.forget()
        self._target.begin()
        seen = _process(inferior.pid, _program(), kind)
        try:
            report = LEAKS.run(self._target, parse(LEAKS, "--kind all --json", self._target.evaluate))
            seen["leaks"] = json.loads("".join(json_lines(report)))
        except NoHeap:
            seen["leaks"] = {"rows": [], "totals": {}, "notes": [], "faults": []}
        except HeapError as error:
            seen["trouble"] = str(error)
        if signal_name:
            seen["end"]["signal"] = signal_name
        self._seen[inferior.num] = seen

    def _ended(self, event: Any) -> None:
        inferior = event.inferior
        seen = self._seen.pop(inferior.num, None)
        status = getattr(event, "exit_code", None)
        kind = "signal" if status is None else "exit"
        if seen is None or seen["end"]["kind"] != kind:
            pid, program = self._known.get(inferior.num, (inferior.pid, _program()))
            seen = _process(pid, program, kind, _UNWATCHED[kind])
        if status is not None:
            seen["end"]["status"] = int(status)
        elif "signal" not in seen["end"]:
            number = gdb.convenience_variable("_exitsignal")
            seen["end"]["signal"] = "" if number is None else _name_of(int(number))
        self.processes.append(seen)


def _breakpoint(function: str) -> gdb.Breakpoint:
    """Return a breakpoint on libc's function, of which gdb says nothing (gdb 10 may fail at that)."""
    made = gdb.Breakpoint(f"-qualified {function}", internal=True)
    made.silent = True
    return made


_UNWATCHED = {
    "exit": "it ended without a call of libc's _exit (a system call of its own, or another libc)",
    "exec": "gdb was not stopped before it called exec (with --follow-children it cannot be)",
    "signal": "it was killed from outside, with no time to look (SIGKILL)",
}


def _process(pid: int, program: str, kind: str, trouble: str | None = None) -> dict[str, Any]:
    return {"pid": pid, "program": program, "end": {"kind": kind}, "leaks": None, "trouble": trouble}


def _program() -> str:
    space = gdb.current_progspace()
    return (space.filename if space is not None else "") or ""


def _is_fatal(pid: int, name: str) -> bool:
    """Whether this signal ends the process: neither handled nor ignored, nor harmless by default."""
    number = _number_of(name)
    if name in _HARMLESS or number is None:
        return False
    try:
        lines = dict(line.split(":", 1) for line in kernel_text(f"/proc/{pid}/status").splitlines() if ":" in line)
        taken = int(lines["SigCgt"], 16) | int(lines["SigIgn"], 16)
    except (OSError, KeyError, ValueError):
        return True
    return not taken >> (number - 1) & 1


def _number_of(name: str) -> int | None:
    """Return the number of a signal by gdb's name ("SIGSEGV", "SIG34"); None for one of gdb's own."""
    if name in signal.Signals.__members__:
        return int(signal.Signals[name])
    digits = name[3:]
    return int(digits) if digits.isdecimal() else None


def _name_of(number: int) -> str:
    """Return the name of a signal as Linux numbers it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
