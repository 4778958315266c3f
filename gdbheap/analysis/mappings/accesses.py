"""What a read, a write and an execute at an address would do: the model of the address space, asked about a stopped
process."""

from __future__ import annotations

import enum
import os
from dataclasses import replace

from gdbheap.analysis.mappings.mapping_names import SHARED_ANONYMOUS, SHARED_FILE, sharing_of
from gdbheap.errors import HeapError
from gdbheap.lazy import dataclass
from gdbheap.model.mapping import EXECUTE, READ, WRITE, AddressLimits, File, Mapping
from gdbheap.model.mappings import ModelMappings
from gdbheap.model.touch import ANONYMOUS, FILE, SIGBUS, SIGSEGV, ZERO, ModelPages, Outcome, Step, allows
from gdbheap.process.address_space import VMA
from gdbheap.process.fact import Fact
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


class AccessRule(enum.Enum):
    """What decides on an access before the mapping does; the value is the published name."""

    MAPPINGS_UNKNOWN = "mappings_unknown"
    GUARD_PAGE = "guard_page"
    DEVICE = "device"
    PERMISSION_UNKNOWN = "permission_unknown"
    SWAPPED = "swapped"
    FILE_OR_COPY = "file_or_copy"
    KEY_KEEPS_EXECUTE_ONLY = "key_keeps_execute_only"
    EXECUTE_ONLY = "execute_only"
    KEY_DECIDES = "key_decides"
    TOO_WIDE = "too_wide"
    NOT_CANONICAL = "not_canonical"
    NO_ADDRESS = "no_address"
    VSYSCALL_ENTRY = "vsyscall_entry"
    VSYSCALL_ELSEWHERE = "vsyscall_elsewhere"
    KERNELS_PAGE = "kernels_page"
    KERNELS_HALF = "kernels_half"


@dataclass(frozen=True)
class Effect(Fact):
    """What the kernel does: a `step` of the model's, or a `rule`. `stack_grows`: a stack grows first; `if_absent`: it
    is so if the page is not there yet. `key` is the protection key, `bits` how many a pointer has (None: that is not
    what matters)."""

    kind = "effect"
    step: Step | None = None
    rule: AccessRule | None = None
    stack_grows: bool = False
    if_absent: bool = False
    key: int | None = None
    bits: int | None = None


@dataclass(frozen=True)
class Access:
    """`name` is "read", "write" or "execute"; `result` ALLOWED, UNKNOWN or the signal ("SIGSEGV SEGV_ACCERR");
    `effect` what the kernel does."""

    name: str
    result: str
    effect: Effect


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


def _result(process: Process, address: int, access: int, page: PageState | None, key: int | None) -> tuple[str, Effect]:
    beyond = _beyond(process, address, access)
    if beyond is not None:
        return beyond
    if not process.address_space.known:
        return UNKNOWN, Effect(rule=AccessRule.MAPPINGS_UNKNOWN)
    vma = process.address_space.find(address)
    if vma is None:
        return _told(_touch(process, address, access, None))
    if access != EXECUTE and (by_key := _by_key(vma, access, key)):
        return by_key
    if page is PageState.GUARD:
        return "SIGSEGV SEGV_MAPERR", Effect(rule=AccessRule.GUARD_PAGE)
    if _is_devices(vma) and (access != WRITE or vma.writable):
        # Not all of vvar's pages are there: an access to one that is not brings SIGBUS, a fetch of an instruction too
        # (see Pages._refuse).
        return UNKNOWN, Effect(rule=AccessRule.DEVICE)
    if vma.permissions[_PLACES[access]] == "?":
        return UNKNOWN, Effect(rule=AccessRule.PERMISSION_UNKNOWN)
    if not allows(_mapping(process, vma), access):
        return _told(_touch(process, address, access, page))
    if page is PageState.SWAPPED:
        return ALLOWED, Effect(rule=AccessRule.SWAPPED)
    result, effect = _told(_touch(process, address, access, page))
    if vma.shared is None and vma.is_file and access == WRITE:
        return result, Effect(rule=AccessRule.FILE_OR_COPY)
    if page is None and result == ALLOWED:
        return result, replace(effect, if_absent=True)
    return result, effect


def _is_devices(vma: VMA) -> bool:
    return vma.path.startswith("[vvar") or may_be_device(vma)


def _by_key(vma: VMA, access: int, key: int | None) -> tuple[str, Effect] | None:
    """Answer for memory that a protection key may close; None where it does not."""
    only_executable = vma.executable and not vma.readable and not vma.writable
    if only_executable and key:
        # mirrors execute_only_pkey(): the kernel takes a key that no thread may read or write by
        return "SIGSEGV SEGV_PKUERR", Effect(rule=AccessRule.KEY_KEEPS_EXECUTE_ONLY, key=key)
    if only_executable and access == READ and key is None:
        return UNKNOWN, Effect(rule=AccessRule.EXECUTE_ONLY)
    if key:
        return UNKNOWN, Effect(rule=AccessRule.KEY_DECIDES, key=key)
    return None


def _beyond(process: Process, address: int, access: int) -> tuple[str, Effect] | None:
    """Answer for what is no address of the process's at all."""
    if address > process.machine.mask:
        return UNKNOWN, Effect(rule=AccessRule.TOO_WIDE, bits=8 * process.pointer_size)
    if not process.is_canonical(address):
        if not process.machine.hides_address:
            return "SIGSEGV SEGV_MAPERR", Effect(rule=AccessRule.NO_ADDRESS)
        return "SIGSEGV SI_KERNEL", Effect(rule=AccessRule.NOT_CANONICAL)
    vma = process.address_space.find(address)
    if vma is not None and vma.path == "[vsyscall]":
        if access == EXECUTE and address - vma.start in _VSYSCALL_ENTRIES:
            return ALLOWED, Effect(rule=AccessRule.VSYSCALL_ENTRY)
        if access == EXECUTE:
            # mirrors emulate_vsyscall(): force_sig(SIGSEGV)
            return "SIGSEGV SI_KERNEL", Effect(rule=AccessRule.VSYSCALL_ELSEWHERE)
        if not (access == READ and vma.readable):
            return "SIGSEGV SEGV_MAPERR", Effect(rule=AccessRule.VSYSCALL_ELSEWHERE)
        return ALLOWED, Effect(rule=AccessRule.KERNELS_PAGE)
    if process.machine.is_kernels(address):
        return "SIGSEGV SEGV_MAPERR", Effect(rule=AccessRule.KERNELS_HALF)
    return None


def _touch(process: Process, address: int, access: int, page: PageState | None) -> Outcome:
    """Ask the model, given the mappings on both sides and what is known of the page."""
    space = process.address_space
    below, above = space.around(address)
    here = space.find(address)
    near = [_mapping(process, vma) for vma in (below, here, above) if vma is not None and not vma.start >> 63]
    page_size = process.page_size
    limits = AddressLimits(mmap_base=0, stack=_stack_limit(process), guard_gap=256 * page_size, page_size=page_size)
    by_reading = process.machine.fetches_by_reading
    pages = ModelPages(ModelMappings(limits, mappings=near), fetches_by_reading=by_reading)
    if page in _MODELLED:
        pages.present[process.page_of(address)] = _MODELLED[page]
    return pages.touch(address, access)


def _told(outcome: Outcome) -> tuple[str, Effect]:
    effect = Effect(outcome.step, stack_grows=outcome.stack_grows)
    if not outcome.signal:
        return ALLOWED, effect
    return f"{outcome.signal} {_CODES[outcome.signal, outcome.code]}", effect


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
