"""Programs that nobody here wrote, brought to a state in which they hold a heap and wait: each over pipes or a Unix
socket in a directory of its own."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support.programs import PATIENCE, kill, read_until

_PYTHON = """
import json, sys, re
kept = [{str(i): [i, i * 0.5, "x" * (i % 300)]} for i in range(20000)]
text = json.dumps(kept)
del kept[::3]
kept.append(bytearray(3_000_000))
kept.append(re.compile("(a|b)*c"))
print("ready", flush=True)
sys.stdin.read()
"""
_PYTHON_WITH_THREADS = """
import sys, threading
kept, done, for_good = [], threading.Barrier(5), threading.Event()
def work(number):
    mine = [bytearray(600 + 37 * (i % 97)) for i in range(3000)]
    del mine[number::3]
    kept.append(mine)
    done.wait()
    for_good.wait()
for number in range(4):
    threading.Thread(target=work, args=(number,), daemon=True).start()
done.wait()
print("ready", flush=True)
sys.stdin.read()
"""
_PERL = """
$| = 1;
my %kept = map { $_ => [$_, "x" x ($_ % 300)] } 1 .. 20000;
delete $kept{$_ * 3} for 1 .. 6000;
my $large = "y" x 3_000_000;
print "ready\\n";
<STDIN>;
"""
_SQL = """
create table t(x, y);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i, hex(i *
1000003) from n;
create index t_y on t(y);
delete from t where x % 3 = 0;
.shell echo ready
"""
_HTTP = """
import http.server, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"answer to " + self.path.encode() + b"ready")
    def log_message(self, *words):
        pass
server = socketserver.UnixStreamServer(sys.argv[1], Handler)
print("ready", flush=True)
server.serve_forever()
"""
_LEAK = """
import ctypes
malloc = ctypes.CDLL(None).malloc
malloc.argtypes, malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
def leak():
    ctypes.memmove(malloc(1200), b"leak of a handler's" + bytes(1000), 1000)
"""
# (sqlite3_create_function() is the 46th of the routines that an extension is given: sqlite3ext.h's order never
# changes.)
_LEAKING_EXTENSION = """
#include <stdlib.h>
#include <string.h>
typedef int create_function(void *, const char *, int, int, void *, void (*)(void *, int, void **), void *, void *);
static void leak(void *context, int count, void **values) {
  strcpy(memset(malloc(1200), 0, 1200), "leak of a query");
}
int extension_init(void *database, char **error, create_function **routines) {
  return routines[45](database, "leak", 0, 1, NULL, leak, NULL, NULL);
}
"""
# Stands still in a query: reading the pipe waits until somebody writes to it.
_QUERY = "select length(y), readfile('{}/pipe') from t order by y desc limit 5;\n"
_NGINX = """
daemon off; user root; master_process on; worker_processes 1; pid {0}/nginx.pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0};
  scgi_temp_path {0};
  server {{ listen unix:{0}/nginx.socket; location / {{ return 200 "ready"; }} }}
}}
"""

_BASH = "declare -A kept; for i in {1..3000}; do kept[$i]=text$i; done; unset kept[7]; echo ready; read line"
_AWK = 'BEGIN { for (i = 0; i < 3000; i++) kept[i] = i "text"; delete kept[7]; print "ready"; fflush(); getline }'


@dataclass(frozen=True)
class Waiting:
    """A program that waits: its process, its executable, and the pipe of its standard error."""

    pid: int
    program: str
    errors: IO[bytes]

    def wait(self) -> None:
        """Wait for the process's end (it need not be a child of ours)."""
        try:
            ended = os.pidfd_open(self.pid)
        except ProcessLookupError:  # it has been waited for by its parent already
            return
        with open(ended, "rb") as end:
            assert select.select([end], [], [], PATIENCE)[0], f"process {self.pid} lives on"

    def complaint(self, mark: bytes) -> str:
        """Return what it has written to standard error since it was ready, up to the line that holds `mark`."""
        return read_until(self.errors, mark).decode(errors="replace")


def _python(directory: Path) -> tuple[list[str], bytes, bytes]:
    return ["python3", "-c", _PYTHON], b"", b"ready"


def _python_with_threads(directory: Path) -> tuple[list[str], bytes, bytes]:
    return ["python3", "-c", _PYTHON_WITH_THREADS], b"", b"ready"


def _perl(directory: Path) -> tuple[list[str], bytes, bytes]:
    return ["perl", "-e", _PERL], b"", b"ready"


def _git(directory: Path) -> tuple[list[str], bytes, bytes]:
    def git(*words: str, data: bytes = b"") -> bytes:
        return subprocess.run(["git", *words], cwd=directory, input=data, stdout=subprocess.PIPE, check=True).stdout

    git("init", "-q")
    names = [git("hash-object", "-w", "--stdin", data=b"line %d\n" % i * 500) for i in range(40)]
    git("repack", "-q", "-a", "-d")
    return (
        ["git", "cat-file", "--batch"],
        b"".join(names) + git("hash-object", "-w", "--stdin", data=b"ready"),
        b"ready\n",
    )


def _sqlite(directory: Path) -> tuple[list[str], bytes, bytes]:
    return ["sqlite3", str(directory / "data.db")], _SQL.encode(), b"ready"


def _query(directory: Path) -> tuple[list[str], bytes, bytes]:
    os.mkfifo(directory / "pipe")
    words, told, mark = _sqlite(directory)
    return words, told + _QUERY.format(directory).encode(), mark


def _leaking_query(directory: Path) -> tuple[list[str], bytes, bytes]:
    """With an extension loaded whose function, called once for each of 20 rows, forgets a block each time."""
    library = directory / "leak.so"
    words = ["gcc", "-shared", "-fPIC", "-O0", "-fno-builtin", "-x", "c", "-", "-o", str(library)]
    subprocess.run(words, input=_LEAKING_EXTENSION, text=True, check=True, timeout=PATIENCE)
    words, told, mark = _query(directory)
    return (
        words,
        f".load {library} extension_init\nselect count(leak()) from (values {'(1),' * 19} (1));\n".encode() + told,
        mark,
    )


def _git_log(directory: Path) -> tuple[list[str], bytes, bytes]:
    """Stands still at the first of 200 commits: the program that is to show its difference does not end."""
    stream = b"".join(
        b"commit refs/heads/main\ncommitter a <a@b> %d +0000\ndata 4\nnew\nM 644 inline file\ndata 7\ntext%03d"
        % (at, at)
        + b"\n"
        for at in range(200)
    )
    for words, data in ((["init", "-q"], b""), (["fast-import", "--quiet"], stream)):
        subprocess.run(["git", *words], cwd=directory, input=data, check=True)
    show = directory / "show"
    show.write_text("#!/bin/sh\necho ready\nread forever < pipe\n")
    show.chmod(0o700)
    os.mkfifo(directory / "pipe")
    return ["git", "-c", f"diff.external={show}", "--no-pager", "log", "-p", "--ext-diff", "main"], b"", b"ready"


def _http_server(directory: Path) -> tuple[list[str], bytes, bytes]:
    return ["python3", "-c", _HTTP, str(directory / "http.socket")], b"", b"ready"


def _leaking_http_server(directory: Path) -> tuple[list[str], bytes, bytes]:
    """Forgets a block of libc's at each request."""
    words, told, mark = _http_server(directory)
    words[2] = _LEAK + words[2].replace("self.end_headers()", "self.end_headers(); leak()")
    return words, told, mark


def _vim(directory: Path) -> tuple[list[str], bytes, bytes]:
    (directory / "text").write_text("hello\n" * 20000)
    return ["vim.tiny", "-u", "NONE", "-es", "text"], b"%s/hello/other words/\n!echo ready\n", b"ready"


def _redis(directory: Path) -> tuple[list[str], bytes, bytes]:
    words = ["redis-server", "--port", "0", "--unixsocket", f"{directory}/redis.socket", "--save", ""]
    return words, b"", b"eady to accept connections"


def _nginx(directory: Path) -> tuple[list[str], bytes, bytes]:
    (directory / "nginx.conf").write_text(_NGINX.format(directory))
    return ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")], b"", b"start worker process "


# What to start, what to tell it, and what it says when it has done that.
PROGRAMS: dict[str, Callable[[Path], tuple[list[str], bytes, bytes]]] = {
    "python3": _python,
    "python3 with threads": _python_with_threads,
    "perl": _perl,
    "git": _git,
    "sqlite3": _sqlite,
    "vim": _vim,
    "redis-server": _redis,
    "nginx": _nginx,
    "nginx worker": _nginx,
}


# States in the middle of work.
AT_WORK: dict[str, Callable[[Path], tuple[list[str], bytes, bytes]]] = {
    "python3 http.server": _http_server,
    "leaking http.server": _leaking_http_server,
    "sqlite3 in a query": _query,
    "leaking sqlite3 in a query": _leaking_query,
    "git log": _git_log,
}

# Small ones.
SMALL: dict[str, Callable[[Path], tuple[list[str], bytes, bytes]]] = {
    "bash": lambda _: (["bash", "-c", _BASH], b"", b"ready"),
    "awk": lambda _: (["awk", _AWK], b"", b"ready"),
    "sed": lambda _: (["sed", "-u", "-n", "H;/ready/p"], b"a line\n" * 3000 + b"ready\n", b"ready"),
    "find": lambda _: (
        ["find", "/", "-maxdepth", "1", "-exec", "sh", "-c", "echo ready; read line", ";"],
        b"",
        b"ready",
    ),
}


@contextmanager
def waiting(name: str, directory: Path, under: Sequence[str] = (), requests: int = 1) -> Iterator[Waiting]:
    """Start the program (`under` another one, such as Valgrind), wait until it has done its work (a server: answered
    `requests`), and yield it; kill it and its children at the end."""
    words, told, mark = {**PROGRAMS, **AT_WORK, **SMALL}[name](directory)
    process = subprocess.Popen(
        [*under, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,
    )
    stack = ExitStack()
    try:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(told)
        process.stdin.flush()
        is_nginx = name.startswith("nginx")
        read_until(process.stderr if is_nginx else process.stdout, mark)
        if name == "redis-server":
            _talk(
                directory / "redis.socket",
                b"".join(b"SET k%d v%d\r\n" % (i, i) for i in range(500)) + b"PING\r\n",
                b"+PONG\r\n",
            )
        for _ in range(requests if is_nginx else 0):
            _talk(directory / "nginx.socket", b"GET / HTTP/1.0\r\n\r\n", b"ready")
        for number in range(requests if name.endswith("http.server") else 0):
            _talk(directory / "http.socket", b"GET /%d HTTP/1.0\r\n\r\n" % number, b"ready")
        if name.endswith("sqlite3 in a query"):
            # Opening waits for the reader; what is held open keeps it waiting.
            stack.enter_context((directory / "pipe").open("wb"))
        pid = _only_child(process.pid) if name == "nginx worker" else process.pid
        yield Waiting(pid, os.readlink(f"/proc/{pid}/exe"), process.stderr)
    finally:
        kill(process)
        stack.close()


def _talk(path: Path, request: bytes, last: bytes) -> None:
    """Send the request and read until the answer ends with `last`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(request)
        answer = b""
        while not answer.endswith(last):
            piece = connection.recv(1 << 16)
            assert piece, f"no {last!r} in {answer[-200:]!r}"
            answer += piece


def _only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
