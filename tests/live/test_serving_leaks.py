"""Real programs in the middle of their work: what is lost in them, by gdbheap and by Valgrind in the same state, and
leaks put into servers."""

from __future__ import annotations

import re
import subprocess

import pytest

from support.gdb_runs import ask
from support.programs import PATIENCE
from support.real_programs import waiting

KINDS = ("definitely", "indirectly", "possibly", "still")
STATES = ["python3 http.server", "sqlite3 in a query", "git log", "nginx worker"]
# Debian's redis takes jemalloc, in which heap leaks has no say (test_rss.py), but can be given libc's malloc. (From
# release 8 on it does not live with that: for Lua it takes memory of jemalloc's mallocx() and asks malloc_usable_size()
# about it.)
LIBC_FIRST = {"redis-server": ("env", "LD_PRELOAD=libc.so.6")}
if int(re.search(r"v=(\d+)", subprocess.check_output(["redis-server", "--version"], text=True))[1]) < 8:
    STATES.append("redis-server")
REQUESTS = 40  # old words of a server at work hold the last few leaked blocks, however many there are
QUERIES = 20  # of sqlite3's, in each of which its extension forgets a block
# nginx receives with recv(): what stands in front of it is a plugin that forgets a block at each call.
LEAKING_LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
ssize_t recv(int socket, void *buffer, size_t size, int flags) {
  ssize_t (*real)(int, void *, size_t, int) = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
  strcpy(memset(malloc(1200), 0, 1200), "leak of a plugin");
  return real(socket, buffer, size, flags);
}
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Nothing random in the interpreters, and Python's objects in malloc's blocks; its library as it was compiled when
    it was installed (a module that has to be compiled leaves thousands of blocks more)."""
    for name, value in {
        "HOME": str(tmp_path),
        "PYTHONHASHSEED": "1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPYCACHEPREFIX": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PERL_HASH_SEED": "1",
    }.items():
        monkeypatch.setenv(name, value)


def leaks(name, directory, under=()):
    """Return what `heap leaks` says of the program at work."""
    directory.mkdir()
    with waiting(name, directory, under=under, requests=REQUESTS) as program:
        return ask(["-p", str(program.pid)], ("heap leaks",))["heap leaks"]


def gdbheap_counts(name, directory):
    """Return the number of blocks of each kind in the program at work."""
    totals = leaks(name, directory, LIBC_FIRST.get(name, ()))["totals"]
    return {kind: totals[f"{kind}_{'reachable' if kind == 'still' else 'lost'}_blocks"] for kind in KINDS}


def valgrind_counts(name, directory):
    """Return memcheck's, asked while it runs the program in the same state."""
    directory.mkdir()
    files = [f"--vgdb-prefix={directory}/vgdb", f"--log-file={directory}/log"]
    under = ("valgrind", "--vgdb=yes", "--trace-children=yes", *files)
    with waiting(name, directory, under=under, requests=REQUESTS) as program:
        words = ["vgdb", f"--vgdb-prefix={directory}/vgdb", f"--pid={program.pid}", "leak_check", "summary"]
        words += ["heuristics", "all", "any"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE, check=True).stdout
    found = re.findall(r"(definitely|indirectly|possibly|still) (?:lost|reachable): [\d,]+.* bytes in ([\d,]+)", said)
    assert found, said
    return {kind: int(count.replace(",", "")) for kind, count in found}


@pytest.mark.parametrize("name", STATES)
def test_what_is_lost_in_a_program_at_work_is_what_valgrind_says(name, tmp_path):
    ours, theirs = gdbheap_counts(name, tmp_path / "a"), valgrind_counts(name, tmp_path / "b")
    lost, really = (each["definitely"] + each["indirectly"] for each in (ours, theirs))
    # Nothing is called lost that Valgrind does not call so. (Which of the others are held by their start, and which by
    # their inside alone, is decided by old words as well, of which Valgrind knows; Python holds its objects by their
    # insides.)
    assert 0.9 * really <= lost <= really
    # (Two runs are some dozens of blocks apart.)
    assert abs(sum(ours.values()) - sum(theirs.values())) <= 0.02 * sum(theirs.values()) + 8


def leaked_by(answer, text):
    """Return how many blocks of 1200 bytes that begin with the text are definitely lost."""
    rows = [row for row in answer["rows"] if row["kind"] == "definitely_lost" and row["chunk_size"] == 1216]
    return sum(row["count"] for row in rows if (row["text"] or "").startswith(text))


def test_a_leak_in_a_python_servers_handler_is_found(tmp_path):
    # What was forgotten last may still be in an old word of the interpreter's.
    assert 0.75 * REQUESTS <= leaked_by(leaks("leaking http.server", tmp_path / "a"), "leak of a handle") <= REQUESTS
    assert leaked_by(leaks("python3 http.server", tmp_path / "b"), "") == 0


def test_a_leak_in_an_extension_of_sqlite_is_found(tmp_path):
    told = leaked_by(leaks("leaking sqlite3 in a query", tmp_path / "a"), "leak of a query")
    assert 0.75 * QUERIES <= told <= QUERIES


def test_a_leak_in_a_plugin_of_a_serving_nginx_is_found(tmp_path):
    library = tmp_path / "plugin.so"
    words = ["gcc", "-shared", "-fPIC", "-O0", "-fno-builtin", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(words, input=LEAKING_LIBRARY, text=True, check=True, timeout=PATIENCE)
    under = ("env", f"LD_PRELOAD={library}")
    # Old words in the stack frames and pools of a server that is at work hold some.
    assert leaked_by(leaks("nginx worker", tmp_path / "a", under), "leak of a plugin") >= 0.75 * REQUESTS
    assert leaked_by(leaks("nginx worker", tmp_path / "b"), "") == 0
