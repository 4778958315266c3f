"""Where a module's separate debug file may lie on this machine. Nothing is opened here, and nobody is asked for files
but by a caller who says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from gdbheap.lazy import dataclass, regex

_BUILD_ID = regex(r"[0-9a-f]{4,128}")


@dataclass(frozen=True)
class DebugSearch:
    """`directories` are gdb's debug-file-directory, split; `debuginfod` is its client's cache directory ("": none);
    `fetch` brings the file of a build-id here that is nowhere (None: nobody does)."""

    directories: Sequence[str] = ("/usr/lib/debug",)
    debuginfod: str = ""
    fetch: Callable[[str], str | None] | None = None

    def by_build_id(self, build_id: str) -> str | None:
        """Return the debug file that is there for a build-id (hex), or None."""
        if not _BUILD_ID.fullmatch(build_id):
            return None
        paths = [
            os.path.join(each, ".build-id", build_id[:2], build_id[2:] + ".debug") for each in self.directories if each
        ]
        if self.debuginfod:
            paths.append(os.path.join(self.debuginfod, build_id, "debuginfo"))
        found = _first_file(paths)
        return found if found is not None or self.fetch is None else self.fetch(build_id)

    def program(self, build_id: str) -> str | None:
        """Return the program or library itself that is there for a build-id, as its distribution's links or
        debuginfod's client have it; None where it is nowhere."""
        if not _BUILD_ID.fullmatch(build_id):
            return None
        places = [os.path.join(each, ".build-id", build_id[:2], build_id[2:]) for each in self.directories if each]
        if self.debuginfod:
            places.append(os.path.join(self.debuginfod, build_id, "executable"))
        return _first_file(places)

    def by_link(self, library: str, link: str) -> Iterator[str]:
        """Yield the files that a .gnu_debuglink of `link` in the file `library` may mean, gdb's order; the caller
        checks the CRC."""
        link = os.path.basename(link)
        if not link:
            return
        for path in dict.fromkeys((library, os.path.realpath(library))):
            where = os.path.dirname(path)
            yield from _files([os.path.join(where, link), os.path.join(where, ".debug", link)])
            yield from _files([os.path.join(each + where, link) for each in self.directories if each])

    def by_alternate(self, debug_file: str, name: str, build_id: str) -> Iterator[str]:
        """Yield the files that a .gnu_debugaltlink (dwz) of `name` and `build_id` in `debug_file` may mean."""
        found = self.by_build_id(build_id)
        if found is not None:
            yield found
        yield from _files([os.path.join(os.path.dirname(os.path.realpath(debug_file)), name)])


def debuginfod_cache() -> str:
    """Return the directory in which debuginfod's client keeps what it has fetched; it need not exist."""
    named = os.environ.get("DEBUGINFOD_CACHE_PATH")
    if named:
        return named
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "debuginfod_client")


def _first_file(paths: Sequence[str]) -> str | None:
    return next(_files(paths), None)


def _files(paths: Sequence[str]) -> Iterator[str]:
    # debuginfod's client leaves empty files for what the server did not have.
    return (path for path in paths if os.path.isfile(path) and os.path.getsize(path) > 0)
