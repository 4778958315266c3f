"""The door to files: what is no regular file is not opened, however its name came about; nothing is written through
a planted link."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from gdbheap import files
from gdbheap.files import kernel_text, open_new, open_output, open_regular, read_regular

NOBODY = 65534


def special_files(directory):
    """Yield the names of all that is no regular file, and of links to it."""
    os.mkfifo(directory / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(directory / "socket"))
    (directory / "link").symlink_to(directory / "pipe")
    (directory / "loop").symlink_to(directory / "loop")
    yield from (directory / name for name in ("pipe", "socket", "link", "loop", "nothing", "."))
    yield from (
        "/dev/zero",
        "/dev/null",
        "/dev/tty",
        "/proc/self/fd/0",
        "/proc/self",
        "a\0b",
        "\ud800",
        "x" * 300,
        "/" * 5000,
    )
    server.close()


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path):
    for path in special_files(tmp_path):
        with pytest.raises(OSError):
            open_regular(str(path))
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "to file").symlink_to(tmp_path / "file")
    for name in ("file", "to file"):
        with open_regular(str(tmp_path / name)) as file:
            assert file.read() == b"text"
            assert not os.get_inheritable(file.fileno())


def test_what_takes_the_place_of_a_file_is_not_read(tmp_path, monkeypatch):
    """Between the look and the opening another file may come to stand there: what was opened is what counts."""
    (tmp_path / "file").write_bytes(b"text")
    os.mkfifo(tmp_path / "pipe")
    regular = os.stat(tmp_path / "file")
    monkeypatch.setattr(files.os, "stat", lambda path: regular)
    with pytest.raises(OSError, match="it is not a regular file"):
        open_regular(str(tmp_path / "pipe"))


def test_no_more_is_read_than_was_asked_for(tmp_path):
    (tmp_path / "file").write_bytes(b"12345678")
    assert read_regular(str(tmp_path / "file"), 8) == b"12345678"
    with pytest.raises(OSError, match="File too large"):
        read_regular(str(tmp_path / "file"), 7)
    os.truncate(tmp_path / "file", 1 << 40)
    with pytest.raises(OSError, match="File too large"):
        read_regular(str(tmp_path / "file"), 1 << 20)
    assert kernel_text("/proc/self/maps").startswith(("5", "0", "6", "7"))


def test_a_new_file_is_new_and_this_users_own(tmp_path):
    with open_new(str(tmp_path / "new")) as file:
        file.write(b"x")
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o600
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    for name in ("new", "dangling"):
        with pytest.raises(FileExistsError):
            open_new(str(tmp_path / name))
    assert not (tmp_path / "elsewhere").exists()


def put(path, data=b"answer"):
    with open_output(str(path)) as file:
        file.write(data)


def test_an_answer_replaces_what_the_file_held(tmp_path):
    put(tmp_path / "file", b"a long answer")
    put(tmp_path / "file", b"short")
    assert (tmp_path / "file").read_bytes() == b"short"
    (tmp_path / "mine").symlink_to(tmp_path / "file")
    put(tmp_path / "mine")
    assert (tmp_path / "file").read_bytes() == b"answer"
    put("/dev/null")


@pytest.fixture
def shared(tmp_path):
    """A directory like /tmp, in which another user has put a link to a file of ours, a link to nothing, and a file."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (tmp_path / "precious").write_bytes(b"precious")
    (shared / "link").symlink_to(tmp_path / "precious")
    (shared / "dangling").symlink_to(tmp_path / "elsewhere")
    (shared / "file").write_bytes(b"theirs")
    return shared


def plant(monkeypatch, *paths):
    """Make these files look as if another user had put them there."""
    planted = {os.lstat(path).st_ino for path in paths}

    def disguised(look):
        def replaced(path):
            found = look(path)
            fields = list(found)
            fields[stat.ST_UID] = NOBODY
            return os.stat_result(fields) if found.st_ino in planted else found

        return replaced

    monkeypatch.setattr(files.os, "lstat", disguised(os.lstat))
    monkeypatch.setattr(files.os, "fstat", disguised(os.fstat))


@pytest.mark.parametrize("name", ["link", "dangling", "file"])
def test_another_users_link_or_file_in_a_shared_directory_is_left_alone(shared, monkeypatch, name):
    plant(monkeypatch, *(shared / each for each in ("link", "dangling", "file")))
    with pytest.raises(
        PermissionError, match=r"another user's (symbolic link|file) in a directory where everybody may write"
    ):
        put(shared / name)
    assert (shared.parent / "precious").read_bytes() == b"precious"
    assert (shared / "file").read_bytes() == b"theirs"
    assert not (shared.parent / "elsewhere").exists()


def test_ones_own_link_there_and_anybodys_elsewhere_are_followed(shared, monkeypatch):
    put(shared / "link")
    assert (shared.parent / "precious").read_bytes() == b"answer"
    plant(monkeypatch, shared / "link")
    shared.chmod(0o755)
    put(shared / "link", b"again")
    assert (shared.parent / "precious").read_bytes() == b"again"


def test_a_file_that_is_planted_in_the_meantime_is_not_written(shared, monkeypatch):
    plant(monkeypatch, shared / "link", shared / "file")
    monkeypatch.setattr(files, "_lstat", lambda path: None)
    for name in ("link", "file"):
        with pytest.raises(OSError):
            put(shared / name)
    assert (shared.parent / "precious").read_bytes() == b"precious"
    assert (shared / "file").read_bytes() == b"theirs"
