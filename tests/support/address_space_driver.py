"""The other side of fixtures/programs/address_space.c: requests to a real process, and what the kernel then says of
it."""

from __future__ import annotations

import errno
import functools
import os
import platform
import signal
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gdbheap.model.mapping import EXECUTE, READ, WRITE, AddressLimits, Mapping
from gdbheap.model.mappings import ModelMappings
from gdbheap.model.protection_keys import ProtectionKeys
from gdbheap.model.touch import ANONYMOUS, FILE, ZERO
from support.this_machine import PAGE, highest_address

SOURCE = Path(__file__).parents[2] / "fixtures" / "programs" / "address_space.c"
PATIENCE = 240

MMAP, MUNMAP, MPROTECT, BRK, READ_BYTE, WRITE_BYTE, EXECUTE_AT, DONTNEED, MEMFD, KEY_ALLOC, KEY_FREE, KEY_MPROTECT = (
    range(12)
)
TOUCHES = {READ: READ_BYTE, WRITE: WRITE_BYTE, EXECUTE: EXECUTE_AT}

_built = tempfile.TemporaryDirectory(prefix="gdbheap-address-space-")


@dataclass(frozen=True)
class Answer:
    """A call's result (an int, or an errno's name) or the signal that an access brought."""

    result: int | str
    signal: str
    code: int
    address: int


@functools.cache
def program(pointer_size: int) -> Path:
    """Return the driver, compiled for words of 8 or 4 bytes."""
    target = Path(_built.name) / f"address_space-{pointer_size}"
    words = ["gcc", *(["-m32"] if pointer_size == 4 else []), "-O1", "-static", "-Wall", "-Werror", str(SOURCE)]
    subprocess.run([*words, "-o", str(target)], check=True, timeout=PATIENCE)
    return target


class Driver:
    """A running driver process, of words of 8 or 4 bytes; without `keys` it plays a processor that has no protection
    keys."""

    def __init__(self, pointer_size: int = 8, keys: bool | None = None) -> None:
        self.pointer_size = pointer_size
        self.keys = has_protection_keys() if keys is None else keys

    def __enter__(self) -> Driver:
        command = [
            str(program(self.pointer_size)),
            *(["without keys"] if has_protection_keys() and not self.keys else []),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # Its answer shows that it has reached main: until then its own start changes its mappings.
        self.ask(BRK, 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, operation: int, *arguments: int) -> Answer:
        """Have it perform one request."""
        words = [operation, *arguments, *[0] * (6 - len(arguments))]
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack("<7Q", *(word % (1 << 64) for word in words)))
        self._process.stdin.flush()
        reply = self._process.stdout.read(32)
        assert len(reply) == 32, "the driver died"
        result, number, code, address = struct.unpack("<q3Q", reply)
        name = signal.Signals(number).name if number else ""
        return Answer(errno.errorcode[-result] if -4096 < result < 0 and not number else result, name, code, address)

    def maps(self) -> list[tuple[int, int, str, str]]:
        """Return (start, end, permissions, name) of each VMA; files in memory all have one name."""
        rows = []
        for line in Path(f"/proc/{self._process.pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            start, _, end = fields[0].partition("-")
            rows.append((int(start, 16), int(end, 16), fields[1], fields[5] if len(fields) > 5 else ""))
        return [row for row in rows if row[3] != "[vsyscall]"]

    def pages(self, start: int, end: int) -> dict[int, str]:
        """Return the kind of each page present in [start, end), by its address, as pagemap's bits tell it."""
        with open(f"/proc/{self._process.pid}/pagemap", "rb") as pagemap:
            pagemap.seek(start // PAGE * 8)
            entries = struct.unpack(f"<{(end - start) // PAGE}Q", pagemap.read((end - start) // PAGE * 8))
        kinds = {}
        for index, entry in enumerate(entries):
            if entry >> 63:
                of_file, exclusive = entry >> 61 & 1, entry >> 56 & 1
                kinds[start + index * PAGE] = FILE if of_file else ANONYMOUS if exclusive else ZERO
        return kinds

    def model(self) -> ModelMappings:
        """Return a model of the process as it is now."""
        maps = self.maps()
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        mappings = []
        for family, (start, end, permissions, name) in enumerate(maps):
            access = sum(bit for bit, letter in ((READ, "r"), (WRITE, "w"), (EXECUTE, "x")) if letter in permissions)
            plain = name in ("", "[heap]")
            mappings.append(
                Mapping(
                    start,
                    end,
                    access,
                    shared="s" in permissions,
                    offset=start,
                    grows_down=name == "[stack]",
                    accounted=plain and bool(access & WRITE),
                    anonymous_family=-1 - family if plain else None,
                    name="" if plain else name,
                )
            )
        # Without a limit on the stack's size the kernel lays mappings out bottom-up; the tests set one.
        stack = os.sysconf("SC_PAGESIZE") and int(_limit(self._process.pid))
        mmap_base = self._mmap_base()
        lowest = int(Path("/proc/sys/vm/mmap_min_addr").read_text())
        highest = highest_address(self.pointer_size, next(end for _, end, _, name in maps if name == "[stack]"))
        is_new = tuple(map(int, platform.release().split(".")[:2])) >= (6, 7)
        limits = AddressLimits(
            mmap_base,
            lowest=lowest,
            highest=highest,
            stack=stack,
            guard_gap=256 * PAGE,
            huge_alignment=self.pointer_size == 8 and is_new,
            unaccounts=is_new,
            page_size=PAGE,
        )
        # A kernel that was built without keys lacks even this call.
        refusal = str(self.ask(KEY_FREE, -1).result)
        model = ModelMappings(limits, mappings=mappings, keys=ProtectionKeys(self.keys, refusal))
        model.start_brk = int(stat[47 - 3])
        model.brk_address = int(self.ask(BRK, 0).result)
        return model

    def _mmap_base(self) -> int:
        """Return the end of the hole that a first mapping goes to the top of: found by making one, and undoing it."""
        place = self.ask(MMAP, 0, PAGE, 0, 0x22, -1, 0).result
        assert isinstance(place, int)
        self.ask(MUNMAP, place, PAGE)
        return place + PAGE


@functools.cache
def has_protection_keys() -> bool:
    """Whether the processor has protection keys and the kernel uses them."""
    return " ospke" in Path("/proc/cpuinfo").read_text()


def _limit(pid: int) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max stack size")).split()[3]
