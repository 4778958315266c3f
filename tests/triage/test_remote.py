"""Cores by URL: what stands in fsspec's place answers as its file systems do, with their whims."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from gdbheap.triage.cores import core_at, cores_named

FILES = {"/var/crash/core.1": b"one", "/var/crash/core.2": b"two", "/var/crash/old/core.3": b""}


class Sftp:
    """A server's files. unstrip_protocol() forgets the host, errors have a name alone, nobody reads beyond the end."""

    def isdir(self, path):
        return path == "/var/crash"

    def find(self, path):
        return [each for each in FILES if each.startswith(path)]

    def glob(self, path):
        return [each for each in FILES if each.startswith(path.partition("*")[0])]

    def unstrip_protocol(self, path):
        return f"sftp://{path}"

    def info(self, path):
        if path not in FILES:
            raise FileNotFoundError(path)
        return {"size": len(FILES[path]), "mtime": 0}

    def cat_file(self, path, start=None, end=None):
        if end is not None and end > len(FILES[path]) > 0:
            raise OSError("The requested range is not satisfiable")
        return FILES[path][start:end]


@pytest.fixture(autouse=True)
def fsspec(monkeypatch):
    module = ModuleType("fsspec")
    vars(module)["core"] = SimpleNamespace(url_to_fs=lambda url: (Sftp(), "/" + url.split("/", 3)[3].rstrip("/")))
    monkeypatch.setitem(sys.modules, "fsspec", module)


@pytest.mark.parametrize("url", ["sftp://me@host:22/var/crash", "sftp://me@host:22/var/crash/"])
def test_a_directory_stands_for_what_is_below_it_on_the_same_host(url):
    cores = list(cores_named([url]))
    assert [(each.name, each.size, each.error) for each in cores] == [
        (f"sftp://me@host:22{path}", len(data), "") for path, data in FILES.items()
    ]


def test_a_star_stands_for_many():
    assert [each.name for each in cores_named(["sftp://host/var/crash/core*"])] == [
        "sftp://host/var/crash/core.1",
        "sftp://host/var/crash/core.2",
    ]


def test_what_is_not_there_is_told_in_words():
    assert core_at("sftp://host/var/none").error == "No such file or directory"
