"""`python3 -m gdbheap attach PID --do COMMAND` and `core CORE --do COMMAND`: answers alone, and an exit status."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

from gdbheap.launch import places, refused
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


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("State:\tZ (zombie)\n", "it has ended"), ("State:\tS (sleeping)\n", "it is one of the kernel's own threads")],
)
def test_what_cannot_be_looked_at_by_anybody(monkeypatch, status, wanted):
    monkeypatch.setattr(refused, "kernel_text", lambda path: status)
    assert wanted in refused.why_refused(42).text
