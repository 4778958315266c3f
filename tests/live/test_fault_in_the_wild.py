"""`fault` where less is known, or where the program did not die in its own code: other builds, gdbserver, poor
cores, libc, handlers, threads, real programs; and never at an ordinary stop."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess

import pytest

from support.fault_gallery import build_family
from support.gdb_runs import ROOT, ask, kept_symbols, kernel_core, run_gdb
from support.programs import build
from support.real_programs import waiting

# Some of the galleries' cases, whatever else is known: each by another recogniser; their gallery, and what they are.
SOME = {
    "null_plus_offset": ("pointers", "null_plus_offset"),
    "write_to_read_only": ("mappings", "write_to_read_only"),
    "bus_beyond_eof": ("mappings", "bus_beyond_eof"),
    "thread_stack_overflow": ("mappings", "thread_stack_overflow"),
    "return_address_overwritten": ("control", "return_address_overwritten"),
    "int3": ("control", "trap_instruction"),
    "integer_divide": ("control", "integer_divide"),
    "privileged_instruction": ("control", "privileged_instruction"),
    "assertion": ("signals", "assertion"),
    "freed_twice": ("heap", "malloc_abort"),
    "freed_unsorted": ("heap", "freed_chunk"),
}
BUILDS = {"static, stripped": ("-O2", "-static", "-s"), "no-pie": ("-no-pie", "-O2")}
GDB = ("gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}")


def verdicts_of(answer):
    return [row["verdict"] for row in answer["rows"]]


def read_all(directory, names):
    return {name: json.loads((directory / name).read_text()) for name in names}


def wrong_ones(answers):
    """Return what is not the gallery's verdict."""
    wrong = {}
    for name, answer in answers.items():
        verdicts = verdicts_of(answer)
        if verdicts[:1] != [SOME[name][1]]:
            wrong[name] = verdicts
    return wrong


def live(programs, directory, first=(), then=()):
    """Let the programs (by case) die in one gdb, and say the `then` lines ("{}" is the name); return the answers by
    name."""
    before = first or kept_symbols(next(iter(programs.values())))  # (a remote target has one process)
    words = [*GDB, *(word for line in before for word in ("-ex", line))]
    for name, program in programs.items():
        lines = (
            f"file {program}",
            f"set remote exec-file {program}",
            f"run {name}",
            f"fault --json --output {directory / name}",
        )
        for line in (*lines, *then, "kill"):
            words += ["-ex", line.format(name)]
    run_gdb(words, patience=200)
    return read_all(directory, programs)


def build_some(*flags):
    return {name: build_family(family, *flags) for name, (family, _) in SOME.items()}


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_the_verdicts_of_builds_that_tell_less(flags, tmp_path):
    answers = live(build_some(*flags), tmp_path)
    assert wrong_ones(answers) == {}


STRIPPED = {"static libstdc++": ("-O2", "-s", "-static-libstdc++", "-static-libgcc"), "i386": ("-O2", "-s", "-m32")}


@pytest.mark.parametrize("flags", STRIPPED.values(), ids=STRIPPED)
def test_stripped_programs_name_what_they_threw(flags, tmp_path):
    thrown = {
        "uncaught_own": "nobody caught shapes::Error",
        "uncaught_lookalike": "nobody caught shapes::runtime_error",
        "uncaught_text": "nobody caught char const*: 'a bare text'",
    }
    answers = live(dict.fromkeys(thrown, build_family("cxx", *flags)), tmp_path)
    assert {name: answer["rows"][0]["summary"] for name, answer in answers.items()} == thrown


def test_the_verdicts_through_gdbserver(tmp_path):
    first = ("target extended-remote | gdbserver --multi --once -",)
    answers = live(dict(list(build_some("-O1").items())[:3]), tmp_path, first)
    assert wrong_ones(answers) == {}


def without_siginfo(core):
    """Take the kernel's word out of a core: make its NT_SIGINFO notes unknown ones. Return how many there were."""
    data = bytearray(core.read_bytes())
    wide = data[4] == 2
    table, size, count = (
        (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
        if wide
        else (*struct.unpack_from("<I", data, 28), *struct.unpack_from("<HH", data, 42))
    )
    taken = 0
    for header in range(table, table + size * count, size):
        if struct.unpack_from("<I", data, header)[0] != 4:
            continue
        at = struct.unpack_from("<Q" if wide else "<I", data, header + (8 if wide else 4))[0]
        end = at + struct.unpack_from("<Q" if wide else "<I", data, header + (32 if wide else 16))[0]
        while at < end:
            name, body, kind = struct.unpack_from("<III", data, at)
            if kind == 0x53494749:
                struct.pack_into("<I", data, at + 8, 0x7FFF0000)
                taken += 1
            at += 12 + (name + 3 & ~3) + (body + 3 & ~3)
    core.write_bytes(data)
    return taken


POOR = {"x86-64": ((), list(SOME)[:7]), "i386, stripped": (("-m32", "-O2", "-s"), list(SOME)[4:])}


@pytest.mark.parametrize(("flags", "names"), POOR.values(), ids=POOR)
def test_the_verdicts_of_cores_without_executable_and_without_siginfo(flags, names, tmp_path):
    copies = {}
    for name, program in build_some(*flags).items():
        if name in names:
            copies[name] = tmp_path / f"copy-of-{program.name}"
            copies[name].write_bytes(program.read_bytes())
            copies[name].chmod(0o700)
    live(copies, tmp_path, then=[f"generate-core-file {tmp_path}/{{}}.core"])
    for copy in set(copies.values()):
        copy.unlink()
    words = list(GDB)
    for name in names:
        assert without_siginfo(tmp_path / f"{name}.core")
        words += ["-ex", f"core-file {tmp_path / name}.core", "-ex", f"fault --json --output {tmp_path / name}.poor"]
    run_gdb(words, patience=200)
    answers = {name: json.loads((tmp_path / f"{name}.poor").read_text()) for name in names}
    assert wrong_ones(answers) == {}
    for answer in answers.values():
        assert "(no NT_SIGINFO): it is inferred from the instruction and the mappings" in str(answer["notes"])


# What the first verdict is, and what a note says (or None).
WILD = {
    "in_strlen": (["run in_strlen"], "null_pointer", None),
    "in_memcpy": (["run in_memcpy"], "past_mapping_end", None),
    "in_strcpy": (["run in_strcpy"], "past_mapping_end", None),
    "in_printf": (["run in_printf"], "null_plus_offset", None),
    "in_qsort": (["run in_qsort"], "null_pointer", None),
    "indexed": (["run indexed"], "past_chunk_end", None),
    "in_handler": (
        ["run in_handler", "continue"],
        "null_pointer",
        r"this happened in a handler of (SIGUSR1|a signal), \w+: it interrupted ",
    ),
    "on_alternate_stack": (
        ["run on_alternate_stack", "continue"],
        "null_pointer",
        r"this happened in a handler of (SIGUSR1|a signal), \w+, on the alternate stack 0x\w+-0x\w+: it interrupted ",
    ),
    "raised_again": (
        ["run raised_again", "continue"],
        "null_pointer",
        "the program raised this SIGSEGV again from a handler",
    ),
    "raised_again_info": (
        ["run raised_again_info", "continue"],
        "null_pointer",
        "the thread is already in handler raise_again(_info)?",
    ),
    "waits_in_handler": (
        ["break handled", "run waits_in_handler", "continue"],
        "null_pointer",
        "the thread is already in handler wait_here",
    ),
    "in_thread": (
        ["run in_thread", "thread 1"],
        "null_pointer",
        r"the signal was delivered to thread 3 \(`thread 3` selects it\)",
    ),
}


@pytest.mark.parametrize("flags", [("-O1",), ("-m32", "-O2")], ids=["x86-64", "i386"])
def test_deaths_in_libc_in_handlers_and_in_threads(flags, tmp_path):
    # What a handler's frame looks like differs between the two; libc's functions do not.
    wild = {name: case for name, case in WILD.items() if "-m32" not in flags or case[2] or name == "indexed"}
    program = build("wild", *flags)
    words = [*GDB, *(word for line in kept_symbols(program) for word in ("-ex", line))]
    for name, (lines, _, _) in wild.items():
        for line in (*lines, f"fault --json --output {tmp_path / name}", "delete", "kill"):
            words += ["-ex", line]
    text = run_gdb([*words, str(program)], patience=200)
    for name, answer in read_all(tmp_path, wild).items():
        _, verdict, note = WILD[name]
        # memcpy is a string instruction on some processors, and vector moves on others.
        assert verdict in verdicts_of(answer)[: 2 if name == "in_memcpy" else 1], (name, answer["rows"], text)
        assert any(re.match(note, each) or re.search(note, each) for each in answer["notes"]) if note else True, (
            name,
            answer["notes"],
        )


# Each stop, and what gdb says of it.
ORDINARY = (
    ("starti", "Program stopped"),
    ("tbreak main", "Temporary breakpoint 1 at"),
    ("continue", "Temporary breakpoint 1, "),
    ("stepi", ""),
    ("break work", "Breakpoint 2 at"),
    ("continue", "Breakpoint 2, "),
    ("finish", "ordinary () at"),
    ("handle SIGALRM stop", ""),
    ("handle SIGCHLD stop", ""),
    ("continue", "received signal SIGALRM"),
    ("catch fork", "Catchpoint 3 (fork)"),
    ("continue", "Catchpoint 3 "),
    ("continue", "received signal SIGCHLD"),
    ("watch watched", "atchpoint 4: watched"),
    ("continue", "Breakpoint 2, "),
    ("continue", "New value = 2"),
    ("call (void) ignore(1)", ""),
    ("delete", ""),
    ("next", ""),
    ("set follow-fork-mode child", ""),
    ("continue", "exited normally"),
    ("handle SIGALRM nostop", ""),
    ("break _exit", "Breakpoint 5 at"),
    ("run", "reakpoint 5"),
    ("info inferiors", "* 2 "),
    ("catch exec", ""),
    ("kill", ""),
)


def test_no_ordinary_stop_is_called_a_fault():
    words = [*GDB, "-ex", "set gdbheap auto-fault on", "-ex", "set args ordinary", "-ex", "echo \x02", "-ex", "fault"]
    for stop, _ in ORDINARY:
        words += ["-ex", "echo \x02", "-ex", stop, "-ex", "echo \x02", "-ex", "fault"]
    text = run_gdb([*words, str(build("wild", "-O1", "-fno-inline"))], fresh=True)  # it counts inferiors
    _, before, *said = text.split("\x02")
    ordinary = re.compile(
        r"((no signal|SIG[A-Z0-9]+) stopped this thread.*`explain ADDRESS` explains an address\nnext: heap [^\n]*|"
        r"there is no process: run a program, attach to one, or load a core)\n(\n.*)?",
        re.DOTALL,
    )
    assert ordinary.fullmatch(before)
    for (stop, mark), told, answer in zip(ORDINARY, said[::2], said[1::2]):
        assert mark in told, (stop, told, text)
        assert ordinary.fullmatch(answer), (stop, answer)
    assert len(said) == 2 * len(ORDINARY)
    assert not re.search(r"\((certain|likely|possible)\)", text)


def test_a_core_made_at_a_breakpoint_holds_no_fault(tmp_path):
    program, core, poor = build("wild", "-O1", "-fno-inline"), tmp_path / "core", tmp_path / "poor"
    run_gdb([*GDB, "-ex", "break work", "-ex", "run ordinary", "-ex", f"generate-core-file {core}", str(program)])
    poor.write_bytes(core.read_bytes())
    assert without_siginfo(poor)
    said = ask([str(program), str(core)], ["fault"], then=[f"core-file {poor}", "fault"])
    assert said["fault"]["rows"] == []
    last = said.text.rstrip().rpartition("\nnext: ")[0]
    assert last.endswith("there is no fault to explain. `explain ADDRESS` explains an address")


def test_attaching_and_interrupting_are_no_faults(tmp_path):
    with waiting("sqlite3", tmp_path) as program:
        shown = f"shell kill -INT {program.pid}"
        said = ask(["-p", str(program.pid)], ["fault"], then=[shown, "continue", "fault", "detach"])
    assert said["fault"]["rows"] == []
    assert re.search(r"SIGINT stopped this thread, sent by process \d+; it is not a fault\.", said.text)


def died(words, lines, tmp_path):
    """Run a program in gdb; return what `fault` says after these lines."""
    return ask(["--args", *words], ["fault"], get_there=lines)["fault"]


def test_python_perl_and_git_made_to_die(tmp_path):
    python = died(["python3", "-c", "import ctypes; ctypes.string_at(0)"], ["run"], tmp_path)
    assert (verdicts_of(python)[0], python["rows"][0]["address"]) == ("null_pointer", "0x0")
    perl = died(["perl", "-e", 'print unpack("p", pack("J", 16))'], ["run"], tmp_path)
    assert (verdicts_of(perl)[0], perl["rows"][0]["address"]) == ("null_plus_offset", "0x10")
    git = died(["git"], [f"cd {tmp_path}", "run grep --no-index $(yes '(' | head -100000)"], tmp_path)
    assert verdicts_of(git)[0] == "stack_overflow"
    assert any(re.match(r"the limit on its size is 0x[0-9a-f]+ bytes", each) for each in git["rows"][0]["evidence"])


def test_a_program_killed_by_what_it_started_names_the_sender(tmp_path):
    script = tmp_path / "script"
    script.write_text(f".shell echo $$ > {tmp_path / 'sender'}; kill -SEGV $PPID\n")
    answer = died(["sqlite3"], [f"run < {script}"], tmp_path)
    assert verdicts_of(answer)[0] == "external_signal"
    sender = (tmp_path / "sender").read_text().strip()
    assert answer["rows"][0]["summary"].startswith(f"process {sender} sent SIGSEGV (by kill)")


def test_an_nginx_worker_killed_from_outside(tmp_path):
    with waiting("nginx worker", tmp_path) as worker:
        kill = f"shell echo $$ > {tmp_path / 'sender'}; kill -SEGV {worker.pid}"
        answer = ask(["-p", str(worker.pid)], ["fault"], get_there=[kill, "continue"])["fault"]
    sender = (tmp_path / "sender").read_text().strip()
    assert [(row["verdict"], row["confidence"]) for row in answer["rows"]] == [("external_signal", "certain")]
    assert answer["rows"][0]["summary"].startswith(f"process {sender} sent SIGSEGV (by kill)")


def test_redis_debug_segfault(tmp_path):
    version = int(re.search(r"v=(\d+)", subprocess.check_output(["redis-server", "--version"], text=True))[1])
    directory = str(tmp_path)
    words = ["redis-server", "--port", "0", "--save", "", "--dir", directory, "--unixsocket", f"{directory}/socket"]
    words += ["--enable-debug-command", "yes"] if version >= 7 else []
    redis = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in redis.stdout:
            if b"eady to accept connections" in line:
                break
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{directory}/socket")
            # Queued while gdb holds it, or answered at once: either way it dies in gdb's hands only.
            connect = (
                f"python import socket; c = socket.socket(socket.AF_UNIX); c.connect('{directory}/socket'); "
                "c.sendall(b'DEBUG SEGFAULT\\r\\n')"
            )
            answer = ask(["-p", str(redis.pid)], ["fault"], get_there=[connect, "continue"])["fault"]
    finally:
        redis.kill()
        redis.communicate()
    # To 6 it writes to -1, since then to a page that it has made read-only.
    assert verdicts_of(answer)[0] == ("write_to_read_only" if version >= 7 else "errno_as_pointer")


def test_the_kernels_own_core_tells_the_sender(tmp_path):
    with waiting("perl", tmp_path) as program:
        process = type("Program", (), {"pid": program.pid, "wait": lambda self: os.waitpid(program.pid, 0)})()
        core = kernel_core(process, tmp_path)
    answer = ask(["-core", str(core), program.program], ["fault"])["fault"]
    assert verdicts_of(answer)[0] == "external_signal"
    assert answer["rows"][0]["summary"].startswith(f"process {os.getpid()} sent SIGABRT (by kill)")
