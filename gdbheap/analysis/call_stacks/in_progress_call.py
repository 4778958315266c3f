"""Heaps that are stopped in mid-operation: a thread is inside malloc or free, and what it works on is not yet whole
again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gdbheap.glibc.heap_view import HeapView
from gdbheap.process.frame import Frame

# The functions of malloc.c and arena.c that change the heap, under all the names that symbol tables give them; first
# the doors, and what no program calls its own functions.
_DOORS = (
    r"(__|__libc_|__GI___|__GI___libc_|__GI_)?(malloc|free|cfree|calloc|realloc|reallocarray|memalign|"
    r"valloc|pvalloc|mallopt"
    r"|aligned_alloc|malloc_trim|posix_memalign)\d?|_int_(malloc|free|realloc|memalign)\w*|_mid_memalign"
)
_ROOMS = (
    r"mtrim|malloc_consolidate|sysmalloc\w*|systrim\w*|unlink_chunk|munmap_chunk|mremap_chunk|"
    r"tcache_\w+|arena_get\w*|new_heap"
    r"|alloc_new_heap|grow_heap|shrink_heap|heap_trim|ptmalloc_init|reused_arena|detach_arena|__malloc_\w+"
)
_CHANGES_THE_HEAP = re.compile(f"{_DOORS}|{_ROOMS}")
_CHANGES_THE_HEAP_FOR_SURE = re.compile(_DOORS)
_ABORTS = re.compile(r"malloc_printerr\w*|__malloc_assert|__libc_message\w*|__assert_fail\w*|abort|__GI_abort")
_WAITS = re.compile(r"_*(GI_+)?lll_lock_wait\w*|futex_wait\w*")
_LIBRARIES = ("libc.", "libc-", "libc_malloc_debug")
_VARIANT = re.compile(r"\.(isra|constprop|part|cold|lto_priv)(\.\d+)*")

# What a mutex holds that is taken: 1, or 2 where others wait for it (lll_lock).
LOCKED = (1, 2)


@dataclass(frozen=True)
class InProgressCall:
    """`inside` are the threads (lwp -> the function that the program called) inside malloc; `locked` the arenas (by
    index) whose mutex is taken; `arenas` those that may be between two states for it, `threads` those whose
    tcache may."""

    inside: Mapping[int, str]
    locked: tuple[int, ...]
    arenas: frozenset[int]
    threads: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.inside or self.locked)


def is_of_malloc(frame: Frame) -> bool:
    """Whether the frame is in a function of malloc's, as far as its name and its library tell."""
    names = _CHANGES_THE_HEAP if frame.library.startswith(_LIBRARIES) else _CHANGES_THE_HEAP_FOR_SURE
    return frame.is_near_malloc or names.fullmatch(plain_name(frame)) is not None


def is_named_as_mallocs(frame: Frame) -> bool:
    """Whether malloc has a function of the frame's name; a program, or a library, may have one too."""
    return _CHANGES_THE_HEAP.fullmatch(plain_name(frame)) is not None


def parts(frames: Iterable[Frame]) -> Iterator[Sequence[Frame]]:
    """Yield a thread's frames in parts, the innermost first: what the last signal's handler has called, what that
    signal interrupted, and so on. The frame that the kernel made for a handler is in none; a part may be empty."""
    part: list[Frame] = []
    for frame in frames:
        if frame.is_signal:
            yield part
            part = []
        else:
            part.append(frame)
    yield part


def function_inside(frames: Iterable[Frame]) -> str | None:
    """Return the outermost function of malloc's that the thread is in (the innermost call of them, where a signal
    handler interrupted one), or None where it is in none, waits there for an arena's mutex, or is dying of an
    abort there (the checks that abort look before anything is changed)."""
    return next((name for name in map(_inside, parts(frames)) if name is not None), None)


def _inside(frames: Iterable[Frame]) -> str | None:
    outermost = None
    for frame in frames:
        if is_abort(frame) or is_wait(frame):
            return None
        if is_call_of_malloc(frame):
            outermost = plain_name(frame)
    return outermost


def is_wait(frame: Frame) -> bool:
    """Whether the frame is in the function that waits for a mutex of libc's own, or in what that calls."""
    return may_be_mallocs(frame) and _WAITS.fullmatch(plain_name(frame)) is not None


def is_abort(frame: Frame) -> bool:
    """Whether the frame is libc's, and on the way from a check that failed to abort()."""
    return may_be_mallocs(frame) and _ABORTS.fullmatch(plain_name(frame)) is not None


def plain_name(frame: Frame) -> str:
    """Return the function's name without what the compiler adds for its variants; of one of malloc's that nobody
    names, that it is one."""
    return "a function of malloc's" if frame.is_near_malloc else _VARIANT.sub("", frame.function)


def may_be_mallocs(frame: Frame) -> bool:
    """Whether the frame is in libc, or in no library: what is in another one is not malloc's, whatever its name."""
    return not frame.library or frame.library.startswith(_LIBRARIES)


def is_call_of_malloc(frame: Frame) -> bool:
    """Whether the frame is one of libc's malloc that changes the heap. A program that has libc linked in has
    functions of its own beside it, of any name."""
    return may_be_mallocs(frame) and is_of_malloc(frame)


def mid_operation(view: HeapView, inside: Mapping[int, str], all_threads: int, dying: bool = False) -> InProgressCall:
    """Return what may be transient in this view; `inside` as function_inside() tells for each lwp. `dying`: a thread is
    in an abort of malloc's, and the mutex that is taken is the one that it holds.

    A process that has only ever had one thread takes no mutex (since glibc 2.27), so that any arena may be meant.
    """
    locked = tuple(arena.index for arena in view.arenas if arena.value["mutex"] in LOCKED)
    if dying and not inside:
        locked = ()
    arenas = set(locked)
    if inside and (all_threads <= 1 or not locked):
        arenas |= {arena.index for arena in view.arenas}
    return InProgressCall(inside, locked, frozenset(arenas), frozenset(inside))
