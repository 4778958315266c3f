"""What a read, a write and an execute at an address would do: the model of the address space, asked about a stopped
process."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gdbheap.analysis.mappings.mapping_names import SHARED_ANONYMOUS, SHARED_FILE, sharing_of
from gdbheap.errors import HeapError
from gdbheap.model.mapping import EXECUTE, READ, WRITE, File, Limits, Mapping
from gdbheap.model.mappings import Mappings
from gdbheap.model.memory import PAGE
from gdbheap.model.touch import ANONYMOUS, FILE, SIGBUS, SIGSEGV, ZERO, Outcome, Pages, allows
from gdbheap.process.address_space import VMA
from gdbheap.process.live.mapped_file import may_be_device, may_be_regular_file, open_mapped_file
from gdbheap.process.live.pages import PageState
from gdbheap.process.live.proc_maps import read_protection_key
from gdbheap.process.mm import UNLIMITED, read_mm
from gdbheap.process.process import Process

NAMES = {READ: "read", WRITE: "write", EXECUTE: "execute"}

# What `Access.result` is where the access goes through, and where it cannot be told.
ALLOWED = "allowed"
UNKNOWN = "unknown"

# Where each stands among the permissions.
_PLACES = {READ: 0, WRITE: 1, EXECUTE: 2}
_CODES = {(SIGSEGV, 1): "SEGV_MAPERR", (SIGSEGV, 2): "SEGV_ACCERR", (SIGBUS, 2): "BUS_ADRERR"}
# The kernel's default limit of the main stack (_STK_LIM), for where the process's own is not known.
_USUAL_STACK = 8 << 20
_NO_END = 1 << 62
_MODELLED = {PageState.ZERO: ZERO, PageState.ANONYMOUS: ANONYMOUS, PageState.FILE: FILE}
_VSYSCALL_ENTRIES = (0x000, 0x400, 0x800)


@dataclass(frozen=True)
class Access:
    """`name` is "read", "write" or "execute"; `result` ALLOWED, UNKNOWN or the signal ("SIGSEGV SEGV_ACCERR");
    `meaning` what the kernel does."""

    name: str
    result: str
    meaning: str


def accesses(process: Process, address: int, page: PageState | None) -> tuple[Access, ...]:
    """Return what each of the three would do; `page` is what the address's page is (None: not known)."""
    key = _key(process, process.address_space.find(address))
    return tuple(
        Access(NAMES[access], *_result(process, address, access, page, key)) for access in (READ, WRITE, EXECUTE)
    )


def _key(process: Process, vma: VMA | None) -> int | None:
    """Return the protection key of a mapping of a process on this machine; None where nobody here can tell."""
    if vma is None or process.kind != "live" or process.pid is None:
        return None
    return read_protection_key(process.pid, vma)


def _result(process: Process, address: int, access: int, page: PageState | None, key: int | None) -> tuple[str, str]:
    beyond = _beyond(process, address, access)
    if beyond is not None:
        return beyond
    if not process.address_space.known:
        return UNKNOWN, "the mappings are not known"
    vma = process.address_space.find(address)
    if vma is None:
        return _words(_touch(process, address, access, None))
    if access != EXECUTE and (by_key := _by_key(vma, access, key)):
        return by_key
    if page is PageState.GUARD:
        return "SIGSEGV SEGV_MAPERR", "a guard page (MADV_GUARD_INSTALL) refuses every access"
    if _is_devices(vma) and (access != WRITE or vma.writable):
        # Not all of vvar's pages are there: an access to one that is not brings SIGBUS, a fetch of an instruction too
        # (see Pages._refuse).
        return UNKNOWN, "what comes is up to the kernel or the device behind it"
    if vma.permissions[_PLACES[access]] == "?":
        return UNKNOWN, "nobody tells whether the mapping allows it"
    if not allows(_mapping(process, vma), access):
        return _words(_touch(process, address, access, page))
    if page is PageState.SWAPPED:
        return ALLOWED, "the page is read back from swap"
    result, meaning = _words(_touch(process, address, access, page))
    if vma.shared is None and vma.is_file and access == WRITE:
        return result, "a write to the file's page, or to a private copy: a core does not tell which"
    if page is None and result == ALLOWED:
        return result, f"if the page is not there yet: {meaning}"
    return result, meaning


def _is_devices(vma: VMA) -> bool:
    return vma.path.startswith("[vvar") or may_be_device(vma)


def _by_key(vma: VMA, access: int, key: int | None) -> tuple[str, str] | None:
    """Answer for memory that a protection key may close; None where it does not."""
    only_executable = vma.executable and not vma.readable and not vma.writable
    if only_executable and key:
        # mirrors execute_only_pkey(): the kernel takes a key that no thread may read or write by
        return "SIGSEGV SEGV_PKUERR", f"execute-only memory: protection key {key} forbids it"
    if only_executable and access == READ and key is None:
        return UNKNOWN, "execute-only memory: x86 can read it unless a protection key forbids that"
    if key:
        return (
            UNKNOWN,
            f"the mapping has protection key {key}: the thread's rights decide (`print/x $pkru`, two bits a key)",
        )
    return None


def _beyond(process: Process, address: int, access: int) -> tuple[str, str] | None:
    """Answer for what is no address of the process's at all."""
    if address > process.machine.mask:
        return UNKNOWN, f"a {8 * process.pointer_size}-bit process cannot name it"
    if not process.machine.is_canonical(address):
        return "SIGSEGV SI_KERNEL", "a general protection fault: the signal tells no address (si_addr is 0)"
    vma = process.address_space.find(address)
    if vma is not None and vma.path == "[vsyscall]":
        if access == EXECUTE and address - vma.start in _VSYSCALL_ENTRIES:
            return ALLOWED, "the kernel emulates the old system call at this entry"
        if access == EXECUTE:
            # mirrors emulate_vsyscall(): force_sig(SIGSEGV)
            return "SIGSEGV SI_KERNEL", "the vsyscall page may only be called at its three entries"
        if not (access == READ and vma.readable):
            return "SIGSEGV SEGV_MAPERR", "the vsyscall page may only be called at its three entries"
        return ALLOWED, "the kernel's page"
    if process.machine.is_kernels(address):
        return "SIGSEGV SEGV_MAPERR", "the kernel's half of the address space is closed to programs"
    return None


def _touch(process: Process, address: int, access: int, page: PageState | None) -> Outcome:
    """Ask the model, given the mappings on both sides and what is known of the page."""
    space = process.address_space
    below, above = space.around(address)
    here = space.find(address)
    near = [_mapping(process, vma) for vma in (below, here, above) if vma is not None and not vma.start >> 63]
    pages = Pages(Mappings(Limits(mmap_base=0, stack=_stack_limit(process)), mappings=near))
    if page in _MODELLED:
        pages.present[address & -PAGE] = _MODELLED[page]
    return pages.touch(address, access)


def _words(outcome: Outcome) -> tuple[str, str]:
    if not outcome.signal:
        return ALLOWED, outcome.step
    code = _CODES[outcome.signal, outcome.code]
    return f"{outcome.signal} {code}", outcome.step


def _mapping(process: Process, vma: VMA) -> Mapping:
    sharing = sharing_of(vma, process.address_space.source)
    shared = sharing in (SHARED_ANONYMOUS, SHARED_FILE)
    access = READ * vma.readable | WRITE * vma.writable | EXECUTE * vma.executable
    file = File(vma.path, _file_size(process, vma)) if vma.is_file or shared else None
    return Mapping(vma.start, vma.end, access, shared, file, vma.offset, grows_down=vma.path == "[stack]")


def _file_size(process: Process, vma: VMA) -> int:
    """Return the size of the mapped file in bytes; where it cannot be told, as if it had no end."""
    if process.kind != "live" or process.pid is None or not may_be_regular_file(vma):
        return _NO_END
    file = open_mapped_file(process.pid, vma)
    if file is None:
        return _NO_END
    with file:
        return os.fstat(file.fileno()).st_size


def _stack_limit(process: Process) -> int:
    try:
        limit = read_mm(process).stack_limit
    except HeapError:
        limit = None
    return _USUAL_STACK if limit is None else _NO_END if limit == UNLIMITED else limit
