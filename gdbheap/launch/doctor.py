"""What gdbheap needs on this machine: what is found, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gdbheap import __version__
from gdbheap.files import kernel_text, read_regular
from gdbheap.launch import compiled_kernel, places, python_packages, setup
from gdbheap.launch.core_places import cores_here
from gdbheap.launch.debugger import InstalledGdb, NoDebugger, dotted, find_debugger
from gdbheap.launch.launcher import MULTIARCH, OWN, attach_advice
from gdbheap.launch.refused import why_none_starts
from gdbheap.packages import REQUIRED, directory, setup_command

# What gdb knows of the C library that it was given: its build-id, and whether it has types and symbols for it.
LIBC = """
import gdb
def has(question):
    try:
        return bool(question())
    except gdb.error:
        return False
answer([gdb.objfiles()[0].build_id, has(lambda: gdb.lookup_type("struct malloc_state")),
has(lambda: gdb.parse_and_eval("&main_arena"))])
"""


_LONGEST_INIT = 1 << 20
# A line of a start-up file that loads one: "source ~/pwndbg/gdbinit.py", "source ~/.gdbinit-gef.py".
_PLUGIN = re.compile(r"^\s*source\s.*\b(pwndbg|gef)\b", re.M)


class Check(NamedTuple):
    """One thing looked at: what was found, and, unless it is `good`, the way to `mend` it."""

    name: str
    found: str
    good: bool = True
    mend: str = ""


def report(gdb_path: str = "gdb") -> int:
    """Print every check as it is made; return 0 if gdbheap can work here, else 1."""
    bad = 0
    for check in checks(gdb_path):
        mark = "ok     " if check.good else "MISSING"
        print(f"{mark}  {check.name:18}  {check.found}", flush=True)
        if check.mend:
            print(f"{'':9}{'':18}  {check.mend}", flush=True)
        bad += not check.good
    return int(bad > 0)


def checks(gdb_path: str) -> Iterator[Check]:
    """Yield the checks in the order in which one builds on another."""
    yield Check(
        "gdbheap", f"{__version__} in {places.root()}, run by Python {platform.python_version()} ({sys.executable})"
    )
    machine = platform.machine()
    yield Check(
        "machine", machine, machine in OWN, "" if machine in OWN else "gdbheap runs on x86-64, i386 and aarch64 only"
    )
    try:
        gdb = find_debugger(gdb_path)
        yield Check("gdb", f"{gdb.version} in {gdb.path}")
        version = gdb.usable_python()
    except NoDebugger as error:
        yield Check("gdb", str(error), False, setup_command())
        return
    yield Check("gdb's Python", dotted(version))
    yield from _packages(gdb, directory(version))
    found, mend = compiled_kernel.state()
    yield Check("compiled kernel", found, True, mend)
    yield _c_library(gdb)
    yield _other_machines()
    yield _starts_programs(gdb)
    yield _other_plugins()
    advice = attach_advice()
    yield Check("attaching", "only as root" if advice else "allowed", True, advice)
    where, files = cores_here()
    yield Check("cores", where, True, files)
    good = setup.compiles()
    yield Check(
        "C compiler",
        "gcc" if good else "none (only the demo needs it)",
        True,
        "" if good else "apt install gcc libc6-dev",
    )


def _packages(gdb: InstalledGdb, place: Path) -> Iterator[Check]:
    for module, (version, where) in python_packages.imports(gdb, place).items():
        if version is None:
            yield Check(REQUIRED[module], where, False, setup_command())
        else:
            yield Check(REQUIRED[module], f"{version} in {Path(where).parent.parent}")


def _c_library(gdb: InstalledGdb) -> Check:
    """Say what gdb knows of this system's C library; without its symbols gdbheap still works, with less certainty."""
    path = _own_libc()
    if path is None:
        return Check("C library", "this python3 uses no glibc that /proc/self/maps shows")
    build_id, types, symbols = gdb.ask(LIBC, path) or (None, False, False)
    name = f"{path}, build-id {build_id}"
    if types and symbols:
        return Check("C library", f"{name}, with debug symbols")
    what = "symbols but no types" if symbols else "no debug symbols: gdbheap finds the heap by its shape"
    return Check("C library", f"{name}, {what}", True, "apt install libc6-dbg makes it certain")


def _other_machines() -> Check:
    """Say whether there is a gdb for the cores and servers of other machines."""
    if shutil.which(MULTIARCH):
        return Check("other machines", f"{MULTIARCH}, which `python3 -m gdbheap core` takes for their cores")
    return Check(
        "other machines", f"no {MULTIARCH} (only other machines' cores need it)", True, f"apt install {MULTIARCH}"
    )


def _other_plugins() -> Check:
    """Say which plugins with commands of the same names gdb's start-up files load, and what that means."""
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = []
    for path in (Path("/etc/gdb/gdbinit"), config / "gdb" / "gdbinit", home / ".gdbinit"):
        try:
            text = read_regular(str(path), _LONGEST_INIT).decode(errors="replace")
        except OSError:
            continue
        found += [f"{name} in {path}" for name in sorted(set(_PLUGIN.findall(text)))]
    if not found:
        return Check("other plugins", "none in gdb's start-up files (pwndbg and GEF have a heap and a vmmap too)")
    advice = (
        "they keep heap and vmmap: type gdbheap heap, gdbheap vmmap; load them before gdb's first prompt, gdbheap last"
    )
    return Check("other plugins", ", ".join(found), True, advice)


def _own_libc() -> str | None:
    for line in kernel_text("/proc/self/maps").splitlines():
        path = line.split(maxsplit=5)[-1]
        if Path(path).name.startswith(("libc.so.6", "libc-2")):
            return path
    return None


def _starts_programs(gdb: InstalledGdb) -> Check:
    """See whether gdb may trace at all: a container can forbid it."""
    text = gdb.run(["starti", "kill"], "/bin/true")
    if "Program stopped" in text:
        return Check("running programs", "gdb starts and stops them")
    why = next((line for line in text.splitlines() if "ptrace" in line or "not permitted" in line), text.strip()[-200:])
    refusal = why_none_starts()
    if refusal is not None:
        return Check("running programs", why, False, ": ".join((refusal.text, *refusal.commands)))
    return Check("running programs", why, False, "in a container: docker run --cap-add=SYS_PTRACE ...")
