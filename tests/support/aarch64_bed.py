"""An aarch64 machine for the tests' material: qemu-system with a kernel of Debian's and, in memory, busybox, a libc and
the given programs. Each program runs to the place where it waits, is killed there by SIGABRT unless it has died before,
and the kernel's core and what the program said are brought out.

    mmdebstrap --architectures=arm64 --variant=extract --include=linux-image-cloud-arm64,busybox-static bookworm ROOT
    PYTHONPATH=.:tests python3 -m support.aarch64_bed ROOT /usr/aarch64-linux-gnu/lib OUT PROGRAM...

(qemu-system-arm, gcc-aarch64-linux-gnu and libc6-arm64-cross are of this machine's own system; linux-image-arm64-16k of
trixie, with CPU=cortex-a76, has pages of 16 KiB.) In the environment, MACHINE and CPU are qemu's, TUNABLES the
programs' GLIBC_TUNABLES.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from support.aarch64_guest import archive

_MODULES = ("virtio", "virtio_ring", "virtio_mmio", "virtio_blk")
_LIBRARIES = ("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")
# Written memory, and the first page of every ELF file, as is usual; and huge pages.
_FILTER = 0x33

_INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev; $b mount -t tmpfs out /out
for m in {modules}; do $b [ -e /$m.ko ] && $b insmod /$m.ko; done
echo /out/%e.core > /proc/sys/kernel/core_pattern; echo {filter} > /proc/self/coredump_filter; ulimit -c unlimited
cd /out
for p in {programs}; do
    $b mkfifo /tmp/$p; $b sleep 1000 > /tmp/$p &
    GLIBC_TUNABLES={tunables} /p/$p {arguments} < /tmp/$p > $p.said 2>&1 & pid=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do $b sleep 1; $b grep -q ready $p.said && break; [ -d /proc/$pid ] || break; done
    $b cat /proc/$pid/maps > $p.maps; $b kill -ABRT $pid; wait $pid
done
$b tar -cf /dev/vda .
$b poweroff -f
"""


def run_bed(root: Path, libraries: Path, out: Path, programs: Iterable[Path]) -> None:
    """Write PROGRAM.core, PROGRAM.said and PROGRAM.maps of each program to the directory `out`."""
    programs = list(programs)
    with tempfile.TemporaryDirectory() as directory:
        initrd, disk = Path(directory) / "initrd", Path(directory) / "disk"
        initrd.write_bytes(archive(_files(root, libraries, programs)))
        with disk.open("wb") as file:
            file.truncate(256 << 20)
        kernel = next(root.glob("boot/vmlinuz-*"))
        command = ["nice", "-n", "19", "qemu-system-aarch64", "-M", os.environ.get("MACHINE", "virt")]
        command += ["-cpu", os.environ.get("CPU", "cortex-a72")]
        command += ["-smp", "2", "-m", "1G", "-nographic", "-no-reboot", "-net", "none", "-accel", "tcg,thread=multi"]
        command += ["-kernel", str(kernel), "-initrd", str(initrd), "-append", "console=ttyAMA0 quiet panic=-1"]
        command += ["-drive", f"if=none,id=out,format=raw,file={disk}", "-device", "virtio-blk-device,drive=out"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=500)
        with tarfile.open(disk) as found:
            for member in found:
                content = found.extractfile(member) if member.isfile() else None
                if content is not None:
                    (out / Path(member.name).name).write_bytes(content.read())


def _files(root: Path, libraries: Path, programs: Iterable[Path]) -> dict[str, bytes]:
    found = {"init": _init([each.name for each in programs]), "bin/busybox": (root / "bin/busybox").read_bytes()}
    for name in _MODULES:
        for path in root.glob(f"lib/modules/*/kernel/drivers/*/{name}.ko*"):
            found[f"{name}.ko"] = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    for name in _LIBRARIES:
        found[f"lib/{name}"] = (libraries / name).read_bytes()
    return {**found, **{f"p/{each.name}": each.read_bytes() for each in programs}}


def _init(programs: Iterable[str]) -> bytes:
    tunables, arguments = os.environ.get("TUNABLES", ""), os.environ.get("ARGUMENTS", "")
    return _INIT.format(
        modules=" ".join(_MODULES), filter=_FILTER, programs=" ".join(programs), tunables=tunables, arguments=arguments
    ).encode()


if __name__ == "__main__":
    run_bed(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), map(Path, sys.argv[4:]))
