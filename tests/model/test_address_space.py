"""The model of the address space against the kernel: the same random calls and accesses, and then the same mappings,
pages and signals."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest

from gdbheap.model.mapping import EXECUTE, READ, WRITE, File
from gdbheap.model.mappings import ModelMappings
from gdbheap.model.protection_keys import DISABLE_ACCESS, DISABLE_WRITE
from gdbheap.model.touch import SIGSEGV, ModelPages, Outcome
from support.address_space_driver import (
    BRK,
    DONTNEED,
    KEY_ALLOC,
    KEY_FREE,
    KEY_MPROTECT,
    MEMFD,
    MMAP,
    MPROTECT,
    MUNMAP,
    TOUCHES,
    Driver,
    has_protection_keys,
)
from support.this_machine import FETCHES_BY_READING, INSTRUCTION, PAGE, POINTER_SIZES

# Where the fixed mappings go: far from everything else.
WINDOWS = {8: 0x10_0000_0000, 4: 0x4000_0000}
WINDOW_PAGES = 48
ACCESSES = (0, READ, READ | WRITE, READ | WRITE, READ | WRITE, WRITE, READ | EXECUTE, READ | WRITE | EXECUTE, EXECUTE)
SHARED, PRIVATE, FIXED, ANONYMOUS, NOREPLACE, GROWSDOWN = 1, 2, 0x10, 0x20, 0x100000, 0x100

TRACES = int(os.environ.get("GDBHEAP_DEEP", "0")) or 150
OPERATIONS = 60


def prot(access: int) -> int:
    """PROT_READ is 1, PROT_WRITE 2, PROT_EXEC 4."""
    return bool(access & READ) | bool(access & WRITE) << 1 | bool(access & EXECUTE) << 2


@dataclass
class Both:
    """The process and the model, given the same calls."""

    driver: Driver
    mappings: ModelMappings
    pages: ModelPages
    files: list[tuple[int, File]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    mapped: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first_break = self.mappings.brk_address

    @property
    def window(self) -> int:
        return WINDOWS[self.driver.pointer_size]

    def key_alloc(self, rights: int) -> int | str:
        self.log.append(f"pkey_alloc(0, {rights})")
        says = self.mappings.keys.allocate(rights)
        assert says == self.driver.ask(KEY_ALLOC, 0, rights).result, self.told()
        return says

    def key_free(self, key: int) -> None:
        self.log.append(f"pkey_free({key})")
        assert self.mappings.keys.free(key) == self.driver.ask(KEY_FREE, key).result, self.told()

    def key_mprotect(self, address: int, length: int, access: int, key: int) -> None:
        self.log.append(f"pkey_mprotect({address:#x}, {length:#x}, {access}, {key})")
        real = self.driver.ask(KEY_MPROTECT, address, length, prot(access), key).result
        assert self.mappings.mprotect(address, length, access, key) == real, self.told()

    def make_file(self, size: int, filled: bool) -> None:
        descriptor = self.driver.ask(MEMFD, size, filled).result
        assert isinstance(descriptor, int)
        file = File(f"file {len(self.files)}", size)
        self.files.append((descriptor, file))
        if filled:
            self.pages.cached |= {(file.identity, offset) for offset in range(0, size, PAGE)}

    def mmap(self, address: int, length: int, access: int, flags: int, file: int | None, offset: int) -> None:
        self.log.append(f"mmap({address:#x}, {length:#x}, access {access}, flags {flags:#x}, file {file}, {offset:#x})")
        descriptor, modelled = self.files[file] if file is not None else (-1, None)
        real = self.driver.ask(MMAP, address, length, prot(access), flags, descriptor, offset).result
        says = self.mappings.mmap(
            length,
            access,
            address=address,
            shared=bool(flags & SHARED),
            file=modelled,
            offset=offset,
            fixed=bool(flags & FIXED),
            noreplace=bool(flags & NOREPLACE),
            grows_down=bool(flags & GROWSDOWN),
        )
        assert says == real, self.told()
        if isinstance(real, int):
            self.pages.drop(real, real + length)
            self.mapped.append((real, length))

    def munmap(self, address: int, length: int) -> None:
        self.log.append(f"munmap({address:#x}, {length:#x})")
        assert self.mappings.munmap(address, length) == self.driver.ask(MUNMAP, address, length).result, self.told()
        self.pages.forget()

    def mprotect(self, address: int, length: int, access: int) -> None:
        self.log.append(f"mprotect({address:#x}, {length:#x}, {access})")
        real = self.driver.ask(MPROTECT, address, length, prot(access)).result
        assert self.mappings.mprotect(address, length, access) == real, self.told()

    def dontneed(self, address: int, length: int) -> None:
        self.log.append(f"madvise({address:#x}, {length:#x}, MADV_DONTNEED)")
        self.driver.ask(DONTNEED, address, length)
        self.pages.drop(address, address + length)

    def brk(self, address: int) -> None:
        self.log.append(f"brk({address:#x})")
        assert self.mappings.brk(address) == self.driver.ask(BRK, address).result, self.told()
        self.pages.forget()

    def touch(self, address: int, access: int) -> Outcome:
        self.log.append(f"touch({address:#x}, {access})")
        real = self.driver.ask(TOUCHES[access], address)
        says = self.pages.touch(address, access)
        assert (says.signal, says.code) == (real.signal, real.code), self.told()
        if real.signal:
            # The driver jumps out of its signal handler, and so keeps the rights that this began with.
            self.mappings.keys.enter_signal_handler()
            assert real.address == address, self.told()
        return says

    def told(self) -> str:
        return "\n".join(self.log)

    def compare(self) -> None:
        """Mappings as maps shows them, and the pages of all that the trace made as pagemap shows them."""
        real = [(start, end, permissions) for start, end, permissions, _ in self.driver.maps()]
        says = [(each.start, each.end, each.permissions) for each in self.mappings]
        assert says == real, self.told()
        for start, end in [
            (self.window, self.window + WINDOW_PAGES * PAGE),
            *((at, at + size) for at, size in self.mapped),
        ]:
            if end - start <= 64 << 20:
                page_end = (end + PAGE - 1) & -PAGE
                kinds = {page: kind for page, kind in self.pages.present.items() if start <= page < page_end}
                assert kinds == self.driver.pages(start, page_end), self.told()


def both(driver: Driver) -> Both:
    mappings = driver.model()
    made = Both(driver, mappings, ModelPages(mappings, fetches_by_reading=FETCHES_BY_READING))
    made.make_file(5 * PAGE, filled=True)
    made.make_file(40 * PAGE + 100, filled=True)
    made.make_file(24 * PAGE, filled=False)
    return made


def random_step(choose: random.Random, both: Both) -> None:
    page = both.window + choose.randrange(WINDOW_PAGES) * PAGE
    length = choose.choice((1, 1, 2, 3, 5, 8, 16)) * PAGE
    length = min(length, both.window + WINDOW_PAGES * PAGE - page)
    access = choose.choice(ACCESSES)
    kind = choose.random()
    if kind < 0.30:
        file = choose.choice((None, None, None, 0, 1, 2))
        sharing = choose.choice((PRIVATE, PRIVATE, SHARED))
        flags = sharing | (ANONYMOUS if file is None else 0)
        if file is None and sharing == PRIVATE and choose.random() < 0.1:
            flags |= GROWSDOWN
        offset = choose.randrange(0, 6) * PAGE if file is not None else 0
        place = choose.random()
        if place < 0.6:
            both.mmap(page, length, access, flags | FIXED, file, offset)
        elif place < 0.75:
            both.mmap(page, length, access, flags, file, offset)
        elif place < 0.8:
            both.mmap(page, length, access, flags | FIXED | NOREPLACE, file, offset)
        else:
            both.mmap(0, choose.choice((100, length, length * 37, 2 << 20, 6 << 20)), access, flags, file, offset)
    elif kind < 0.40:
        both.munmap(page, length)
    elif kind < 0.52:
        both.mprotect(page, length, access)
    elif kind < 0.545:
        random_key_call(choose, both, page, length, access)
    elif kind < 0.575:
        both.dontneed(page, length)
    elif kind < 0.625:
        address = both.mappings.start_brk + choose.randrange(-PAGE, 40 * PAGE, 8)
        # A static program of some glibcs has its TLS there.
        both.brk(address if address < both.mappings.start_brk else max(address, both.first_break))
    elif kind < 0.64 and both.mapped:
        address, size = choose.choice(both.mapped)
        both.munmap(address & -PAGE, choose.randrange(1, size + 1))
    else:
        address = choose.choice((page, page, page, *(at for at, size in both.mapped[-3:])))
        random_touch(choose, both, address + choose.randrange(PAGE))


def random_key_call(choose: random.Random, both: Both, page: int, length: int, access: int) -> None:
    key = choose.randrange(1, 5)
    call = choose.random()
    if call < 0.3:
        both.key_alloc(choose.choice((0, 0, DISABLE_ACCESS, DISABLE_WRITE)))
    elif call < 0.4:
        both.key_free(key)
    else:
        both.key_mprotect(page, length, access, key)


def random_touch(choose: random.Random, both: Both, address: int) -> None:
    access = choose.choice((READ, READ, WRITE, WRITE, EXECUTE))
    if access == EXECUTE:
        address &= -INSTRUCTION
    # The one above may grow down to the address.
    mapping = both.mappings.above(address)
    if access == EXECUTE and mapping is not None and mapping.access & EXECUTE:
        # Only a file of `ret` instructions can be run.
        filled = mapping.file in (both.files[0][1], both.files[1][1])
        if not filled or mapping.offset + address - mapping.start >= mapping.file.size // PAGE * PAGE:
            access = READ
    both.touch(address, access)


# What the processor has, and what one without protection keys does.
KEYS = (True, False) if has_protection_keys() else (False,)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("word", POINTER_SIZES)
def test_random_traces_leave_the_model_and_the_kernel_in_the_same_state(part: int, word: int, keys: bool) -> None:
    seed = random.SystemRandom().randrange(1 << 32) if os.environ.get("GDBHEAP_DEEP") else 20261121 + part
    print(f"seed {seed}, {TRACES // 6} traces of {OPERATIONS} operations")
    choose = random.Random(seed)
    for _ in range(TRACES // 6):
        with Driver(word, keys) as driver:
            trace = both(driver)
            for step in range(OPERATIONS):
                random_step(choose, trace)
                if step % 10 == 9:
                    trace.compare()


def stack_of(both: Both):
    return next(each for each in both.mappings if each.grows_down)


@pytest.mark.parametrize("word", POINTER_SIZES)
def test_the_stack_grows_to_its_limit_and_not_beyond(word: int) -> None:
    with Driver(word) as driver:
        trace = both(driver)
        end = stack_of(trace).end
        for depth in (200 << 10, 1 << 20, trace.mappings.limits.stack - PAGE, trace.mappings.limits.stack):
            assert trace.touch(end - depth, WRITE).signal == ""
            trace.compare()
        assert trace.touch(end - trace.mappings.limits.stack - 1, WRITE).signal == SIGSEGV
        trace.compare()


@pytest.mark.parametrize("word", POINTER_SIZES)
def test_the_stack_keeps_its_guard_gap_from_the_mapping_below(word: int) -> None:
    with Driver(word) as driver:
        trace = both(driver)
        end = stack_of(trace).end
        gap = trace.mappings.limits.guard_gap
        below = (end - gap - (4 << 20)) & -PAGE
        trace.mmap(below, PAGE, READ | WRITE, PRIVATE | ANONYMOUS | FIXED, None, 0)
        assert trace.touch(below + PAGE + gap - 1, WRITE).signal == SIGSEGV
        assert trace.touch(below + PAGE + gap, WRITE).signal == ""
        trace.compare()


@pytest.mark.parametrize("word", POINTER_SIZES)
def test_brk_stops_a_page_before_the_next_mapping(word: int) -> None:
    with Driver(word) as driver:
        trace = both(driver)
        start = (trace.mappings.brk_address + 64 * PAGE) & -PAGE
        trace.mmap(start, PAGE, READ, PRIVATE | ANONYMOUS | FIXED, None, 0)
        trace.brk(start)
        assert trace.mappings.brk_address != start
        trace.brk(start - PAGE)
        assert trace.mappings.brk_address == start - PAGE
        trace.compare()


@pytest.mark.parametrize("keys", KEYS)
def test_memory_that_may_only_be_executed_has_a_key_of_its_own_where_the_processor_has_keys(keys: bool) -> None:
    with Driver(keys=keys) as driver:
        trace = both(driver)
        trace.mmap(trace.window, 4 * PAGE, EXECUTE, PRIVATE | FIXED, 0, 0)
        for access in (EXECUTE, READ, WRITE, EXECUTE):
            expected = {READ: 4 if keys else 0, WRITE: 4 if keys else 2, EXECUTE: 0}[access]
            assert trace.touch(trace.window + 8, access).code == expected
        trace.mprotect(trace.window, PAGE, READ)
        assert trace.touch(trace.window, READ).signal == ""
        trace.compare()


@pytest.mark.parametrize("keys", KEYS)
def test_a_key_forbids_what_the_permissions_allow(keys: bool) -> None:
    with Driver(keys=keys) as driver:
        trace = both(driver)
        trace.mmap(trace.window, 4 * PAGE, READ | WRITE, PRIVATE | ANONYMOUS | FIXED, None, 0)
        key = trace.key_alloc(DISABLE_WRITE)
        trace.key_mprotect(trace.window, PAGE, READ | WRITE, key if isinstance(key, int) else 1)
        assert trace.touch(trace.window, READ).signal == ""
        assert isinstance(key, int) == keys
        assert trace.touch(trace.window, WRITE).code == (4 if keys else 0)
        trace.compare()


def test_without_keys_even_key_0_cannot_be_named() -> None:
    with Driver(keys=False) as driver:
        trace = both(driver)
        trace.mmap(trace.window, PAGE, READ, PRIVATE | ANONYMOUS | FIXED, None, 0)
        trace.key_free(0)
        trace.key_mprotect(trace.window, PAGE, READ | WRITE, 0)
        trace.compare()
