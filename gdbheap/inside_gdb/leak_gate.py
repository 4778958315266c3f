"""What `python3 -m gdbheap leaks PROGRAM` does inside gdb: run the program, stop where a process is about to end (by
exit, by a signal, by exec), look for leaks there, and let it end as it would have."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import gdb

from gdbheap import packages
from gdbheap.commands import command_named
from gdbheap.errors import HeapError, NoHeap, UnusedHeap
from gdbheap.files import open_new
from gdbheap.glibc.locate.find_libc import other_mallocs
from gdbheap.inside_gdb.debugger import GdbDebugger
from gdbheap.inside_gdb.gate_watch import Watch
from gdbheap.inside_gdb.last_moments import has_ended, is_unheard_of, let_end, let_go_ended, thread_states
from gdbheap.inside_gdb.signals import is_fatal, is_own_trap, name_of
from gdbheap.inside_gdb.vfork_children import VforkChildren
from gdbheap.inside_gdb.ways_out import WayOut, WaysOut
from gdbheap.interface.arguments import parse
from gdbheap.interface.prefix import PREFIX
from gdbheap.process.clause import Clause
from gdbheap.report.json import json_lines
from gdbheap.session.target import Target

_SETTINGS = (
    "pagination off",
    "confirm off",
    "breakpoint pending on",
    "disable-randomization off",
    "startup-with-shell on",
    "print inferior-events off",
    "print thread-events off",
    # libthread_db is not needed, and gdb 10 fails with it where it follows several processes.
    "libthread-db-search-path /dev/null",
)
_FOLLOWING = ("detach-on-fork off", "follow-fork-mode parent", "schedule-multiple on")
# So many times in a row gdb is let try anew, after a pause in seconds, where it cannot let the processes run.
_MOST_FAILURES = 25
_PAUSE = 0.02
# gdb passes these on without a stop; they may be fatal all the same.
_UNSEEN = ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO")


def run_gate(starter: str, answer: str, follow_children: bool, system_calls: bool, places: bool) -> None:
    """Run gdb's program by the shell script `starter`, and write what was seen of each process to the new file
    `answer`, as JSON: {"processes": [{pid, program, of_vfork, end, leaks, trouble}, ...], "error": gdb's words, "" for
    none}. `system_calls`: see WaysOut; `places`: whether rows have the module and the holder."""
    for each in (signal.SIGTERM, signal.SIGHUP):  # the program's: whoever started gdb passes them on
        signal.signal(each, signal.SIG_IGN)
    processes: list[dict[str, Any]] = []

    def write(error: str) -> None:
        with open_new(answer) as file:
            file.write(json.dumps({"processes": processes, "error": error}).encode())

    error = ""
    try:
        if lacking := packages.missing():
            error = packages.advice(lacking)
            return
        gate = _Gate(starter, follow_children, system_calls, places)
        processes = gate.processes
        with Watch(lambda: write("it lets none of the processes run, for one was killed")) as watch:
            gate.run(watch)
    except gdb.error as failure:
        error = str(failure)
    except Exception as failure:  # a fault of gdbheap's own, whose traceback gdb prints: the answer is none
        error = f"{type(failure).__name__}: {failure}"
        raise
    finally:
        write(error)


class _Gate:
    """The processes that have ended are in `processes`; of one that may be about to end, `_seen` has what was found
    at its last stop, by the number of its inferior."""

    def __init__(self, starter: str, follow_children: bool, system_calls: bool, places: bool) -> None:
        self.processes: list[dict[str, Any]] = []
        self._seen: dict[int, dict[str, Any]] = {}
        self._known: dict[int, tuple[int, str]] = {}
        # gdb tells of the end of those that it is detached from, too.
        self._let_go: set[int] = set()
        self._event: Any = None
        # How the selected thread goes on: gdb keeps a SIGTRAP to itself, unless it is told otherwise.
        self._on = "continue"
        self._words = "--kind all --json" + (" --places" if places else "")
        self._target = Target(GdbDebugger(lambda name: gdb.parameter(f"{PREFIX} {name}")))
        for each in (*_SETTINGS, f"exec-wrapper sh {starter}", *(_FOLLOWING if follow_children else ())):
            gdb.execute(f"set {each}", to_string=True)
        for name in _UNSEEN:
            gdb.execute(f"handle {name} stop pass", to_string=True)
        gdb.execute("handle SIGINT stop pass", to_string=True)
        self._ways_out = WaysOut(system_calls, follow_children)
        self._vforks = VforkChildren()
        gdb.events.stop.connect(self._note)
        gdb.events.exited.connect(self._ended)

    def run(self, watch: Watch) -> None:
        """Run the program and all that is followed to their ends."""
        gdb.execute("starti", to_string=True)
        self._ways_out.began()
        failures = 0
        while any(each.pid for each in gdb.inferiors()):
            try:
                self._go_on(watch)
                failures = 0
            except gdb.error:  # a thread of a process that was killed has no registers
                failures += 1
                if failures == _MOST_FAILURES:
                    if not self._let_all_end():
                        raise
                    break
                time.sleep(_PAUSE)
                self._forget_the_killed()
                self._select_one_of([each for each in gdb.inferiors() if each.pid and not has_ended(each.pid)])

    def _go_on(self, watch: Watch) -> None:
        """Let the processes run to the next stop, see what that is, and select one that can go on."""
        self._event = None
        on, self._on = self._on, "continue"
        with watch.over(each.pid for each in gdb.inferiors() if each.pid):
            gdb.execute(on, to_string=True)
        if self._event is not None:
            self._stopped(self._event)
        self._forget_the_killed()
        if not gdb.selected_inferior().pid:
            self._select_one_of([each for each in gdb.inferiors() if each.pid])

    def _let_all_end(self) -> bool:
        """Let go of all processes where gdb can no longer have them run (gdb 10 takes one for running that stands
        still, where another was killed at that moment); return whether they have ended."""
        have_ended = True
        for each in reversed(gdb.inferiors()):
            if each.pid:
                pid, program = self._known.get(each.num, (each.pid, _program()))
                self._let_go.add(each.num)
                status = let_end(each)
                if status is None and not thread_states(pid):
                    status = signal.SIGKILL  # one that gdb holds ends by nothing else
                have_ended &= status is not None
                end = _end(status or 0)
                self.processes.append({**_process(pid, program, end["kind"], _LOST_HOLD), "end": end})
        return have_ended

    def _forget_the_killed(self) -> None:
        """gdb waits for ever where a process was killed while it stood still."""
        for each in gdb.inferiors():
            if each.pid and is_unheard_of(each.pid):
                self._known.setdefault(each.num, (each.pid, ""))
                self._let_go.add(each.num)
                status = let_go_ended(each)
                self._has_ended(each, _end(signal.SIGKILL if status is None else status))

    def _select_one_of(self, alive: list[gdb.Inferior]) -> None:
        """Select a thread of the first of these. (The command `inferior` would read registers, which fail where that
        one has ended meanwhile. To ask for threads makes gdb forget those that have ended; asked at every stop, gdb
        waits for ever now and then at a process that forks.)"""
        threads = (thread for each in alive for thread in each.threads())
        living = next(threads, None)
        if living is not None:
            living.switch()

    def _note(self, event: Any) -> None:
        self._event = event

    def _stopped(self, event: Any) -> None:
        inferior = gdb.selected_inferior()
        if isinstance(event, gdb.SignalEvent):
            self._signalled(inferior, event.stop_signal)
        else:
            way = self._ways_out.way(event)
            if way is WayOut.VFORK:
                self._vforks.began(self._ways_out.breakpoints)
            elif way is WayOut.REPLACED:
                self._replaced(inferior)
            elif way is not WayOut.NONE:
                self._look(inferior, way.value)
                status = self._status() if way is WayOut.EXIT else None
                if status is not None:
                    self._let_end(inferior, {"kind": "exit", "status": status})
            elif is_own_trap(event):
                self._signalled(inferior, "SIGTRAP")
                self._on = "signal SIGTRAP" if inferior.pid else "continue"
        if inferior.pid:
            self._known[inferior.num] = (inferior.pid, _program())

    def _signalled(self, inferior: gdb.Inferior, name: str) -> None:
        if is_fatal(inferior.pid, name):
            self._look(inferior, "signal")
            self._let_end(inferior, {"kind": "signal", "signal": name}, name)

    def _status(self) -> int | None:
        try:
            return self._ways_out.status(self._target.process.machine)
        except (HeapError, gdb.error):  # it was killed
            return None

    def _replaced(self, inferior: gdb.Inferior) -> None:
        """exec has replaced the program of this process: what was seen just before holds."""
        seen = self._seen_of(inferior, "exec")
        seen["end"]["program"] = _program()
        self.processes.append(seen)

    def _look(self, inferior: gdb.Inferior, kind: str) -> None:
        """Keep what leaks there are, should this be the process's end."""
        if self._vforks.depth:
            return  # the heap is the parent's
        self._target.forget()
        self._target.begin()
        seen = _process(inferior.pid, _program(), kind)
        try:
            seen["leaks"] = self._leaks()
            seen["trouble"] = self._unread() if seen["leaks"]["totals"] else None
        except (HeapError, gdb.error) as error:
            seen["trouble"] = str(error)
        self._seen[inferior.num] = seen

    def _leaks(self) -> dict[str, Any]:
        """Return the answer of heap leaks; HeapError where there is none, or the program has a malloc of its own."""
        try:
            command = command_named("heap leaks")
            report = command.run(self._target, parse(command, self._words, self._target.evaluate))
            found: dict[str, Any] = json.loads("".join(json_lines(report)))
        except UnusedHeap:
            found = {"rows": [], "totals": {}, "notes": [], "faults": []}
        if not found["rows"] and (others := other_mallocs(self._target.process)):
            raise NoHeap(f"{' and '.join(others)} defines malloc, and gdbheap reads glibc's alone")
        return found

    def _unread(self) -> str | None:
        """Return why not all leaks are known: another libc's malloc is in use too (dlmopen)."""
        clauses = [each for each in self._target.layout().notes if isinstance(each, Clause)]
        paths = [each.values()["path"] for each in clauses if each.name == "other_malloc_not_shown"]
        return f"the malloc of a second libc is in use too, and was not read: {', '.join(paths)}" if paths else None

    def _let_end(self, inferior: gdb.Inferior, end: dict[str, Any], signal_name: str = "") -> None:
        """Let go of a process that is about to end in this way, and note how it did."""
        # gdb may die of letting go of a process whose first thread has ended before.
        if self._vforks.depth or has_ended(inferior.pid):
            return
        self._known[inferior.num] = (inferior.pid, _program())
        self._let_go.add(inferior.num)
        status = let_end(inferior, signal_name)
        self._has_ended(inferior, end if status is None else _end(status))

    def _ended(self, event: Any) -> None:
        if event.inferior.num in self._let_go:
            return None
        status = getattr(event, "exit_code", None)
        if status is not None:
            return self._has_ended(event.inferior, {"kind": "exit", "status": int(status)})
        number = gdb.convenience_variable("_exitsignal")
        name = "" if number is None else name_of(int(number))
        return self._has_ended(event.inferior, {"kind": "signal", "signal": name})

    def _has_ended(self, inferior: gdb.Inferior, end: dict[str, Any]) -> None:
        seen = self._seen_of(inferior, end["kind"], end.get("signal") == "SIGKILL")
        seen["end"] = end
        self.processes.append(seen)

    def _seen_of(self, inferior: gdb.Inferior, kind: str, is_killed: bool = False) -> dict[str, Any]:
        """Return what was seen of a process that has ended in this way, or that nothing was (or perhaps not all: of one
        that was killed)."""
        seen = self._seen.pop(inferior.num, None)
        if self._vforks.parted(inferior, self._ways_out.breakpoints):
            seen = {**_process(inferior.pid, "", kind), "of_vfork": True}
        elif seen is None or seen["end"]["kind"] != kind or is_killed:
            pid, program = self._known.get(inferior.num, (inferior.pid, _program()))
            seen = _process(pid, program, kind, _UNWATCHED[kind])
        return seen


_UNWATCHED = {
    "exit": "it ended without a call of libc's _exit: --system-calls stops at the system call itself",
    "exec": "it called exec past libc: --system-calls stops at the system call itself",
    "signal": "it was killed from outside, with no time to look (SIGKILL)",
}
_LOST_HOLD = "gdb could follow it no longer, for another process was killed"


def _process(pid: int, program: str, kind: str, trouble: str | None = None) -> dict[str, Any]:
    return {"pid": pid, "program": program, "of_vfork": False, "end": {"kind": kind}, "leaks": None, "trouble": trouble}


def _program() -> str:
    space = gdb.current_progspace()
    return (space.filename if space is not None else "") or ""


def _end(status: int) -> dict[str, Any]:
    """Return the end of a process as wait() tells it."""
    if os.WIFSIGNALED(status):
        return {"kind": "signal", "signal": name_of(os.WTERMSIG(status))}
    return {"kind": "exit", "status": os.WEXITSTATUS(status)}
