"""The whole machine of aarch64: what emulates it and compiles for it is a system like those of the matrix, with the
image of the machine's own root directory in it. Only `tests/run --guest` makes and uses it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from matrix import roots
from matrix.environment import locked

GUEST = roots.System(
    "guest",
    "2.36",
    "13.1",
    "3.11",
    suite="bookworm",
    own_packages="qemu-system-arm gdb-multiarch gcc-aarch64-linux-gnu g++-aarch64-linux-gnu e2fsprogs "
    "python3 python3-pip procps ca-certificates",
)
# What is in the machine; and what the kernel needs to see its disks, and busybox, for the first file system.
PACKAGES = (
    "gdb gdbserver libc6-dbg libstdc++6 python3 python3-numpy python3-pyelftools python3-pygments "
    "linux-image-cloud-arm64 busybox-static bash coreutils grep sed util-linux mount procps tar libc-bin base-files"
)
SIZE = "800M"
_LIBRARIES = "usr/lib/aarch64-linux-gnu"


def prepare(requirements: Sequence[str], pip: Mapping[str, str], log: IO[str], say: Callable[[str], None]) -> None:
    """Make the system, and at its /opt the machine's root directory and the image of it, if there are none of these
    lists of packages yet; and a copy of the kernel that GDBHEAP_GUEST_KERNEL names, or none."""
    roots.prepare(GUEST, requirements, pip, log, say)
    there = GUEST.root / "opt" / "aarch64"
    with locked(there):
        if roots.install_foreign(GUEST, PACKAGES.split(), "machine", log, say) or not _image().exists():
            say(f"{GUEST.name}: making the image of the machine's root directory")
            _finish()
            words = ["-m", "compileall", "-q", "-s", "/opt/aarch64", "--invalidation-mode", "unchecked-hash"]
            places = [f"/opt/aarch64/usr/lib/{name}" for name in ("python3", "python3.11")]
            roots.run_in(GUEST.root, ["sh", "-c", f"python3 {' '.join([*words, *places])} || true"], {}, log, False)
            new = "/opt/aarch64.new.ext4"
            make = f"mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d /opt/aarch64 {new} {SIZE}".split()
            roots.run_in(GUEST.root, make, {}, log, False)
            (GUEST.root / new[1:]).rename(_image())
    kernel, given = GUEST.root / "opt" / "kernel", os.environ.get("GDBHEAP_GUEST_KERNEL")
    kernel.unlink(missing_ok=True)
    if given:
        shutil.copy(given, kernel)


def _image() -> Path:
    return GUEST.root / "opt" / "aarch64.ext4"


def _finish() -> None:
    """Do what the packages' own scripts would have done, which nothing here could have run."""
    there = GUEST.root / "opt" / "aarch64"
    links = {
        "bin/sh": "bash",
        **{f"{_LIBRARIES}/lib{each}.so.3": f"{each}/lib{each}.so.3" for each in ("blas", "lapack")},
    }
    for name, target in links.items():
        (there / name).unlink(missing_ok=True)
        (there / name).symlink_to(target)
    (there / "etc" / "passwd").write_text("root:x:0:0:root:/tmp:/bin/bash\n")
    (there / "etc" / "group").write_text("root:x:0:\n")
    for name in ("src", "out"):
        (there / name).mkdir(exist_ok=True)
    for name in ("doc", "locale", "man"):
        shutil.rmtree(there / "usr" / "share" / name, ignore_errors=True)
