"""A bundle may come from anybody: what it holds goes into its own new directory, or nowhere."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from argparse import Namespace

import pytest

from gdbheap.bundle.manifest import SCHEMA, BundledModule, Manifest, manifest_of
from gdbheap.bundle.unpack import unpack
from gdbheap.errors import HeapError

MANIFEST = Manifest("core.7", "/bin/a", "x86-64", "2026-01-01T00:00:00Z", [BundledModule("/bin/a", "aa", True)])


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 3, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size if kind == tarfile.REGTYPE else 0, link
    return info


def bundle(path, *members: tarfile.TarInfo, manifest: bytes | None = None) -> str:
    """Write a bundle of these members, each of three bytes; return its name."""
    text = MANIFEST.text().encode() if manifest is None else manifest
    with gzip.open(path, "wb") as packed, tarfile.TarFile(fileobj=packed, mode="w") as archive:
        archive.addfile(member("manifest.json", size=len(text)), io.BytesIO(text))
        for each in members:
            archive.addfile(each, io.BytesIO(b"abc"))
    return str(path)


def test_a_manifest_comes_back():
    assert manifest_of(MANIFEST.text().encode()) == MANIFEST


def test_what_is_sound_is_unpacked(tmp_path, capsys):
    name = bundle(tmp_path / "b", member("core"), member("root/bin/a"), member("debug/.build-id/aa/bb.debug"))
    assert unpack(Namespace(bundle=name, directory=str(tmp_path / "out"))) == 0
    assert (tmp_path / "out" / "root" / "bin" / "a").read_bytes() == b"abc"
    first, after, _ = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path}/out: the core core.7 of /bin/a (x86-64), and its files"
    out = f"{tmp_path}/out"
    assert after == f"next: python3 -m gdbheap fault --core {out}/core --sysroot {out}/root --debug-dir {out}/debug"


@pytest.mark.parametrize(
    "bad",
    [
        member("root/../../escaped"),
        member("/escaped"),
        member("escaped"),
        member("root/./x"),
        member("root//x"),
        member("root/link", tarfile.SYMTYPE, link="/etc"),
        member("root/link", tarfile.LNKTYPE, link="core"),
        member("root/device", tarfile.CHRTYPE),
        member("root/pipe", tarfile.FIFOTYPE),
        member("core"),
    ],
    ids=lambda bad: f"{bad.name} {bad.type!r}",
)
def test_nothing_leads_out_of_the_directory(tmp_path, bad):
    name = bundle(tmp_path / "b", member("core"), bad)
    with pytest.raises(HeapError, match="cannot be unpacked"):
        unpack(Namespace(bundle=name, directory=str(tmp_path / "out")))
    assert [each.name for each in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{}", b"nonsense", json.dumps({"schema": SCHEMA}).encode(), b'{"schema": "gdbheap-bundle/9"}'],
)
def test_a_bad_manifest_is_one_line(tmp_path, manifest):
    name = bundle(tmp_path / "b", member("core"), manifest=manifest)
    with pytest.raises(HeapError) as error:
        unpack(Namespace(bundle=name, directory=str(tmp_path / "out")))
    assert "\n" not in str(error.value)


def test_what_is_no_bundle_is_one_line(tmp_path):
    whole = tmp_path / "whole"
    bundle(whole, member("core"))
    for content in (b"", b"text", gzip.compress(b"text"), gzip.compress(bytes(1 << 20)), whole.read_bytes()[:-40]):
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(HeapError, match="cannot be unpacked"):
            unpack(Namespace(bundle=str(tmp_path / "b"), directory=str(tmp_path / "out")))
        assert not (tmp_path / "out").exists()


def test_what_there_is_no_room_for_is_not_begun(tmp_path):
    huge = member("core", size=1 << 60)
    header = member("manifest.json", size=len(MANIFEST.text()))
    data = MANIFEST.text().encode()
    tar = header.tobuf() + data + bytes(-len(data) % 512) + huge.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "b").write_bytes(gzip.compress(tar))
    with pytest.raises(HeapError, match="no room"):
        unpack(Namespace(bundle=str(tmp_path / "b"), directory=str(tmp_path / "out")))


def test_a_directory_that_is_there_is_not_touched(tmp_path):
    name = bundle(tmp_path / "b", member("core"))
    (tmp_path / "out").mkdir()
    with pytest.raises(HeapError, match="cannot make"):
        unpack(Namespace(bundle=name, directory=str(tmp_path / "out")))
