"""Code and data of a library that dlclose has unloaded: what ld.so knew of it may still lie in a freed block, and
libc's callers tell."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import LIKELY, Cause, Verdict
from gdbheap.analysis.facts.control import CalledAs, LinkMapLeft, Unloaded
from gdbheap.analysis.pointers.search import Values, find_words
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.lazy import regex
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import SIGSEGV

# struct link_map and the names behind it, in one block of ld.so's.
_LEAST_BLOCK, _MOST_BLOCK = 0x200, 0x4000
_LARGEST_LIBRARY = 1 << 30
_MOST_SEARCHED = 256 << 20
_NAME = regex(rb"[\x21-\x7e]{1,200}\.so[\x21-\x7e]{0,32}(?=\0)")
_START_OF_NAME = regex(rb"[\x21-\x7e]{4,200}\Z")
# Who in libc calls what a library has left behind, and what that is.
_CALLERS = {
    "__nptl_deallocate_tsd": "pthread_key_destructor",
    "__GI___nptl_deallocate_tsd": "pthread_key_destructor",
    "__call_tls_dtors": "thread_local_destructor",
    "__GI___call_tls_dtors": "thread_local_destructor",
    "__run_exit_handlers": "exit_function",
    "start_thread": "thread_function",
}


def unloaded_code(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that what was called, read or written belonged to a library that is no more."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or signal.signal != SIGSEGV or signal.code <= 0 or address is None or address < crash.page_size:
        return
    if crash.vma(address) is not None or not crash.is_canonical(address) or crash.is_kernels(address):
        return
    remains = next(_remains(crash, address), None)
    called = _called(crash) if crash.is_fetch else ""
    if remains is None and not called:
        return
    next_steps = ("info sharedlibrary", "bt") if crash.is_fetch else ("info sharedlibrary", "up", "info locals")
    evidence: list[Fact] = [CalledAs(called)] if called else []
    name = ""
    if remains is not None:
        name, start, end, where = remains
        evidence.append(LinkMapLeft(where, start, end))
    found = Unloaded(name, called) if remains is None else Unloaded(name, "")
    yield Verdict(Cause.UNLOADED_CODE, LIKELY, address, found, tuple(evidence), next_steps)


def _called(crash: CrashContext) -> str:
    """Return as what libc has called the address, "" where it has not, or for no such reason."""
    caller = crash.stop.frames[1].function if len(crash.stop.frames) > 1 else ""
    return _CALLERS.get(caller, "")


def _remains(crash: CrashContext, address: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield (name, start, end, where that was found) of a library that held the address, by the link_map in a block
    that ld.so has freed: l_map_start and l_map_end lie side by side."""
    heap = crash.heap
    if heap is None:
        return
    regions = [(region.mapping, region.end) for arena in heap.arenas for region in arena.regions]
    if sum(end - start for start, end in regions) > _MOST_SEARCHED:
        return
    size = crash.pointer_size
    lowest = max(address - _LARGEST_LIBRARY, crash.page_size)
    for place, start in find_words(crash.process.memory, regions, Values(size, lowest, address)):
        end = crash.word_at(place + size) if start % crash.page_size == 0 else None
        if end is None or not address < end <= start + _LARGEST_LIBRARY:
            continue
        chunk = crash.chunk(place)
        if chunk is not None and _is_freed(chunk) and chunk.size >= _LEAST_BLOCK:
            yield _name(crash, chunk, place), start, end, place


def _is_freed(chunk: Chunk) -> bool:
    return chunk.state.is_free or chunk.state is State.TOP


def _name(crash: CrashContext, chunk: Chunk, place: int) -> str:
    """Return the name that ld.so loaded the library by, which it keeps at the end of the same block; "" where it is
    gone."""
    try:
        data = crash.process.memory.read(place, min(_MOST_BLOCK, chunk.end - place))
    except MemoryFault:
        return ""
    match = _NAME.search(data)
    if match is not None:
        return match[0].decode("ascii")
    # The size that free has put behind the block is written over the last word of a name that reached so far.
    start = _START_OF_NAME.search(data)
    return f"{start[0].decode('ascii')}..." if start is not None else ""
