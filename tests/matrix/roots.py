"""The systems of the matrix: whole Debian systems, each a root directory made once and kept in the cache directory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from gdbheap.errors import HeapError
from matrix.archive import KEYRING, apt_options, debian_archive
from matrix.environment import cache_directory, local_files, locked

TEST_PACKAGES = (
    "gdb gdbserver libc6-dbg gcc g++ libc6-dev gcc-multilib g++-multilib libc6:i386 libc6-dbg:i386 "
    "python3 python3-pip perl git sqlite3 redis-server {nginx} vim-tiny valgrind procps ca-certificates"
)

# Where a system builds and runs programs of aarch64, too: what that takes, and the packages of the system at
# /opt/aarch64 (gcc's own cross compiler and gcc-multilib exclude each other).
EMULATION_PACKAGES = "clang lld qemu-user gdb-multiarch"
AARCH64_PACKAGES = "libc6 libc6-dev libc6-dbg libgcc-s1 libgcc-{gcc}-dev libstdc++6 libstdc++-{gcc}-dev linux-libc-dev"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Runs as the first process of its own mount, pid, network and ipc namespaces: whatever a test starts ends with it, and
# no test reaches the network. $1 is the root, $2 the checkout, $3 where results go; then the command.
INSIDE = """
set -e
root=$1 checkout=$2 results=$3; shift 3
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/src"
mount --bind "$checkout" "$root/src"
mount -o remount,bind,ro "$root/src"
mount --bind "$results" "$root/mnt"
chroot "$root" python3 -c "$LOOPBACK_UP"
# Not the last command, so that this shell stays the first process and reaps what the tests leave behind.
code=0
chroot "$root" sh -c 'cd /src && exec "$@"' sh "$@" || code=$?
exit $code
"""

# SIOCSIFFLAGS with IFF_UP and IFF_RUNNING: gdbserver and the servers under test listen on 127.0.0.1.
LOOPBACK_UP = """
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))
"""


# apt's preferences that take glibc, on both architectures, from a suite of which apt takes nothing by itself.
GLIBC_FROM = """\
Package: src:glibc:any
Pin: release a={suite}
Pin-Priority: 990
"""


class System(NamedTuple):
    """A Debian suite, with glibc from the suite `glibc_from` if that is another, and what they bring."""

    name: str
    glibc: str
    gdb: str
    python: str
    nginx: str = "nginx-light"
    suite: str = ""
    glibc_from: str = ""
    aarch64_gcc: str = ""  # the suite's release of gcc, where programs of aarch64 run
    own_packages: str = ""  # all that is wanted, where that is not what the tests of a system need

    @property
    def root(self) -> Path:
        return cache_directory() / "roots" / self.name

    @property
    def packages(self) -> list[str]:
        if self.own_packages:
            return self.own_packages.split()
        emulation = EMULATION_PACKAGES if self.aarch64_gcc else ""
        return f"{TEST_PACKAGES.format(nginx=self.nginx)} {emulation}".split()

    @property
    def aarch64_packages(self) -> list[str]:
        return AARCH64_PACKAGES.format(gcc=self.aarch64_gcc).split() if self.aarch64_gcc else []


SYSTEMS = (
    System("bullseye", "2.31", "10.1", "3.9"),
    System("bookworm", "2.36", "13.1", "3.11"),
    System("trixie", "2.41", "16.3", "3.13", aarch64_gcc="14"),
    System("sid", "2.43", "18.1", "3.14", nginx="nginx"),
    System("experimental", "2.44", "18.1", "3.14", nginx="nginx", suite="sid", glibc_from="experimental"),
)


def prepare(
    system: System, requirements: Sequence[str], pip: Mapping[str, str], log: IO[str], say: Callable[[str], None]
) -> None:
    """Make `system`'s root if there is none of this list of packages yet, and install `requirements` in its /opt/py."""
    stamp = system.root / "etc" / "gdbheap-root"
    wanted = " ".join([*system.packages, *([f"glibc/{system.glibc_from}"] if system.glibc_from else [])]) + "\n"
    with locked(system.root):
        if not stamp.exists() or stamp.read_text() != wanted:
            say(f"{system.name}: making its root directory (about a minute, 0.9 GB, kept in {system.root})")
            suites = [system.suite or system.name, *([system.glibc_from] if system.glibc_from else [])]
            architectures = ["amd64", *([] if system.own_packages else ["i386"])]
            make_root(suites, system.packages, architectures, system.root, log, stamp=wanted)
        _install_requirements(system, requirements, pip, log, say)
        if system.aarch64_packages:
            install_foreign(system, system.aarch64_packages, "libraries", log, say)


def make_root(
    suites: Sequence[str],
    packages: Sequence[str],
    architectures: Sequence[str],
    root: Path,
    log: IO[str],
    stamp: str = "",
) -> None:
    """Make a Debian system at `root`, whole or not at all, of the first of `suites`, with glibc from the second, if
    any.

    CalledProcessError if mmdebstrap fails (`log` has its words), HeapError if no archive is known that has the
    second suite.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        new.chmod(0o755)
        _mmdebstrap("minbase", suites, packages, architectures, new, log)
        if stamp:
            (new / "etc" / "gdbheap-root").write_text(stamp)
        if root.exists():
            remove(root)
        new.rename(root)
    finally:
        if new.exists():
            remove(new)


def _mmdebstrap(
    variant: str, suites: Sequence[str], packages: Sequence[str], architectures: Sequence[str], new: Path, log: IO[str]
) -> None:
    """Put a system of the first of `suites` into the directory `new`, with glibc from the second, if any."""
    command = ["mmdebstrap", f"--variant={variant}", f"--architectures={','.join(architectures)}"]
    command += [f"--include={','.join(packages)}", f"--keyring={KEYRING}"]
    # A suite's release file can be past its date on a mirror that stands still.
    command += ['--aptopt=Acquire::Check-Valid-Until "false"', *(f"--aptopt={line}" for line in apt_options())]
    command += [*_preferences(*suites[1:]), suites[0], str(new), *_mirrors(suites)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def install_foreign(
    system: System, packages: Sequence[str], what: str, log: IO[str], say: Callable[[str], None]
) -> bool:
    """Put these packages of the same suite for aarch64 into the root's /opt/aarch64, all of them or none, unless they
    are there: return whether that had to be done. Nothing of it is executed."""
    there = system.root / "opt" / "aarch64"
    stamp, wanted = there / "etc" / "gdbheap-root", " ".join(packages) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    say(f"{system.name}: getting the {what} of aarch64")
    new = there.with_name("aarch64.new")
    for each in (new, there):
        shutil.rmtree(each, ignore_errors=True)
    _mmdebstrap("extract", [system.suite or system.name], packages, ["arm64"], new, log)
    if not (new / "lib").exists():  # a package that nothing here needs has the link
        (new / "lib").symlink_to("usr/lib")
    shutil.rmtree(new / "usr" / "share" / "doc", ignore_errors=True)
    (new / stamp.relative_to(there)).write_text(wanted)
    new.rename(there)
    return True


def _preferences(*glibc_from: str) -> list[str]:
    """Return the option that has apt take glibc from that suite."""
    return [
        f'--setup-hook=printf %s {shlex.quote(GLIBC_FROM.format(suite=suite))} > "$1/etc/apt/preferences.d/glibc"'
        for suite in glibc_from
    ]


def _mirrors(suites: Sequence[str]) -> list[str]:
    """Return where mmdebstrap gets `suites`: this machine's archive; of one suite it knows a place by itself."""
    archive = debian_archive()
    if archive is None and len(suites) > 1:
        raise HeapError(f"apt's configuration here names no Debian archive to get the suite {suites[1]} from")
    if len(suites) == 1:
        return [archive] if archive else []
    return [f"deb {archive} {suite} main" for suite in suites]


def remove(root: Path) -> None:
    """Delete a root directory; nothing is mounted in it, for mounts are made in namespaces of their own."""
    aside = Path(tempfile.mkdtemp(prefix=".old.", dir=root.parent))
    root.rename(aside / "root")
    shutil.rmtree(aside)


def inside(root: Path, checkout: Path, results: Path, command: Sequence[str], **variables: str) -> list[str]:
    """Return the command that runs `command` in `root`, `checkout` read-only at /src and `results` at /mnt."""
    enter = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "sh", "-c", INSIDE, "inside"]
    enter = ["env", f"LOOPBACK_UP={LOOPBACK_UP}", *enter]
    return [*enter, str(root), str(checkout), str(results), *_environment(variables), *command]


def _environment(variables: Mapping[str, str]) -> list[str]:
    standard = {"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    return ["env", "-i", *(f"{name}={value}" for name, value in {**standard, **variables}.items())]


def _install_requirements(
    system: System, requirements: Sequence[str], pip: Mapping[str, str], log: IO[str], say: Callable[[str], None]
) -> None:
    """Have the root's own pip, set up as this machine's is, put `requirements` into /opt/py, all of them or none."""
    root = system.root
    wanted = "\n".join(requirements) + "\n"
    stamp = root / "opt" / "py" / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"{system.name}: installing {', '.join(requirements)} for its Python")
    new = root / "opt" / "py.new"
    shutil.rmtree(new, ignore_errors=True)
    install = ["python3", "-m", "pip", "install", "--no-cache-dir", "--quiet", "--target", "/opt/py.new", *requirements]
    run_in(root, install, pip, log)
    (new / "requirements.txt").write_text(wanted)
    shutil.rmtree(root / "opt" / "py", ignore_errors=True)
    new.rename(root / "opt" / "py")


def run_in(root: Path, command: Sequence[str], settings: Mapping[str, str], log: IO[str], network: bool = True) -> None:
    """Run `command` in `root`, on this machine's network or none, with `settings` (proxy, certificates, pip's).

    The files that the settings name are there too, read-only. CalledProcessError if the command fails.
    """
    shutil.copyfile("/etc/resolv.conf", root / "etc" / "resolv.conf")
    script = ["set -e", 'mount -t proc proc "$1/proc"', 'mount --rbind /dev "$1/dev"', 'mount -t tmpfs tmpfs "$1/tmp"']
    for path in local_files(dict(settings)):
        there = root / path.relative_to("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.touch()
        script.append(f"mount -o bind,ro {shlex.quote(str(path))} {shlex.quote(str(there))}")
    script.append('root=$1; shift; chroot "$root" "$@"')
    spaces = ["--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    enter = ["unshare", *spaces, "sh", "-c", "\n".join(script), "inside", str(root), *_environment(settings)]
    subprocess.run([*enter, *command], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def can_enter_roots() -> bool:
    """True where this user may make a root and namespaces for it."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
