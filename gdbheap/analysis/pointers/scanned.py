"""Which memory may hold pointers: what can be written, and what has been and is closed now."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.process.address_space import UNTOLD, VMA
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.mapped_file import is_device, may_be_device
from gdbheap.process.live.pages import PAGEMAP, PageState, read_pages
from gdbheap.process.memory import sparse
from gdbheap.process.process import Process

# Of a remote process nobody tells what it has touched: memory that may not be read is left out if it is larger.
_MOST_UNTOLD = 16 << 20
_SHARED_ANONYMOUS = ("/dev/zero (deleted)", "/SYSV")


def scanned(process: Process) -> Iterator[tuple[VMA, int, int]]:
    """Yield [start, end) of the VMAs that may hold pointers: the writable ones, and those that have been: what a
    module made read-only after relocation, and the program's own (anonymous memory is made to be written),
    whether it may still be read or not."""
    vmas = process.address_space.vmas
    # (Linkers that align segments to more than a page leave a gap between it and the data.)
    relros = {process.page_of(module.relro[0]) for module in process.modules if module.relro is not None}
    closed = []
    for index, vma in enumerate(vmas):
        if not (vma.path or vma.inode) and vma.start not in relros:  # (So it is with most of thousands.)
            if vma.readable and vma.writable:
                yield vma, vma.start, vma.end
            elif _is_closed(vma):
                closed.append(vma)
            continue
        following = vmas[index + 1] if index + 1 < len(vmas) else None
        relro = vma.start in relros or (following is not None and _is_relro(vma, following))
        if vma.readable and (vma.writable or relro):
            if not _is_device(process, vma):
                yield vma, vma.start, vma.end
        elif _is_closed(vma) or _is_untold(vma) or _is_rewritable(vma):
            closed.append(vma)
    yield from _with_contents(process, closed)


def _is_device(process: Process, vma: VMA) -> bool:
    """Reading a device may do things. (Of a core's bytes only what is not there matters, and a device's never are.)"""
    if process.kind != "core":
        return is_device(process.pid, vma)
    return may_be_device(vma) and next(_held(process, vma), None) is None


def _is_closed(vma: VMA) -> bool:
    """Whether this is anonymous memory that may no longer be written. (The kernel's own mappings have names; cores
    do not name them, but do not hold them either.)"""
    own = not vma.is_file and not vma.shared and (not vma.path or vma.path.startswith("[anon"))
    return not vma.writable and (own or vma.path.startswith(_SHARED_ANONYMOUS))


def _is_rewritable(vma: VMA) -> bool:
    """Whether this is a private mapping of a file that may have been written before it was closed: pages that differ
    from the file are the process's own. (Of code nobody but a debugger, or a loader, makes such.)"""
    return vma.is_file and not (vma.writable or vma.executable or vma.shared) and vma.permissions != UNTOLD


def _is_untold(vma: VMA) -> bool:
    """Whether nobody tells if a file of data may be written: gdb leaves out of its cores what is shared, whatever was
    written there."""
    return vma.permissions == UNTOLD and vma.is_file


def _with_contents(process: Process, closed: list[VMA]) -> Iterator[tuple[VMA, int, int]]:
    """Yield the parts of closed mappings that hold anything: most are reserves and guards, which nobody has ever
    written."""
    if process.kind == "core":
        modules = {module.path for module in process.modules}
        for vma in closed:
            if _is_rewritable(vma) and vma.path in modules:
                continue  # a module's constants: gdb puts them into some of its cores, written or not
            for start, end in _stored(process, vma) if _is_rewritable(vma) else _held(process, vma):
                yield vma, start, end
    elif process.pid is None:
        for vma in closed:
            if _is_rewritable(vma):
                continue  # a module's constants, as a rule: nobody tells whether it was written
            if vma.readable or vma.size <= _MOST_UNTOLD:
                yield vma, vma.start, vma.end
    else:
        memory = process.memory
        if isinstance(memory, LiveMemory):
            closed = [vma for vma in closed if not memory.is_untouched(vma.start, vma.end)]
        try:
            for pages in read_pages(process.pid, closed):
                # (Elsewhere than in PAGEMAP_SCAN a page that is shared with a forked process looks like the page of
                # zeros.)
                empty = {PageState.UNTOUCHED, PageState.GUARD}
                empty |= set() if pages.source == PAGEMAP else {PageState.ZERO}
                empty |= {PageState.FILE} if _is_rewritable(pages.vma) else set()
                for run in pages.runs:
                    if run.state not in empty:
                        yield pages.vma, run.start, run.end
        except OSError:
            for vma in closed:
                if vma.readable and not _is_rewritable(vma):
                    yield vma, vma.start, vma.end


def _held(process: Process, vma: VMA) -> Iterator[tuple[int, int]]:
    """Yield the parts of the VMA that the core has, and that are not zeros alone."""
    memory = sparse(process.memory)
    if memory is not None:
        for start, end in memory.data_spans(vma.start, vma.end):
            yield from memory.held_spans(start, end)
    else:
        yield vma.start, vma.end


def _stored(process: Process, vma: VMA) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file's mapping that the core has itself."""
    memory = sparse(process.memory)
    return iter(()) if memory is None else memory.stored_spans(vma.start, vma.end)


def _is_relro(vma: VMA, following: VMA) -> bool:
    """PT_GNU_RELRO: the front of a module's data segment, which ld.so and static start-up code write before they
    close it."""
    return (
        not vma.executable
        and vma.is_file
        and following.path == vma.path
        and following.writable
        and following.start == vma.end
    )
