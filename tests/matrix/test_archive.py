"""The archive is read from either format of apt's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrix.archive import Source, debian_archive, sources

STANZAS = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: sid
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_stanzas(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(STANZAS)
    assert list(sources(apt)) == [
        Source("http://mirror.example/debian", ("bookworm", "bookworm-updates"), ("main", "contrib")),
        Source("http://mirror.example/debian-security", ("bookworm-security",), ("main",)),
    ]
    assert debian_archive(apt) == "http://mirror.example/debian"


def test_lines(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "# deb http://gone.example/debian bookworm main\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb [arch=amd64] http://mirror.example/debian-security bookworm-security main\n"
        "deb [ arch=amd64 signed-by=/key ] http://mirror.example/debian/ bookworm main contrib # mine\n"
    )
    assert list(sources(apt)) == [
        Source("http://mirror.example/debian-security", ("bookworm-security",), ("main",)),
        Source("http://mirror.example/debian/", ("bookworm",), ("main", "contrib")),
    ]
    assert debian_archive(apt) == "http://mirror.example/debian/"


def test_a_mirror_list_is_followed(apt: Path) -> None:
    (apt / "mirrors").write_text("# near ones\nhttp://near.example/debian priority:1\n")
    (apt / "sources.list").write_text(f"deb mirror+file:{apt}/mirrors trixie main\n")
    assert debian_archive(apt) == "http://near.example/debian"


def test_ubuntu_names_no_debian_archive(apt: Path) -> None:
    (apt / "sources.list").write_text("deb http://archive.example/ubuntu noble main universe\n")
    assert debian_archive(apt) is None
