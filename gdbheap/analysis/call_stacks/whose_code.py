"""Whose code a frame is: malloc's, libc's, the C++ library's, or the program's own. By the function's name and the
module's alone: no code is read."""

from __future__ import annotations

from gdbheap.lazy import regex
from gdbheap.process.frame import Frame

# libc, and what it runs on: the loader, the vdso.
_LIBRARIES = ("libc.", "libc-", "libc_malloc_debug", "libpthread", "ld-", "ld.", "linux-")
# The functions of malloc.c and arena.c that change the heap, under all the names that symbol tables give them; first
# the entry points, and what no program calls its own functions.
_ENTRY_POINTS = (
    r"(__|__libc_|__GI___|__GI___libc_|__GI_)?(malloc|free|cfree|calloc|realloc|reallocarray|memalign|"
    r"valloc|pvalloc|mallopt"
    r"|aligned_alloc|malloc_trim|posix_memalign)\d?|_int_(malloc|free|realloc|memalign)\w*|_mid_memalign"
)
_INTERNALS = (
    r"mtrim|malloc_consolidate|sysmalloc\w*|systrim\w*|unlink_chunk|munmap_chunk|mremap_chunk|"
    r"tcache_\w+|arena_get\w*|new_heap"
    r"|alloc_new_heap|grow_heap|shrink_heap|heap_trim|ptmalloc_init|reused_arena|detach_arena|__malloc_\w+"
)
_CHANGES_THE_HEAP = regex(f"{_ENTRY_POINTS}|{_INTERNALS}")
_CHANGES_THE_HEAP_FOR_SURE = regex(_ENTRY_POINTS)
_ABORTS = regex(r"malloc_printerr\w*|__malloc_assert|__libc_message\w*|__assert_fail\w*|abort|__GI_abort")
_WAITS = regex(r"_*(GI_+)?lll_lock_wait\w*|futex_wait\w*")
_OF_MALLOC = ("libc.", "libc-", "libc_malloc_debug")
_VARIANT = regex(r"\.(isra|constprop|part|cold|lto_priv)(\.\d+)*")
# C++ hands its pointers on: who called malloc is who called these.
_OPERATORS = ("operator new", "operator delete", "_Zn", "_Zd")
# What lies between the check that failed and the kernel, under the names that symbol tables give it.
_MACHINERY = regex(
    r"_*(GI_+)?(raise|gsignal|pthread_kill\w*|abort|libc_message\w*|libc_fatal|"
    r"libc_assert_fail\w*|assert_fail\w*|malloc_assert|malloc_printerr\w*"
    r"|fortify_fail\w*|stack_chk_fail\w*|chk_fail|kernel_vsyscall)(\.\w+)*"
)
ABORT = ("abort", "__GI_abort")
# What C++'s own library and headers do for the program: whose code it is stands in a frame further out.
_LIBRARY_CODE = ("std::", "__gnu_cxx::", "__cxxabiv1::", "__cxa_")
_LIBRARY_PLACES = ("/usr/include/", "/usr/lib/gcc/")
_CXX_LIBRARY = "libstdc++"
# Modules of no program: of compilers, and what they bring.
_OF_SYSTEM = regex(r"(libc[.-]|libpthread|ld-linux|libstdc\+\+|libgcc_s|libasan|vdso)")
# What sends a signal to the process itself.
_RAISES = regex(r"_*(GI_+)?(raise|gsignal|abort|t?g?kill|killpg|(pthread_)?sigqueue|pthread_kill(_\w+)?)")


def is_of_libc(frame: Frame) -> bool:
    """Whether the frame is in libc, or in what libc itself runs on: the loader, the vdso."""
    return frame.library.startswith(_LIBRARIES) or frame.function.startswith("__kernel_")


def is_of_malloc(frame: Frame) -> bool:
    """Whether the frame is in a function of malloc's, as far as its name and its library tell."""
    names = _CHANGES_THE_HEAP if frame.library.startswith(_OF_MALLOC) else _CHANGES_THE_HEAP_FOR_SURE
    return frame.is_near_malloc or names.fullmatch(plain_name(frame)) is not None


def is_named_as_mallocs(frame: Frame) -> bool:
    """Whether malloc has a function of the frame's name; a program, or a library, may have one too."""
    return _CHANGES_THE_HEAP.fullmatch(plain_name(frame)) is not None


def may_be_mallocs(frame: Frame) -> bool:
    """Whether the frame is in libc, or in no library: what is in another one is not malloc's, whatever its name."""
    return not frame.library or frame.library.startswith(_OF_MALLOC)


def is_call_of_malloc(frame: Frame) -> bool:
    """Whether the frame is one of libc's malloc that changes the heap. A program that has libc linked in has
    functions of its own beside it, of any name."""
    return may_be_mallocs(frame) and is_of_malloc(frame)


def is_of_internals(frame: Frame) -> bool:
    """Whether the frame is in a function that works on chunks already, and no more on what the program has passed."""
    return frame.function.startswith(("_int_", "malloc_consolidate", "unlink_chunk", "systrim", "tcache_"))


def is_wait(frame: Frame) -> bool:
    """Whether the frame is in the function that waits for a mutex of libc's own, or in what that calls."""
    return may_be_mallocs(frame) and _WAITS.fullmatch(plain_name(frame)) is not None


def is_abort(frame: Frame) -> bool:
    """Whether the frame is libc's, and on the way from a check that failed to abort()."""
    return may_be_mallocs(frame) and _ABORTS.fullmatch(plain_name(frame)) is not None


def is_machinery(frame: Frame) -> bool:
    """Whether the frame is libc's, also in a program that libc is linked into."""
    return is_of_libc(frame) or _MACHINERY.fullmatch(frame.function) is not None


def is_operator(frame: Frame) -> bool:
    """Whether the frame is in one of C++'s operators new and delete."""
    return frame.function.startswith(_OPERATORS)


def is_library_code(frame: Frame) -> bool:
    """Whether the frame is in C++'s library or its headers, which the program's own code has called."""
    return frame.function.startswith(_LIBRARY_CODE) or frame.place.startswith(_LIBRARY_PLACES)


def is_between_new_and_program(function: str) -> bool:
    """Whether C++'s library has a function of this name between malloc and what the program itself wrote."""
    return function.startswith((*_LIBRARY_CODE, *_OPERATORS))


def is_of_cxx_library(frame: Frame) -> bool:
    """Whether the frame is in the C++ library itself."""
    return frame.library.startswith(_CXX_LIBRARY)


def is_of_program(frame: Frame) -> bool:
    """Whether the frame is in no library of the system's, and in no function of libc's that is linked in."""
    return not (is_machinery(frame) or _OF_SYSTEM.search(frame.library) or is_of_malloc(frame))


def sends_signal(frame: Frame) -> bool:
    """Whether the frame is in a function that sends a signal to the process itself."""
    return _RAISES.fullmatch(frame.function.partition("@")[0]) is not None


def plain_name(frame: Frame) -> str:
    """Return the function's name without what the compiler adds for its variants; of one of malloc's that nobody
    names, that it is one."""
    return "a function of malloc's" if frame.is_near_malloc else _VARIANT.sub("", frame.function)
