from __future__ import annotations

from dataclasses import replace

import pytest

from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.process.address_space import VMA
from gdbheap.process.process import ModuleSegment
from gdbheap.process.threads.thread_stacks import find_stacks
from support.made_process import (
    ARENA,
    HEAP,
    LARGE,
    MAIN,
    MAIN_STACK,
    PROGRAM,
    STACK,
    TLS,
    VDSO,
    made_heap,
    made_process,
)


def described(process, heap=None):
    return {each.vma.start: (each.kind, each.what) for each in annotate(process, heap)}


def test_every_mapping_is_named_with_all_that_is_known():
    assert described(made_process(), made_heap()) == {
        0x400000: ("program_rodata", "program rodata"),
        0x401000: ("program_text", "program text"),
        0x403000: ("program_relro", "program relro"),
        0x404000: ("program_data", "program data"),
        0x406000: ("program_bss", "program bss"),
        HEAP: ("main_heap", "heap of the main arena"),
        ARENA: ("arena_heap", "heap of arena 1"),
        ARENA + 0x21000: ("arena_reserve", "reserve of arena 1"),
        STACK: ("thread_guard", "guard of thread 2"),
        STACK + 0x1000: ("thread_stack", "stack of thread 2"),
        LARGE: ("mmapped_chunk", "2 mmapped chunks + anonymous"),
        TLS: ("tls", "TLS of thread 1"),
        TLS + 0x4000: ("file", "file a file, deleted"),
        MAIN_STACK: ("main_stack", "main stack"),
        VDSO: ("vdso", "vdso"),
    }


def test_without_a_heap_the_kernels_names_remain():
    found = described(made_process())
    assert found[HEAP] == ("brk_heap", "heap (brk)")
    assert found[ARENA] == ("anonymous", "anonymous")
    assert found[ARENA + 0x21000] == ("no_access", "no access")
    assert found[LARGE] == ("anonymous", "anonymous")


def test_without_modules_and_threads_each_mapping_is_what_its_name_says():
    process = replace(made_process(), modules=(), main=None, threads=())
    found = described(process)
    assert found[0x401000] == ("file", "file server")
    assert found[0x406000] == ("anonymous", "anonymous")
    assert found[STACK] == ("no_access", "no access")
    assert found[MAIN_STACK] == ("main_stack", "main stack")


def test_a_guard_inside_the_mapping_and_a_merged_neighbour_are_parts():
    vmas = [vma for vma in made_process().address_space if not STACK <= vma.start < STACK + 0x9000]
    merged = VMA(STACK, STACK + 0xA000, "rw-p")
    (found,) = [each for each in annotate(made_process([*vmas, merged])) if each.vma.start == STACK]
    assert [(part.start - STACK, part.end - STACK, part.text) for part in found.parts] == [
        (0, 0x1000, "guard of thread 2"),
        (0x1000, 0x9000, "stack of thread 2"),
        (0x9000, 0xA000, "anonymous"),
    ]
    assert found.what == "stack of thread 2 + guard of thread 2 + anonymous"


def test_stacks_of_many_threads_in_one_mapping_are_counted():
    process = made_process()
    second = process.threads[1]
    threads = tuple(replace(second, number=number) for number in range(2, 12))
    (found,) = [each for each in annotate(replace(process, threads=threads)) if each.vma.start == STACK + 0x1000]
    assert found.what == "stack of thread 2"  # all say the same block: the first has it
    merged = [VMA(STACK, STACK + 0x9000, "rw-p")]
    (stacks,) = annotate(replace(made_process(merged), threads=threads[:1]))
    assert stacks.what == "stack of thread 2 + guard of thread 2"


def test_a_stack_known_by_its_stack_pointer_alone_is_marked_as_inferred():
    process = made_process(second_stack=(0, 0, 0))
    (found,) = [each for each in annotate(process) if each.vma.start == STACK + 0x1000]
    assert found.what == "stack of thread 2 (inferred)"
    assert found.parts[0].inferred


@pytest.mark.parametrize(
    "block",
    [
        (STACK, 0x20000, 0x1000),  # ends far beyond the struct
        (STACK, 0x8000, 0x1000),  # ends before it
        (STACK, 0x9000, 0x123),  # a guard of no whole pages
        (STACK + 0x9000, 0x1000, 0),  # starts behind the thread pointer
        ((1 << 64) - 0x1000, STACK + 0x9000, 0),
    ],
)
def test_words_that_are_no_stack_block_are_not_taken_for_one(block):
    stacks = find_stacks(made_process(second_stack=block))[0]
    assert [(stack.thread.number, stack.start, stack.inferred) for stack in stacks] == [
        (1, MAIN_STACK, False),
        (2, STACK + 0x1000, True),
    ]


def test_a_thread_in_a_handler_on_another_stack_keeps_its_own():
    process = made_process()
    first, second = process.threads
    stacks = find_stacks(replace(process, threads=(first, replace(second, stack_pointer=LARGE + 0x100))))[0]
    assert [(stack.start, stack.inferred) for stack in stacks] == [(MAIN_STACK, False), (STACK, False)]


def test_a_thread_without_a_thread_pointer_has_an_inferred_stack():
    process = made_process()
    process = replace(process, threads=tuple(replace(each, thread_pointer=None) for each in process.threads))
    assert [stack.inferred for stack in find_stacks(process)[0]] == [False, True]


def test_a_module_that_lies_about_its_segments_names_only_its_own_mappings():
    lying = replace(MAIN, path="/lib/liar", segments=(ModuleSegment(0, 1 << 62, 1 << 63, "rw-"),))
    process = replace(made_process(), modules=(lying,), main=None)
    found = described(process, made_heap())
    assert found[0x401000] == ("file", "file server")
    assert found[HEAP] == ("main_heap", "heap of the main arena")


def test_before_relocation_the_data_mapping_is_relro_and_data():
    whole = VMA(0x403000, 0x406000, "rw-p", 0x3000, "fe:00", 7, PROGRAM)
    (found,) = annotate(made_process([whole]))
    assert (found.kind, found.what) == ("program_data", "program data + program relro")


@pytest.mark.parametrize(
    ("vma", "kind", "what", "sharing"),
    [
        (VMA(0, 1, "rw-p"), "anonymous", "anonymous", "private_anonymous"),
        (
            VMA(0, 1, "rw-s", 0, "00:01", 4, "/dev/zero (deleted)"),
            "shared_anonymous",
            "shared anonymous",
            "shared_anonymous",
        ),
        (
            VMA(0, 1, "rw-s", 0, "00:01", 4, "/SYSV00000000 (deleted)"),
            "shm",
            "System V shared memory",
            "shared_anonymous",
        ),
        (VMA(0, 1, "rw-s", 0, "00:1a", 4, "/dev/shm/x"), "shm", "POSIX shared memory", "shared_file"),
        (
            VMA(0, 1, "rw-s", 0, "00:1a", 4, "/dev/shm/x (deleted)"),
            "shm",
            "POSIX shared memory, deleted",
            "shared_file",
        ),
        (VMA(0, 1, "rw-s", 0, "00:01", 4, "/memfd:a b (deleted)"), "memfd", "memfd a b", "shared_file"),
        (VMA(0, 1, "rw-p", 0, "00:01", 4, "/memfd: (deleted)"), "memfd", "memfd", "private_file"),
        (
            VMA(0, 1, "rw-p", path="[anon:glibc: malloc]"),
            "named_anonymous",
            "anonymous, named glibc: malloc",
            "private_anonymous",
        ),
        (VMA(0, 1, "rw-s", path="[anon_shmem:x]"), "named_anonymous", "anonymous, named x", "shared_anonymous"),
        (VMA(0, 1, "rw-p", 0, "00:0f", 4, "/anon_hugepage (deleted)"), "huge_pages", "huge pages", "private_anonymous"),
        (VMA(0, 1, "r--s", 0, "fe:00", 4, "/data/x"), "file", "file x", "shared_file"),
        (VMA(0, 1, "rw-s", 0, "00:06", 4, "/dev/fb0"), "device", "device", "shared_file"),
        (VMA(0, 1, "--xp", path="[vsyscall]"), "vsyscall", "vsyscall", "private_anonymous"),
        (VMA(0, 1, "r-xp", path="[uprobes]"), "kernel", "uprobes", "private_anonymous"),
        (VMA(0, 1, "---p"), "no_access", "no access", "private_anonymous"),
        (VMA(0, 1, "r--?", path="/data/x"), "file", "file x", None),
    ],
)
def test_a_mapping_by_its_name_alone(vma, kind, what, sharing):
    process = replace(made_process([vma]), modules=(), threads=())
    (found,) = annotate(process)
    assert (found.kind, found.what, found.sharing) == (kind, what, sharing)


def test_a_core_has_no_unnamed_shared_memory():
    process = made_process([VMA(0, 0x1000, "rw-?")], source="core")
    assert [each.sharing for each in annotate(process)] == ["private_anonymous"]
