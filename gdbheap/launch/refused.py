"""Why the system does not let gdb attach to a process, and what helps."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator, Mapping
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


def why_refused(pid: int) -> StartRefusal:
    """Return why a process that is there cannot be attached to, as far as /proc tells."""
    found = next(_reasons(pid), None) or StartRefusal(_NO_REASON, ("sudo dmesg",))
    return StartRefusal(f"gdb may not look at process {pid}: {found.text}", found.commands)


def yama_scope() -> int:
    """Return the system's kernel.yama.ptrace_scope; 0 where the kernel restricts nothing."""
    try:
        return int(kernel_text(YAMA))
    except (OSError, ValueError):
        return 0


def _reasons(pid: int) -> Iterator[StartRefusal]:
    process, own = _status(str(pid)), _status("self")
    yield from _state(pid, process)
    tracer = process.get("TracerPid", "0")
    if tracer != "0":
        name = _status(tracer).get("Name", "")
        who = f"process {tracer}{f' ({printable(name)})' if name else ''}"
        text = f"{who} is already tracing it, and only one tracer is allowed: end that one first"
        yield StartRefusal(text, (f"ps -fp {tracer}",))
    allowed = bool(int(own.get("CapEff", "0"), 16) & _SYS_PTRACE)
    users = set(process.get("Uid", "").split())
    if users and users != {str(os.geteuid())} and not allowed:
        whose = " and ".join(sorted(map(_user, users)))
        yield StartRefusal(f"it belongs to {whose}, and you are {_user(str(os.geteuid()))}", (_as_root(pid),))
    yield from _scope(pid, allowed)
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
        yield StartRefusal("it has, or had, more rights than you (setuid, or it forbids core dumps)", (_as_root(pid),))


def _state(pid: int, process: Mapping[str, str]) -> Iterator[StartRefusal]:
    if process.get("State", "").startswith(("Z", "X")):
        yield StartRefusal("it has ended, and its parent has not waited for it yet")
    elif process and "VmSize" not in process:
        yield StartRefusal("it is one of the kernel's own threads, which have no memory of their own")


def _scope(pid: int, allowed: bool) -> Iterator[StartRefusal]:
    scope = yama_scope()
    if scope == 3:
        yield StartRefusal(
            "kernel.yama.ptrace_scope is 3, so nobody can attach to a process until this machine is rebooted"
        )
    elif scope == 2 and not allowed:
        yield StartRefusal("kernel.yama.ptrace_scope is 2, so only root may attach", (_as_root(pid),))
    elif scope == 1 and not allowed:
        commands = (_as_root(pid), "sudo sysctl kernel.yama.ptrace_scope=0")
        yield StartRefusal(
            "kernel.yama.ptrace_scope is 1, so only root may attach to processes that gdb did not start", commands
        )


def _as_root(pid: int) -> str:
    """Return the command that attaches as root, with the Python packages of this user."""
    data = os.path.dirname(os.path.dirname(directory_name()))
    return f"sudo env XDG_DATA_HOME={data} {sys.executable} -m gdbheap attach {pid}"


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
