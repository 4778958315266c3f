"""Whose code a frame is, by the names that symbol tables of glibc and libstdc++ give their functions."""

from __future__ import annotations

import pytest

from gdbheap.analysis.call_stacks.whose_code import (
    is_abort,
    is_call_of_malloc,
    is_library_code,
    is_machinery,
    is_of_libc,
    is_of_program,
    is_wait,
    plain_name,
    sends_signal,
)
from gdbheap.process.frame import Frame

LIBC = "libc.so.6"


def frame(function, library="", **more):
    return Frame(0, 0x1000, 0x2000, function, library, **more)


# (function, library): of malloc, on the way to an abort, waits for a mutex of malloc's
IN_MALLOC = [
    ("__libc_malloc", LIBC, True, False, False),
    ("_int_free", LIBC, True, False, False),
    ("_int_free_merge_chunk.isra.0", LIBC, True, False, False),
    ("tcache_init.part.0", LIBC, True, False, False),
    ("malloc", "", True, False, False),  # linked in, or the program's own: nobody can tell
    ("malloc", "libjemalloc.so.2", False, False, False),
    ("tcache_init", "", False, False, False),
    ("malloc_printerr", LIBC, False, True, False),
    ("__libc_message.cold", LIBC, False, True, False),
    ("abort", LIBC, False, True, False),
    ("abort", "libfoo.so", False, False, False),
    ("__lll_lock_wait_private", LIBC, False, False, True),
    ("strlen", LIBC, False, False, False),
    ("mallocate", LIBC, False, False, False),
]


@pytest.mark.parametrize(("function", "library", "of_malloc", "aborts", "waits"), IN_MALLOC)
def test_a_function_is_mallocs(function, library, of_malloc, aborts, waits):
    one = frame(function, library)
    assert (is_call_of_malloc(one), is_abort(one), is_wait(one)) == (of_malloc, aborts, waits)


@pytest.mark.parametrize(
    ("function", "library", "of_libc", "machinery", "of_program"),
    [
        ("raise", LIBC, True, True, False),
        ("raise", "", False, True, False),
        ("__kernel_vsyscall", "", True, True, False),
        ("_dl_fini", "ld-linux-x86-64.so.2", True, True, False),
        ("__stack_chk_fail", "", False, True, False),
        ("main", "", False, False, True),
        ("work", "libapp.so", False, False, True),
        ("std::terminate()", "libstdc++.so.6", False, False, False),
        ("_Unwind_RaiseException", "libgcc_s.so.1", False, False, False),
    ],
)
def test_a_frame_is_libcs_or_the_programs(function, library, of_libc, machinery, of_program):
    one = frame(function, library)
    assert (is_of_libc(one), is_machinery(one), is_of_program(one)) == (of_libc, machinery, of_program)


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        ("raise", True),
        ("raise@plt", True),
        ("__GI_raise", True),
        ("gsignal", True),
        ("__pthread_kill_implementation", True),
        ("pthread_kill@@GLIBC_2.34", True),
        ("tgkill", True),
        ("killpg", True),
        ("abort", True),
        ("sigqueue", True),
        ("raise_salary", False),
        ("abortive", False),
        ("kill_process_by_name", False),
        ("", False),
    ],
)
def test_what_sends_a_signal_to_the_process_itself(function, wanted):
    assert sends_signal(frame(function)) is wanted


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (frame("std::vector<int>::at"), True),
        (frame("__cxa_throw"), True),
        (frame("push", place="/usr/include/c++/12/bits/stl_vector.h:1287"), True),
        (frame("push", place="stack.cpp:12"), False),
    ],
    ids=range(4),
)
def test_code_of_the_cxx_library(one, wanted):
    assert is_library_code(one) is wanted


def test_a_variant_has_its_functions_name():
    assert plain_name(frame("unlink_chunk.constprop.0.isra.0", LIBC)) == "unlink_chunk"
    assert plain_name(frame("", LIBC, is_near_malloc=True)) == "a function of malloc's"
