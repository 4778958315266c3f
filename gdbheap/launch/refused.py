"""Why the system does not let gdb attach to a process, and what helps."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gdbheap.files import kernel_text
from gdbheap.packages import directory_name
from gdbheap.report.printable import printable

YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_SYS_PTRACE = 1 << 19  # CAP_SYS_PTRACE
_NO_REASON = "the kernel's reason is not known; a security module may have forbidden it, and logged that"


@dataclass(frozen=True)
class StartRefusal:
    """Why, and commands that help."""

    text: str
    commands: tuple[str, ...] = ()


def why_refused(pid: int, who: str = "gdb", words: Sequence[str] = ()) -> StartRefusal:
    """Return why a process that is there cannot be attached to by `who`, as far as /proc tells; as root, the `words`
    (attach PID) could do it."""
    as_root = _as_root(words or ("attach", str(pid)))
    found = next(_reasons(pid, as_root), None) or StartRefusal(_NO_REASON, ("sudo dmesg",))
    return StartRefusal(f"{who} may not look at process {pid}: {found.text}", found.commands)


def why_none_starts() -> StartRefusal | None:
    """Return why gdb may not even trace programs that it starts itself; None: by kernel.yama.ptrace_scope it may."""
    scope = yama_scope()
    if scope == 3:
        return StartRefusal(
            "kernel.yama.ptrace_scope is 3, so nobody can run a program in gdb until this machine is rebooted"
        )
    if scope == 2 and not _may_trace_all():
        return StartRefusal(
            "kernel.yama.ptrace_scope is 2, so only root may run programs in gdb",
            ("sudo sysctl kernel.yama.ptrace_scope=1",),
        )
    return None


def yama_scope() -> int:
    """Return the system's kernel.yama.ptrace_scope; 0 where the kernel restricts nothing."""
    try:
        return int(kernel_text(YAMA))
    except (OSError, ValueError):
        return 0


def _may_trace_all() -> bool:
    return bool(int(_status("self").get("CapEff", "0"), 16) & _SYS_PTRACE)


def _reasons(pid: int, as_root: str) -> Iterator[StartRefusal]:
    process, own = _status(str(pid)), _status("self")
    yield from _state(pid, process)
    tracer = process.get("TracerPid", "0")
    if tracer != "0":
        name = _status(tracer).get("Name", "")
        who = f"process {tracer}{f' ({printable(name)})' if name else ''}"
        text = f"{who} is already tracing it, and only one tracer is allowed: end that one first"
        yield StartRefusal(text, (f"ps -fp {tracer}",))
    allowed = _may_trace_all()
    users = set(process.get("Uid", "").split())
    if users and users != {str(os.geteuid())} and not allowed:
        whose = " and ".join(sorted(map(_user, users)))
        yield StartRefusal(f"it belongs to {whose}, and you are {_user(str(os.geteuid()))}", (as_root,))
    yield from _scope(as_root, allowed)
    if os.geteuid() == 0 and not allowed:
        yield StartRefusal(
            "this container lacks the right to trace: start it with --cap-add=SYS_PTRACE, or attach from the host, "
            "where every process of the container has an id as well"
        )
    if own.get("Seccomp") == "2" and not allowed:
        yield StartRefusal(
            "a filter of system calls (seccomp) may forbid it: start the container with --cap-add=SYS_PTRACE"
        )
    if not allowed and _owner(pid) not in (os.geteuid(), None):
        yield StartRefusal("it has, or had, more rights than you (setuid, or it forbids core dumps)", (as_root,))


def _state(pid: int, process: Mapping[str, str]) -> Iterator[StartRefusal]:
    if process.get("State", "").startswith(("Z", "X")):
        yield StartRefusal("it has ended, and its parent has not waited for it yet")
    elif process and "VmSize" not in process:
        yield StartRefusal("it is one of the kernel's own threads, which have no memory of their own")


def _scope(as_root: str, allowed: bool) -> Iterator[StartRefusal]:
    scope = yama_scope()
    if scope == 3:
        yield StartRefusal(
            "kernel.yama.ptrace_scope is 3, so nobody can attach to a process until this machine is rebooted"
        )
    elif scope == 2 and not allowed:
        yield StartRefusal("kernel.yama.ptrace_scope is 2, so only root may attach", (as_root,))
    elif scope == 1 and not allowed:
        commands = (as_root, "sudo sysctl kernel.yama.ptrace_scope=0")
        yield StartRefusal(
            "kernel.yama.ptrace_scope is 1, so only root may attach to processes that gdb did not start", commands
        )


def _as_root(words: Sequence[str]) -> str:
    """Return the command that does as root what the words ask for, with the Python packages of this user."""
    data = os.path.dirname(os.path.dirname(directory_name()))
    return f"sudo env XDG_DATA_HOME={data} {sys.executable} -m gdbheap {shlex.join(words)}"


def _user(number: str) -> str:
    try:
        return pwd.getpwuid(int(number)).pw_name
    except KeyError:
        return f"user {number}"


def _owner(pid: int) -> int | None:
    """Return whom /proc says the process belongs to: root, where the kernel keeps its memory from its user."""
    try:
        return os.stat(f"/proc/{pid}/mem").st_uid
    except OSError:
        return None


def _status(process: str) -> dict[str, str]:
    try:
        lines = kernel_text(f"/proc/{process}/status").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
