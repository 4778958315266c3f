"""What a mapping is by its own name and permissions alone, and which of the four sorts of memory it is."""

from __future__ import annotations

import os

from gdbheap.process.address_space import VMA

# The sorts of memory: who else sees a write, and what stands behind the pages.
PRIVATE_ANONYMOUS = "private_anonymous"
SHARED_ANONYMOUS = "shared_anonymous"
PRIVATE_FILE = "private_file"
SHARED_FILE = "shared_file"

# Names that the kernel gives, from fs/proc/task_mmu.c and arch/x86: [heap] is what brk made.
_KERNEL = {
    "[heap]": ("brk_heap", "heap (brk)"),
    "[stack]": ("main_stack", "main stack"),
    "[vdso]": ("vdso", "vdso"),
    "[vvar]": ("vvar", "vvar"),
    "[vvar_vclock]": ("vvar", "vvar"),
    "[vsyscall]": ("vsyscall", "vsyscall"),
}
_DELETED = " (deleted)"

# shmem files without a name of their own: mmap(MAP_SHARED | MAP_ANONYMOUS) and shmget(2).
_ZERO = "/dev/zero" + _DELETED
_SYSV = "/SYSV"


def name_of(vma: VMA) -> tuple[str, str]:
    """Return the published kind and the words for people."""
    path = vma.path
    if path in _KERNEL:
        return _KERNEL[path]
    if path.startswith(("[anon:", "[anon_shmem:")):
        return "named_anonymous", f"anonymous, named {path.partition(':')[2].rstrip(']').strip()}"
    if path.startswith("["):
        return "kernel", path.strip("[]")
    if path == _ZERO:
        return "shared_anonymous", "shared anonymous"
    if path.startswith("/memfd:"):
        return "memfd", f"memfd {_undeleted(path)[len('/memfd:') :]}".rstrip()
    if path.startswith(_SYSV):
        return "shm", "System V shared memory"
    if path.startswith("/dev/shm/"):
        return "shm", "POSIX shared memory" + _deleted(path)
    if path.startswith("/anon_hugepage"):
        return "huge_pages", "huge pages"
    if path.startswith("/dev/"):
        return "device", "device"
    if path:
        return "file", f"file {os.path.basename(_undeleted(path))}{_deleted(path)}"
    if vma.permissions.startswith("---"):
        return "no_access", "no access"
    return "anonymous", "executable anonymous" if vma.executable else "anonymous"


def sharing_of(vma: VMA, source: str) -> str | None:
    """Return the sort of memory; None where the source does not tell who shares a file's pages."""
    if vma.path == _ZERO or vma.path.startswith((_SYSV, "[anon_shmem:")):
        return SHARED_ANONYMOUS
    if vma.is_file:
        if vma.path.startswith("/anon_hugepage"):
            return SHARED_ANONYMOUS if vma.shared else PRIVATE_ANONYMOUS
        return {True: SHARED_FILE, False: PRIVATE_FILE, None: None}[vma.shared]
    # Memory that others share is always a file's to the kernel, and a core names the files.
    return PRIVATE_ANONYMOUS if vma.shared is False or source == "core" else SHARED_ANONYMOUS if vma.shared else None


def _deleted(path: str) -> str:
    return ", deleted" if path.endswith(_DELETED) else ""


def _undeleted(path: str) -> str:
    return path[: -len(_DELETED)] if path.endswith(_DELETED) else path
