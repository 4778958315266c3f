"""Files by build-id from debuginfod's servers, asked only where the user wants it; kept where debuginfod's own client
keeps them, so that gdb and the next command find them there."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from http.client import HTTPException
from typing import Any

from gdbheap.counted import counted
from gdbheap.elf.debug_search import debuginfod_cache
from gdbheap.errors import UsageError
from gdbheap.files import open_new, read_regular
from gdbheap.lazy import dataclass, regex
from gdbheap.report.printable import cut_end, human_size, printable

_BUILD_ID = regex(r"[0-9a-f]{4,128}")
_URL = regex(r"https?://[^\s]+")
_ELF = b"\x7fELF"
_PIECE = 1 << 18
_LONGEST_REASON = 120
# debuginfod's own defaults, where it has one: seconds without data; seconds and bytes a file; seconds for which that a
# server has not got a file is remembered.
_PATIENCE, _MOST_TIME, _MOST_SIZE, _MISS = 90.0, 600.0, 2 << 30, 600.0


@dataclass
class Debuginfod:
    """The servers at `urls`; `say` shows a line while one is waited for. What went wrong, and how much came, is kept
    for remarks()."""

    urls: Sequence[str]
    say: Callable[[str], object] = lambda text: None
    cache: str = field(default_factory=debuginfod_cache)
    _asked: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _failed: dict[str, str] = field(default_factory=dict)
    _sizes: list[int] = field(default_factory=list)

    def find(self, build_id: str, kind: str) -> str | None:
        """Return the file of a build-id; `kind` is "debuginfo" or "executable". None where no server has it."""
        key = (build_id, kind)
        if key not in self._asked:
            self._asked[key] = self._find(build_id, kind) if _BUILD_ID.fullmatch(build_id) else None
        return self._asked[key]

    def remarks(self) -> tuple[str, ...]:
        """Return what the reader of an answer must know of this."""
        served = f"debuginfod served {counted(len(self._sizes), 'file')}, {human_size(sum(self._sizes))}"
        came = [f"{served}: kept in {printable(self.cache)}"] if self._sizes else []
        return (*came, *(f"debuginfod: {url}: {why}" for url, why in self._failed.items()))

    def _find(self, build_id: str, kind: str) -> str | None:
        path = os.path.join(self.cache, build_id, kind)
        with suppress(OSError):
            status = os.stat(path)
            if status.st_size:
                return path
            if time.time() - status.st_mtime < _number(os.path.join(self.cache, "cache_miss_s"), _MISS):
                return None  # (the client's own way to note that no server had it)
        for url in self.urls:
            if url not in self._failed and self._fetched(f"{url.rstrip('/')}/buildid/{build_id}/{kind}", url, path):
                return path
        if not self._failed:
            self._keep_miss(path)
        return None

    def _fetched(self, address: str, server: str, path: str) -> bool:
        """Fetch a file into the cache; return whether it is there. A server that does not answer is not asked again."""
        part = f"{path}.gdbheap-{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            request = urllib.request.Request(address, headers={"User-Agent": "gdbheap"})
            with _answer(request, timeout=_setting("TIMEOUT", _PATIENCE)) as answer:
                size = self._copied(answer, part)
            os.replace(part, path)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                self._failed[server] = f"it answers {error.code}"
            return False
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            self._failed[server] = cut_end(printable(str(reason) or type(error).__name__), _LONGEST_REASON)
            return False
        finally:
            with suppress(OSError):
                os.unlink(part)
        self._sizes.append(size)
        return True

    def _copied(self, answer: Any, path: str) -> int:
        """Write what a server sends; return its size. ValueError where that is more than is borne, or no ELF file."""
        most = int(_setting("MAXSIZE", _MOST_SIZE))
        until = time.monotonic() + _setting("MAXTIME", _MOST_TIME)
        claimed = answer.headers.get("Content-Length", "")
        size = 0
        with open_new(path) as file:
            while piece := answer.read(_PIECE):
                if not size and not piece.startswith(_ELF):
                    raise ValueError("what it sends is no ELF file")
                size += len(piece)
                if size > most:
                    raise ValueError(f"it sends more than {human_size(most)} (DEBUGINFOD_MAXSIZE)")
                if time.monotonic() > until:
                    raise ValueError("it takes too long (DEBUGINFOD_MAXTIME)")
                while piece:
                    piece = piece[file.write(piece) or 0 :]
                self.say(f"\r\x1b[Kdebuginfod: {human_size(size)} ")
        self.say("\r\x1b[K")
        if not size or (claimed.isdecimal() and int(claimed) != size):
            raise ValueError("what it sends is cut off")
        return size

    def _keep_miss(self, path: str) -> None:
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with suppress(FileExistsError):
                open_new(path).close()
            os.utime(path)


def urls_of(environment: Mapping[str, str]) -> list[str]:
    """Return the servers that DEBUGINFOD_URLS names, as debuginfod's own client has it; UsageError where it names
    none."""
    urls = [each for each in environment.get("DEBUGINFOD_URLS", "").split() if _URL.fullmatch(each)]
    if not urls:
        raise UsageError(
            "--debuginfod asks the servers in DEBUGINFOD_URLS, and it names none: export DEBUGINFOD_URLS='https://...' "
            "first, with the server of your distribution"
        )
    return urls


def _setting(name: str, usual: float) -> float:
    """Return a bound that the user has set for debuginfod's client; 0 or nonsense is none of ours."""
    text = os.environ.get(f"DEBUGINFOD_{name}", "")
    return float(text) if text.isdecimal() and int(text) else usual


def _number(path: str, usual: float) -> float:
    with suppress(OSError, ValueError):
        return float(read_regular(path, 64))
    return usual


def _opener() -> urllib.request.OpenerDirector:
    """Return what asks servers by HTTP alone, wherever they send us."""
    found = urllib.request.OpenerDirector()
    handlers = (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    )
    for handler in handlers:
        found.add_handler(handler())
    return found


_answer = _opener().open
