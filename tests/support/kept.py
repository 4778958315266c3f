"""What one run of the tests leaves for the next, in the directory that GDBHEAP_TEST_CACHE names, if it does: built
programs by the contents of their sources, and gdb's indexes of debug information by build-id.

The directory is inside a system of the matrix, so what it keeps is that system's own compiler's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_UNUSED = 3 * 24 * 3600  # seconds after which what nobody has asked for goes
_SLOW = 300.0  # seconds that a compiler is given
_named = os.environ.get("GDBHEAP_TEST_CACHE")
DIRECTORY = Path(_named) if _named else None


def kept_build(command: Sequence[str], sources: Iterable[Path], target: Path) -> None:
    """Have `command` (a compiler's, without -o) make the target of these files, or take what it made of the same
    ones.

    What a compiler writes beside its output (-gsplit-dwarf) is not kept: such a command runs every time.
    """
    kept = _kept_as(command, sources) if DIRECTORY and "-gsplit-dwarf" not in command else None
    if kept is None or not kept.exists():
        subprocess.run([*command, "-o", str(target)], check=True, timeout=_SLOW)
        if kept is not None:
            _keep(target, kept)
        return
    os.utime(kept)
    shutil.copy(kept, target)


def _kept_as(command: Sequence[str], sources: Iterable[Path]) -> Path:
    assert DIRECTORY is not None
    told = hashlib.sha256(repr(command).encode())
    for source in sorted(sources):
        told.update(f"{source}\0".encode() + source.read_bytes())
    return DIRECTORY / "programs" / told.hexdigest()


def _keep(target: Path, kept: Path) -> None:
    """Copy the target, whole or not at all, and drop what has long not been used."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as new:
        new.write(target.read_bytes())
    os.chmod(new.name, target.stat().st_mode)
    os.rename(new.name, kept)
    for old in kept.parent.iterdir():
        with suppress(FileNotFoundError):  # another run may be doing the same
            if time.time() - old.stat().st_mtime > _UNUSED:
                old.unlink()
