"""Files from debuginfod's servers: kept as its own client keeps them, and whatever a server does is one line."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from gdbheap.errors import UsageError
from gdbheap.without_gdb.debuginfod import Debuginfod, urls_of
from support.debuginfod_server import debuginfod

ID = "ab" * 20
PATH = f"/buildid/{ID}/debuginfo"
FILE = b"\x7fELF" + bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "cache"))
    for name in ("TIMEOUT", "MAXTIME", "MAXSIZE"):
        monkeypatch.delenv(f"DEBUGINFOD_{name}", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def test_what_a_server_has_is_kept_where_the_client_keeps_it(cache):
    with debuginfod({PATH: FILE}) as (url, asked):
        servers = Debuginfod([url])
        found = servers.find(ID, "debuginfo")
        assert found == str(cache / ID / "debuginfo")
        assert (cache / ID / "debuginfo").read_bytes() == FILE
        assert servers.find(ID, "debuginfo") == Debuginfod([url]).find(ID, "debuginfo") == found
        assert asked == [PATH]
    assert servers.remarks() == (f"debuginfod served 1 file, 10 KiB: kept in {cache}",)
    assert os.listdir(cache / ID) == ["debuginfo"]


def test_what_no_server_has_is_asked_once_in_a_while(cache):
    with debuginfod({}) as (url, asked):
        assert Debuginfod([url]).find(ID, "executable") is None
        assert (cache / ID / "executable").stat().st_size == 0
        again = Debuginfod([url])
        assert again.find(ID, "executable") is None and again.remarks() == ()
        assert asked == [f"/buildid/{ID}/executable"]
        os.utime(cache / ID / "executable", (0, 0))
        assert Debuginfod([url]).find(ID, "executable") is None
        assert len(asked) == 2
        (cache / "cache_miss_s").write_text("1e15")
        os.utime(cache / ID / "executable", (0, 0))
        assert Debuginfod([url]).find(ID, "executable") is None
        assert len(asked) == 2


def test_the_next_server_is_asked(cache):
    with debuginfod({}) as (first, _), debuginfod({PATH: FILE}) as (second, _):
        servers = Debuginfod(["http://127.0.0.1:1/", first, second])
        assert servers.find(ID, "debuginfo") is not None
        (_, refused) = servers.remarks()
        assert refused.startswith("debuginfod: http://127.0.0.1:1/: ")


@pytest.mark.parametrize("build_id", ["", "ab", "../../etc", "ab/../" + ID, "AB" * 20, "a" * 200, ID + "\n"])
def test_only_build_ids_are_asked_for(cache, build_id):
    with debuginfod({}) as (url, asked):
        assert Debuginfod([url]).find(build_id, "debuginfo") is None
        assert asked == [] and not cache.exists()


def redirect_to(place):
    def answer(request):
        request.send_response(302)
        request.send_header("Location", place)
        request.end_headers()

    return answer


def of_length(length):
    """Say that so much comes, and send less."""

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        request.wfile.write(FILE)

    return answer


def endless(request):
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"\x7fELF" + bytes(1 << 16))
    except OSError:
        pass


def silent(request):
    request.rfile.read(1)


def broken(request):
    request.wfile.write(b"nonsense\r\n\r\n")


def failing(request):
    request.send_error(500)


HOSTILE = {
    "text": (b"<html>no such file</html>", "no ELF file"),
    "empty": (b"", "cut off"),
    "cut off": (of_length(1 << 20), "cut off"),
    "a negative length": (of_length(-5), ""),
    "a length of nonsense": (of_length("x"), ""),
    "endless": (endless, "more than"),
    "silent": (silent, "timed out"),
    "no answer of HTTP": (broken, ""),
    "an error": (failing, "it answers 500"),
    "a file of this machine": (redirect_to("file:///etc/passwd"), ""),
    "an unknown scheme": (redirect_to("gopher://127.0.0.1/"), ""),
    "itself": (redirect_to(PATH), ""),
    "nonsense for a place": (redirect_to("http://[::"), ""),
    "a proxy of ftp": (redirect_to("ftp://127.0.0.1/x"), ""),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_server_does_is_a_line_and_no_file(cache, monkeypatch, kind):
    answer, said = HOSTILE[kind]
    monkeypatch.setenv("DEBUGINFOD_MAXSIZE", str(4 << 20))
    if kind == "silent":
        monkeypatch.setattr("gdbheap.without_gdb.debuginfod._PATIENCE", 0.2)
    tracemalloc.start()
    try:
        with debuginfod({PATH: answer}) as (url, asked):
            servers = Debuginfod([url])
            found = servers.find(ID, "debuginfo")
            servers.find("cd" * 20, "debuginfo")
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    if kind.endswith("length") or kind.startswith("a length"):
        # Whatever it claims: either all of it came, or nothing did.
        assert found is None or (cache / ID / "debuginfo").read_bytes() == FILE
        return
    assert found is None and not any(each.is_file() and each.stat().st_size for each in cache.rglob("*"))
    (line,) = servers.remarks()
    assert line.startswith(f"debuginfod: {url}: ") and said in line and "\n" not in line
    # It is not asked again.
    assert {each for each in asked if each != PATH} == set()


def test_servers_are_those_of_the_environment():
    urls = urls_of({"DEBUGINFOD_URLS": " https://a.example/ file:///srv http://b.example  "})
    assert urls == ["https://a.example/", "http://b.example"]
    with pytest.raises(UsageError, match="names none"):
        urls_of({})
