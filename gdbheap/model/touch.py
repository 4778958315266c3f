"""The pure model of a page fault: what reading, writing or executing an address does to a page, or which signal it
brings.

The order of decisions is the kernel's: find the mapping at or above the address; let a stack grow; check the access;
then the page itself.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gdbheap.model.mapping import EXECUTE, READ, WRITE, File, Mapping
from gdbheap.model.mappings import ModelMappings
from gdbheap.model.placement import huge_page

# What a page is made of. A page that has no entry has never been touched.
ZERO, ANONYMOUS, FILE = "zero", "anonymous", "file"

SIGSEGV, SIGBUS = "SIGSEGV", "SIGBUS"
SEGV_MAPERR, SEGV_ACCERR, SEGV_PKUERR, BUS_ADRERR = 1, 2, 4, 2

# A read fault on a file maps what the page cache holds of 64 KiB around (fault_around_bytes).
FAULT_AROUND = 16 << 12


class Step(enum.Enum):
    """What the kernel does; the value is the published name."""

    NOTHING_ABOVE = "nothing_above"
    NOTHING_THERE = "nothing_there"
    BELOW_LOWEST = "below_lowest"
    TOO_NEAR = "stack_too_near"
    INTO_MAPPING = "stack_into_mapping"
    BEYOND_LIMIT = "stack_beyond_limit"
    KEY_DENIES = "key_denies"
    MAPPING_DENIES = "mapping_denies"
    ZERO_PAGE = "zero_page"
    PAGE_THERE = "page_there"
    FRESH_PAGE = "fresh_page"
    FRESH_FOR_ZERO = "fresh_page_for_zero_page"
    FILE_ENDS = "file_ends"
    PRIVATE_COPY = "private_copy"
    FILE_PAGE = "file_page"


@dataclass(frozen=True)
class Outcome:
    """What an access did. `page` is the page's kind after it, "" where a signal came; `stack_grows`: before the step, a
    stack grew down to the address."""

    step: Step
    page: str = ""
    signal: str = ""
    code: int = 0
    stack_grows: bool = False


@dataclass
class ModelPages:
    """The pages of a modelled address space: `present` maps page addresses to kinds, `cached` holds (file, offset)
    in the page cache. `fetches_by_reading`: the processor is an x86 (see _refuse)."""

    mappings: ModelMappings
    present: dict[int, str] = field(default_factory=dict)
    cached: set[tuple[str, int]] = field(default_factory=set)
    fetches_by_reading: bool = True

    @property
    def page_size(self) -> int:
        """Of the address space, in bytes."""
        return self.mappings.limits.page_size

    def touch(self, address: int, access: int) -> Outcome:
        """Access one byte at `address` (READ, WRITE or EXECUTE); change pages and stacks as the kernel would."""
        mapping = self.mappings.above(address)
        if mapping is None:
            return Outcome(Step.NOTHING_ABOVE, signal=SIGSEGV, code=SEGV_MAPERR)
        if address < mapping.start:
            refused = self._grow(mapping, address & -self.page_size)
            if refused is not None:
                return refused
            return replace(self.touch(address, access), stack_grows=True)
        if self.mappings.keys.denies(mapping.key, access):
            return Outcome(Step.KEY_DENIES, signal=SIGSEGV, code=SEGV_PKUERR)
        if not allows(mapping, access):
            return self._refuse(mapping, address & -self.page_size, access)
        return self._fault_in(mapping, address & -self.page_size, access)

    def forget(self) -> None:
        """Drop the pages whose mapping is gone; to be called after munmap, and mmap or brk over what was there."""
        self.present = {page: kind for page, kind in self.present.items() if self.mappings.find(page) is not None}

    def drop(self, start: int, end: int) -> None:
        """Drop the pages of [start, end): a munmap, a shrunk brk, MADV_DONTNEED, or a mapping laid over them."""
        self.present = {page: kind for page, kind in self.present.items() if not start <= page < end}

    def _grow(self, mapping: Mapping, page: int) -> Outcome | None:
        """Grow a stack down to `page`, or return why not (expand_downwards)."""
        limits = self.mappings.limits
        if not mapping.grows_down:
            return Outcome(Step.NOTHING_THERE, signal=SIGSEGV, code=SEGV_MAPERR)
        before = self.mappings.below(mapping.start)
        if page < limits.lowest:
            return Outcome(Step.BELOW_LOWEST, signal=SIGSEGV, code=SEGV_MAPERR)
        if before is not None and not before.grows_down and before.access and page - before.end < limits.guard_gap:
            return Outcome(Step.TOO_NEAR, signal=SIGSEGV, code=SEGV_MAPERR)
        if before is not None and page < before.end:
            return Outcome(Step.INTO_MAPPING, signal=SIGSEGV, code=SEGV_MAPERR)
        # It has an anon_vma from then on, whether it then may grow or not.
        mapping = self.mappings.give_family(mapping)
        if mapping.end - page > limits.stack:
            return Outcome(Step.BEYOND_LIMIT, signal=SIGSEGV, code=SEGV_MAPERR)
        self.mappings.grow(mapping, page)
        return None

    def _refuse(self, mapping: Mapping, page: int, access: int) -> Outcome:
        """Answer an access that the mapping does not allow.

        An x86 fetches an absent page as if to read it, and only the second fault shows that the page may not be
        executed (access_error looks at X86_PF_WRITE and X86_PF_PROT alone): so the page is there afterwards, and
        beyond the file's end the signal is SIGBUS. (On aarch64 the first fault shows it: seen on 6.12.)
        """
        if access == EXECUTE and self.fetches_by_reading and allows(mapping, READ):
            outcome = self._fault_in(mapping, page, READ)
            if outcome.signal:
                return outcome
        return Outcome(Step.MAPPING_DENIES, signal=SIGSEGV, code=SEGV_ACCERR)

    def _fault_in(self, mapping: Mapping, page: int, access: int) -> Outcome:
        here = self.present.get(page)
        if mapping.file is not None:
            return self._fault_in_file(mapping, mapping.file, page, access, here)
        if access != WRITE:
            if here is None:
                self.present[page] = ZERO
                return Outcome(Step.ZERO_PAGE, ZERO)
            return Outcome(Step.PAGE_THERE, here)
        if here == ANONYMOUS:
            return Outcome(Step.PAGE_THERE, here)
        self.mappings.give_family(mapping)
        self.present[page] = ANONYMOUS
        return Outcome(Step.FRESH_PAGE if here is None else Step.FRESH_FOR_ZERO, ANONYMOUS)

    def _fault_in_file(self, mapping: Mapping, file: File, page: int, access: int, here: str | None) -> Outcome:
        if here == ANONYMOUS or (here is not None and (access != WRITE or mapping.shared)):
            return Outcome(Step.PAGE_THERE, here)
        if access != WRITE:
            for near in self._around(mapping, file, page):
                self.present.setdefault(near, FILE)
        offset = mapping.offset + page - mapping.start
        if access == WRITE and not mapping.shared:
            self.mappings.give_family(mapping)  # before the file is asked, whatever it answers (do_cow_fault())
        if here is None and offset >= file.size:
            return Outcome(Step.FILE_ENDS, signal=SIGBUS, code=BUS_ADRERR)
        self.cached.add((file.identity, offset))
        if access == WRITE and not mapping.shared:
            self.present[page] = ANONYMOUS
            return Outcome(Step.PRIVATE_COPY, ANONYMOUS)
        self.present[page] = FILE
        return Outcome(Step.FILE_PAGE, FILE)

    def _around(self, mapping: Mapping, file: File, page: int) -> Iterator[int]:
        """Yield the pages that a read fault maps beside its own (do_fault_around): those the page cache holds."""
        start = max(page & -FAULT_AROUND, mapping.start)
        huge = huge_page(self.page_size)
        end = min(start + FAULT_AROUND, (page & -huge) + huge, mapping.end)
        for near in range(start, end, self.page_size):
            offset = mapping.offset + near - mapping.start
            if offset < file.size and (file.identity, offset) in self.cached:
                yield near


def allows(mapping: Mapping, access: int) -> bool:
    """Whether the mapping's permissions let the access through. On x86 what can be written or executed can be read
    (access_error)."""
    if access == READ:
        return bool(mapping.access & (READ | WRITE | EXECUTE))
    return bool(mapping.access & access)
