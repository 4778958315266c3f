"""`vmmap` on real processes and their cores, against the kernel's maps, gdb's own list and what the program says of
itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import contextmanager

import pytest

from gdbheap.process.live.proc_maps import read_maps, read_smaps
from support.gdb_runs import ask, generated_core, kernel_core, run_gdb
from support.mappings import mappings
from support.programs import PATIENCE, build

BUILDS = {"x86-64": (), "i386": ("-m32",), "static": ("-static",), "no-pie": ("-no-pie",)}


@pytest.fixture(scope="module", params=BUILDS)
def attached(request, tmp_path_factory):
    """The program, stopped; its mappings before and after; what vmmap said of it, attached."""
    with mappings(tmp_path_factory.mktemp(request.param), *BUILDS[request.param]) as program:
        before = read_smaps(program.pid)
        answers = ask(["-p", str(program.pid)], ["vmmap", "vmmap --pages"])
        yield program, before, read_smaps(program.pid), answers["vmmap"], request.param, answers["vmmap --pages"]


def as_row(vma):
    return (hex(vma.start), hex(vma.end), vma.permissions, vma.size, vma.offset, vma.path)


def rows_of(answer):
    return [(r["start"], r["end"], r["permissions"], r["size"], r["offset"], r["path"]) for r in answer["rows"]]


def kinds_of(answer, address):
    """Return (kind, what) of the row that holds the address."""
    (row,) = [row for row in answer["rows"] if int(row["start"], 16) <= address < int(row["end"], 16)]
    return row["kind"], row["what"]


def test_the_rows_are_those_of_proc_maps(attached):
    _, before, after, answer, _, _ = attached
    assert rows_of(answer) == [as_row(usage.vma) for usage in after]
    assert [as_row(usage.vma) for usage in before] == [as_row(usage.vma) for usage in after]
    assert answer["totals"]["mappings"] == len(before)
    assert answer["totals"]["bytes"] == sum(usage.vma.size for usage in before)


def test_looking_makes_no_page_resident(attached):
    _, before, after, answer, _, _ = attached
    # gdb itself reads the vdso, libthread_db the libraries' data, and a breakpoint in ld.so makes a copy of that page.
    gdbs_own = ("[vdso]",)
    ours = [usage for usage in before if usage.vma.path not in gdbs_own and ".so" not in usage.vma.path]
    rss = {usage.vma.start: usage.sizes["Rss"] for usage in after}
    assert [usage.sizes["Rss"] for usage in ours] == [rss[usage.vma.start] for usage in ours]
    assert [row["resident"] for row in answer["rows"]] == [usage.sizes["Rss"] for usage in after]


def test_each_kind_of_mapping_is_told(attached):
    program, _, _, answer, name, _ = attached
    facts = program.facts
    expected = {
        "private_anonymous": "anonymous",
        "untouched": "anonymous",
        "shared_anonymous": "shared_anonymous",
        "private_file": "file",
        "shared_file": "file",
        "read_only_file": "file",
        "no_access": "no_access",
        "deleted_file": "file",
        "memfd": "memfd",
        "sysv_shm": "shm",
        "small_block": "main_heap",
        "large_block": "mmapped_chunk",
        "first_block": "arena_heap",
        "second_block": "arena_heap",
        "first_stack": "thread_stack",
        "second_stack": "thread_stack",
        "main_stack": "main_stack",
        "program_bss": "program_bss",
        "program_data": "program_data",
        "program_constants": "program_rodata",
        "program_text": "program_text",
        "libc_text": "program_text" if name == "static" else "library_text",
    }
    middles = {each: sum(facts[each]) // 2 for each in expected}
    assert {each: kinds_of(answer, middle)[0] for each, middle in middles.items()} == expected


def test_sharing_is_told(attached):
    program, _, _, answer, _, _ = attached
    names = ("private_anonymous", "shared_anonymous", "private_file", "shared_file")
    for name in names:
        (row,) = [row for row in answer["rows"] if int(row["start"], 16) == program.facts[name][0]]
        assert row["sharing"] == name
    assert set(answer["totals"]["by_sharing"]) == set(names)
    assert sum(answer["totals"]["by_sharing"].values()) == answer["totals"]["bytes"]


def test_every_threads_stack_and_guard_are_told_exactly(attached):
    program, _, _, answer, _, _ = attached
    facts = program.facts
    for name in ("first", "second"):
        start, end = facts[f"{name}_stack"]
        guard = facts[f"{name}_guard_size"][0]
        # glibc's attribute leaves the guard out of the stack it tells (pthread_getattr_np).
        assert re.search(r"\bstacks? of threads? ", kinds_of(answer, end - 0x4000)[1])
        assert re.search(r"\bguards? of threads? ", kinds_of(answer, start - guard)[1])
        assert "inferred" not in kinds_of(answer, end - 0x4000)[1]
    sizes = answer["totals"]["by_kind"]
    # The block that is not guard is the stack that pthread_getattr_np() tells.
    assert sizes["thread_stack"] == sum(
        facts[f"{name}_stack"][1] - facts[f"{name}_stack"][0] for name in ("first", "second")
    )
    assert sizes["thread_guard"] == facts["first_guard_size"][0] + facts["second_guard_size"][0]


def test_arenas_and_their_reserves_are_told(attached):
    program, _, _, answer, name, _ = attached
    heap_max = 1 << 20 if name == "i386" else 64 << 20
    wholes = {kinds_of(answer, program.facts[f"{each}_block"][0])[1] for each in ("first", "second")}
    assert wholes == {"heap of arena 1", "heap of arena 2"}
    for each in ("first", "second"):
        end = (program.facts[f"{each}_block"][0] & -heap_max) + heap_max
        assert kinds_of(answer, end - 1)[0] == "arena_reserve"
    assert answer["totals"]["by_kind"]["arena_heap"] + answer["totals"]["by_kind"]["arena_reserve"] == 2 * heap_max


def test_pages_are_what_the_program_did_to_them(attached):
    program, _, after, _, _, answer = attached
    states = {
        row["start"]: {name: row[name] for name in ("zero", "anonymous", "file", "untouched")} for row in answer["rows"]
    }

    def of(name):
        return states[hex(program.facts[name][0])]

    assert of("untouched") == {"zero": 0, "anonymous": 1, "file": 0, "untouched": 4095}
    assert of("no_access") == {"zero": 0, "anonymous": 0, "file": 0, "untouched": 16}
    assert of("private_file")["anonymous"] == 1
    assert of("shared_anonymous") == {"zero": 0, "anonymous": 0, "file": 1, "untouched": 15}
    rss = {hex(usage.vma.start): usage.sizes["Rss"] for usage in after if not usage.vma.path.startswith("[v")}
    assert {start: (states[start]["anonymous"] + states[start]["file"]) * 4096 for start in rss} == rss
    (strip,) = [row["strip"] for row in answer["rows"] if row["start"] == hex(program.facts["untouched"][0])]
    assert strip == "a" + "." * 31


def test_gdbs_own_list_has_the_same_mappings(attached):
    program, _, after, _, _, _ = attached
    text = run_gdb(["gdb", "-nx", "-q", "-batch", "-ex", "info proc mappings", "-p", str(program.pid)])
    theirs = re.findall(r"^\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)", text, re.MULTILINE)
    ours = [(usage.vma.start, usage.vma.end, usage.vma.size, usage.vma.offset) for usage in after]
    assert [tuple(int(word, 16) for word in row) for row in theirs] == ours


def in_common(what):
    """Return the words that are the same in a core, where a thread may have another number."""
    return re.sub(r"(threads?) [0-9, ]*[0-9]", r"\1 N", what).replace(" (inferred)", "")


@pytest.mark.parametrize("build_name", ["x86-64", "i386"])
@pytest.mark.parametrize("maker", ["kernel", "gdb"])
def test_a_core_tells_the_same_kinds(tmp_path, build_name, maker):
    with mappings(tmp_path, *BUILDS[build_name]) as program:
        live = ask(["-p", str(program.pid)], ["vmmap"])["vmmap"]
        core = kernel_core(program, tmp_path) if maker == "kernel" else generated_core(program.pid, tmp_path)
    answer = ask([str(build("mappings", *BUILDS[build_name])), str(core)], ["vmmap"])["vmmap"]
    kinds = {row["start"]: (row["kind"], in_common(row["what"])) for row in answer["rows"]}
    assert len(kinds) == len(answer["rows"])
    expected = {row["start"]: (row["kind"], in_common(row["what"])) for row in live["rows"]}
    # The kernel's own pages have no names in a core. gdb makes no access readable, and up to gdb 17 knows of no TLS in
    # an i386 core.
    unknown = {"kernel": ("vvar", "vsyscall"), "gdb": ("vvar", "vsyscall", "no_access", "thread_guard", "tls")}[maker]
    nameless = {row["start"] for row in live["rows"] if row["kind"] in unknown}
    same = [start for start in expected if start in kinds and start not in nameless]
    assert {start: kinds[start] for start in same} == {start: expected[start] for start in same}
    assert len(same) >= len(expected) - 10
    assert all(row["permissions"][3] == "?" and row["resident"] is None for row in answer["rows"])
    assert {row["what"] for row in answer["rows"] if row["inferred"]} >= {"vdso (inferred)", "main stack (inferred)"}


def test_before_the_loader_has_run_there_is_a_program_and_no_heap(tmp_path):
    program = build("mappings")
    answer = ask([str(program)], ["vmmap"], get_there=["starti"])["vmmap"]
    kinds = {row["kind"] for row in answer["rows"]}
    assert {"program_text", "library_text", "main_stack", "vdso"} <= kinds
    assert not kinds & {"main_heap", "arena_heap", "mmapped_chunk"}
    assert len(answer["notes"]) == 1
    assert answer["notes"][0].startswith("malloc's heaps could not be read, so they are not marked: ")


def test_addresses_and_gaps(tmp_path):
    with mappings(tmp_path) as program:
        start, end = program.facts["private_file"]
        commands = [
            f"vmmap {start + 0x1234:#x}",
            f"vmmap {end:#x}",
            "vmmap zeros",
            "vmmap (&letters[4])",
            "vmmap nothing_of_that_name",
        ]
        words = [part for command in commands for part in ("-ex", command)]
        init = os.path.join(os.path.dirname(__file__), "..", "..", "gdb_init.py")
        text = run_gdb(["gdb", "-nx", "-q", "-batch", "-iex", f"source {init}", *words, "-p", str(program.pid)])
    name = re.search(
        rf"^{start + 0x1234:#x} is 0x1234 bytes into its mapping, {end - start - 0x1234:#x} before its end: "
        r"file (\S+)\n",
        text,
        re.M,
    )
    assert name is not None, text
    assert f"{end:#x} is in no mapping\njust past the end of file {name[1]} (" in text
    assert "zeros in mappings\n" in text
    assert "letters+4 in mappings\n" in text
    assert "no mapping matches 'nothing_of_that_name', and it is not an address: " in text


def test_a_gdbserver_target_has_the_same_rows(tmp_path):
    program = build("mappings")
    server = ["target", "remote", "|", "gdbserver", "--once", "-", str(program)]
    answer = ask([], ["vmmap"], get_there=[" ".join(server), "break main", "continue"])["vmmap"]
    assert {"program_text", "library_text", "main_stack", "vdso"} <= {row["kind"] for row in answer["rows"]}
    assert all(row["resident"] is None for row in answer["rows"])


STRANGERS = {
    "python3": (["python3", "-c", "import threading, sys; print('ready', flush=True); sys.stdin.read()"], None),
    "perl": (["perl", "-e", "$| = 1; print qq(ready\\n); <STDIN>"], None),
    "redis-server": (
        ["redis-server", "--port", "0", "--unixsocket", "{dir}/redis.sock", "--dir", "{dir}", "--save", ""],
        b"eady to accept",
    ),
}


@contextmanager
def stranger(name, directory):
    """Start a program of the system's, and yield its process once it says that it is ready."""
    words, mark = STRANGERS[name]
    process = subprocess.Popen(
        [word.format(dir=directory) if "{dir}" in word else word for word in words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        start_new_session=True,
    )
    try:
        assert any((mark or b"ready") in line for line in process.stdout), "it never got ready"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("name", STRANGERS)
def test_programs_that_nobody_here_wrote(name, tmp_path):
    with stranger(name, tmp_path) as process:
        answer = ask(["-p", str(process.pid)], ["vmmap"])["vmmap"]
        space = read_maps(process.pid)
    assert rows_of(answer) == [as_row(vma) for vma in space]
    kinds = {row["kind"] for row in answer["rows"]}
    assert {"program_text", "program_data", "library_text", "main_stack", "vdso"} <= kinds
    # Debian's redis has jemalloc, which is not glibc's and uses no brk.
    assert bool(kinds & {"main_heap", "brk_heap"}) == (name != "redis-server")


NGINX = """
daemon off; worker_processes 2; pid nginx.pid; error_log stderr notice;
events {{}}
http {{ access_log off; server {{ listen unix:{directory}/nginx.sock; }} }}
"""


def test_an_nginx_worker_a_forked_child_has_its_own_rows(tmp_path):
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(directory=tmp_path))
    words = ["nginx", "-p", str(tmp_path), "-c", str(config)]
    nginx = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        started = (re.search(rb"start worker process (\d+)", line) for line in nginx.stderr)
        worker = int(next(match for match in started if match)[1])
        answer = ask(["-p", str(worker)], ["vmmap"])["vmmap"]
        space = read_maps(worker)
    finally:
        os.killpg(nginx.pid, signal.SIGKILL)
        nginx.communicate(timeout=PATIENCE)
    assert rows_of(answer) == [as_row(vma) for vma in space]
    assert {"program_text", "library_text", "main_heap", "main_stack", "shared_anonymous"} <= {
        row["kind"] for row in answer["rows"]
    }
