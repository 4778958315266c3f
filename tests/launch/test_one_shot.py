"""`python3 -m gdbheap attach PID --do COMMAND` and `core CORE --do COMMAND`: answers alone, and an exit status."""

from __future__ import annotations

import errno
import json
import re
import shlex
import subprocess
import sys

import pytest

from gdbheap.__main__ import main
from gdbheap.errors import MemoryFault, Refused
from gdbheap.launch import places, refused
from gdbheap.launch.leak_gate import Gate, run_gate
from gdbheap.process.live import held_threads
from gdbheap.process.live.live_memory import LiveMemory
from support.programs import build, running


def gdbheap(*words):
    command = [sys.executable, "-m", "gdbheap", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=places.root())


def test_a_process_answers_and_goes_on_and_so_does_a_core(tmp_path):
    with running(build("leaks")) as process:
        done = gdbheap("attach", process.pid, "--do", "heap leaks --json --count 1", "--do", f"gcore {tmp_path}/core")
        assert done.returncode == 0, done.stderr
        answer, end = json.JSONDecoder().raw_decode(done.stdout)
        assert answer["command"] == "heap leaks" and answer["rows"]
        assert done.stdout[end:].strip() == f"Saved corefile {tmp_path}/core"
        process.finish()
    # What leads on is a command of the shell's, which answers.
    text = gdbheap("core", f"{tmp_path}/core", "--do", "heap leaks --count 1").stdout
    leads = re.search(rf"^next: (python3 -m gdbheap core {tmp_path}/core --do '[^']*')", text, re.MULTILINE)
    assert leads is not None, text
    led = gdbheap(*shlex.split(leads[1])[3:])
    assert led.returncode == 0 and led.stdout.startswith("the block at 0x"), led
    # The user's own -ex comes behind the plugin.
    own = (
        "--gdb-option=-ex",
        "--gdb-option=echo of the plugin:",
        "--gdb-option=-ex",
        "--gdb-option=heap sizes --count 1",
    )
    words = (f"{tmp_path}/core", "--do", "heap leaks --json", "--do", "heap frob --json", "--do", "print 6 * 7", *own)
    done = gdbheap("core", *words)
    assert done.returncode == 1
    leaks, end = json.JSONDecoder().raw_decode(done.stdout)
    assert leaks["totals"] == answer["totals"]
    error, _ = json.JSONDecoder().raw_decode(done.stdout[end:].lstrip())
    assert (error["error"]["code"], error["error"]["next"]) == ("usage", ["help gdbheap heap"])
    assert done.stdout.endswith("\n$1 = 42\n")
    assert "of the plugin:" in done.stderr and "live bytes" in done.stderr
    assert error["error"]["message"] in done.stderr


STATUS = (
    "Name:\tprog\nState:\tS (sleeping)\nTracerPid:\t{tracer}\nUid:\t{user}\t{user}\t{user}\t{user}\nVmSize:\t 10 kB\n"
)


@pytest.mark.parametrize(
    ("files", "wanted", "commands"),
    [
        (
            {"tracer": 7},
            "process 7 (strace) is already tracing it, and only one tracer is allowed: end that one first",
            ["ps -fp 7"],
        ),
        ({"user": 4_000_000_001}, "it belongs to user 4000000001, and you are ", ["attach 42"]),
        ({"scope": 1}, "kernel.yama.ptrace_scope is 1", ["attach 42", "ptrace_scope=0"]),
        ({"scope": 2}, "kernel.yama.ptrace_scope is 2, so only root may attach", ["attach 42"]),
        ({"scope": 3}, "kernel.yama.ptrace_scope is 3, so nobody can", []),
        ({"caps": 1 << 19}, "the kernel's reason is not known", ["sudo dmesg"]),
        ({"seccomp": 2}, "a filter of system calls (seccomp) may forbid it: ", []),
    ],
)
def test_who_may_not_attach_is_told_why_and_what_helps(monkeypatch, files, wanted, commands):
    user = files.get("user", 1000)

    def text(path):
        if path == refused.YAMA:
            return str(files.get("scope", 0))
        if path == "/proc/7/status":
            return "Name:\tstrace\n"
        if path == "/proc/self/status":
            return f"CapEff:\t{files.get('caps', 0):016x}\nSeccomp:\t{files.get('seccomp', 0)}\n"
        return STATUS.format(tracer=files.get("tracer", 0), user=user)

    monkeypatch.setattr(refused, "kernel_text", text)
    monkeypatch.setattr(refused.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(refused, "_owner", lambda pid: 1000)
    found = refused.why_refused(42)
    assert found.text.startswith(f"gdb may not look at process 42: {wanted}")
    assert len(found.commands) == len(commands)
    assert all(each.endswith(end) for each, end in zip(found.commands, commands)), found.commands


def test_where_only_root_or_nobody_may_trace_gdb_starts_no_program(monkeypatch):
    def found(scope, caps):
        texts = {refused.YAMA: str(scope), "/proc/self/status": f"CapEff:\t{caps:016x}\n"}
        monkeypatch.setattr(refused, "kernel_text", texts.__getitem__)
        return refused.why_none_starts()

    assert [found(scope, 0) for scope in (0, 1)] == [None, None] and found(2, 1 << 19) is None
    assert found(2, 0).text == "kernel.yama.ptrace_scope is 2, so only root may run programs in gdb"
    assert found(2, 0).commands == ("sudo sysctl kernel.yama.ptrace_scope=1",)
    assert found(3, 1 << 19).text.startswith("kernel.yama.ptrace_scope is 3, so nobody can run a program in gdb")
    with pytest.raises(Refused, match="gdb may not run /bin/true: kernel"):
        found(2, 0)
        run_gate(Gate(None, "/bin/true", ()))


def test_without_gdb_too_it_is_told_why_a_process_may_not_be_looked_at(monkeypatch, capsys):
    def unreadable(memory, address, size):
        raise MemoryFault(address, size)

    monkeypatch.setattr(held_threads, "_ptrace", refuse)
    monkeypatch.setattr(LiveMemory, "read", unreadable)
    monkeypatch.setattr(refused, "_reasons", lambda pid, as_root: iter([refused.StartRefusal("why", (as_root,))]))
    with running(build("leaks")) as process:
        assert main(["heap", "chunks", "--pid", str(process.pid)]) == 1
        first, second = capsys.readouterr().err.splitlines()
        assert first == f"gdbheap: gdbheap may not look at process {process.pid}: why"
        assert second.startswith("  try: sudo ") and second.endswith(f" -m gdbheap heap chunks --pid {process.pid}")
        process.finish()


def refuse(*_):
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("State:\tZ (zombie)\n", "it has ended"), ("State:\tS (sleeping)\n", "it is one of the kernel's own threads")],
)
def test_what_cannot_be_looked_at_by_anybody(monkeypatch, status, wanted):
    monkeypatch.setattr(refused, "kernel_text", lambda path: status)
    assert wanted in refused.why_refused(42).text
