"""A whole aarch64 system in qemu-system, its own gdb in it: a kernel, an image of a root directory that it reads alone,
and what is brought into it and out of it as tar archives on disks of their own.

See tests/matrix/guest.py for the image.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MODULES = ("virtio", "virtio_ring", "virtio_mmio", "virtio_blk")
_OUT_SIZE = 1 << 30  # bytes that can come out, as a hole until they do
_INIT = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in {" ".join(_MODULES)}; do [ -e /$m.ko ] && $b insmod /$m.ko; done
if $b mount -t ext4 -o ro,noload /dev/vda /p; then
    for d in proc sys dev; do $b mount --move /$d /p/$d; done
    for d in tmp out src; do $b mount -t tmpfs $d /p/$d; done
    $b tar -xf /p/dev/vdb -C /p/src
    echo /out/core.%e > /p/proc/sys/kernel/core_pattern
    $b chroot /p /bin/bash /src/guest.sh > /p/out/log 2>&1 < /p/dev/null
    $b tar -cf /p/dev/vdc -C /p/out .
fi
$b poweroff -f
"""


@dataclass(frozen=True)
class Guest:
    """A kernel, the image of a root directory, and the directory that has busybox and the kernel's modules."""

    kernel: Path
    image: Path
    root: Path
    cpu: str = "cortex-a72"
    machine: str = "virt"

    def run(self, files: Mapping[str, Path], script: str, out: Path, patience: float) -> None:
        """Boot, run the shell script where the files are at /src, by name (a directory is there whole), and bring what
        is in /out then to the directory `out`, with the script's own words in "log"."""
        with tempfile.TemporaryDirectory(dir=out.parent) as directory:
            disks = [Path(directory) / name for name in ("out", "in")]
            initrd = Path(directory) / "initrd"
            initrd.write_bytes(gzip.compress(archive(self._first_files()), 1))
            with disks[0].open("wb") as file:
                file.truncate(_OUT_SIZE)
            with tarfile.open(disks[1], "w") as packed:
                for name, path in files.items():
                    packed.add(path, name)
                told = tarfile.TarInfo("guest.sh")
                told.size = len(script.encode())
                packed.addfile(told, io.BytesIO(script.encode()))
            # The disk that is named last is the kernel's first.
            self._boot(initrd, [*disks, self.image], patience)
            with tarfile.open(disks[0]) as found:
                for member in found:
                    content = found.extractfile(member) if member.isfile() else None
                    if content is not None:
                        place = out / os.path.normpath(member.name)
                        place.parent.mkdir(exist_ok=True)
                        with place.open("wb") as file:
                            shutil.copyfileobj(content, file)

    def _boot(self, initrd: Path, disks: list[Path], patience: float) -> None:
        command = ["qemu-system-aarch64", "-M", self.machine, "-cpu", self.cpu, "-smp", "2", "-m", "3G"]
        command += ["-nographic", "-no-reboot", "-net", "none", "-accel", "tcg,thread=multi"]
        command += ["-kernel", str(self.kernel), "-initrd", str(initrd), "-append", "console=ttyAMA0 quiet panic=-1"]
        for number, disk in enumerate(disks):
            read_only = "on" if disk == self.image else "off"
            command += ["-drive", f"if=none,id=d{number},format=raw,file={disk},readonly={read_only}"]
            command += ["-device", f"virtio-blk-device,drive=d{number}"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=patience)

    def _first_files(self) -> dict[str, bytes]:
        found = {"init": _INIT.encode(), "bin/busybox": (self.root / "bin" / "busybox").read_bytes()}
        for name in _MODULES:
            for path in self.root.glob(f"lib/modules/*/kernel/drivers/*/{name}.ko*"):
                found[f"{name}.ko"] = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        return found


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a cpio archive (newc) of these files, all of them executable, and of the directories that a first file
    system has."""
    out = io.BytesIO()
    directories = ("bin", "dev", "lib", "out", "p", "proc", "root", "sys", "tmp")
    entries = [(name, 0o040755, b"") for name in directories] + [(name, 0o100755, data) for name, data in files.items()]
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0")
        out.write(b"\0" * (-out.tell() % 4) + data)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()
