"""Where this machine gets Debian packages from: the archive that its own apt configuration names."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# apt's own settings that a download through a proxy or a private certificate needs, in the new system as in this one.
PASSED_ON = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::https::CaInfo")


class Source(NamedTuple):
    """One package source: an archive's `uri`, one of its `suites`, and `components` of that suite."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def debian_archive(apt: Path = Path("/etc/apt")) -> str | None:
    """Return the URI of the Debian archive in the configuration under `apt`, or None (Ubuntu's names none)."""
    for source in sources(apt):
        uri = source.uri
        if uri.startswith("mirror+file:"):
            uri = _first_mirror(Path(uri[len("mirror+file:") :]))
        if uri.rstrip("/").endswith("/debian") and "main" in source.components:
            return uri
    return None


def sources(apt: Path) -> Iterator[Source]:
    """Yield the binary package sources under `apt`, of both formats, in apt's order."""
    parts = sorted((apt / "sources.list.d").glob("*"))
    for path in [apt / "sources.list", *parts]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        yield from _one_line_sources(text) if path.suffix == ".list" else _stanza_sources(text)


def apt_options(apt_config: str = "apt-config") -> list[str]:
    """Return this machine's proxy and certificate settings, each as a line of apt.conf."""
    lines = subprocess.run([apt_config, "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.rstrip(";") for line in lines if line.split(" ", 1)[0] in PASSED_ON and not line.endswith('"";')]


def _one_line_sources(text: str) -> Iterator[Source]:
    # deb [ arch=amd64 signed-by=... ] URI SUITE COMPONENT...
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] != "deb":
            continue
        words = words[1:]
        if words and words[0].startswith("["):
            end = next((i for i, word in enumerate(words) if word.endswith("]")), len(words))
            words = words[end + 1 :]
        if len(words) >= 2:
            yield Source(words[0], (words[1],), tuple(words[2:]))


def _stanza_sources(text: str) -> Iterator[Source]:
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] = fields.get(name, "") + " " + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            yield Source(uri, tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split()))


def _first_mirror(path: Path) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    return next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), "")
