"""One mapping of the modelled address space, what bounds them all, and when two become one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gdbheap.model.memory import PAGE
from gdbheap.model.placement import rounded_up

READ, WRITE, EXECUTE = 4, 2, 1


@dataclass(frozen=True)
class File:
    """What a mapping is of: `identity` tells files apart, `size` in bytes. A shared anonymous mapping is of a file
    of its own."""

    identity: str
    size: int


@dataclass(frozen=True)
class Mapping:
    """One VMA, [start, end).

    `offset` is into `file`; without one it is the address that the mapping began at, which decides what may merge
    (vm_pgoff). `accounted`: charged to the commit limit (VM_ACCOUNT). `anonymous_family`: None until the mapping has
    a page of its own (no anon_vma); two mappings of different families never merge. `name` marks what the model was
    given and does not merge ("[stack]", a library). `key` is its protection key.
    """

    start: int
    end: int
    access: int
    shared: bool = False
    file: File | None = None
    offset: int = 0
    grows_down: bool = False
    accounted: bool = False
    anonymous_family: int | None = None
    name: str = ""
    key: int = 0

    @property
    def permissions(self) -> str:
        """As /proc/PID/maps shows them."""
        letters = ((READ, "r"), (WRITE, "w"), (EXECUTE, "x"))
        return "".join(letter if self.access & bit else "-" for bit, letter in letters) + ("s" if self.shared else "p")

    def part(self, start: int, end: int) -> Mapping:
        """Return the part of it in [start, end), its offset moved along."""
        return replace(self, start=start, end=end, offset=self.offset + start - self.start)


@dataclass(frozen=True)
class AddressLimits:
    """What bounds the address space, in bytes.

    `lowest` is vm.mmap_min_addr, `guard_gap` what stays free below a mapping that grows down (stack_guard_gap),
    `stack` RLIMIT_STACK. `huge_alignment`: anonymous mappings of whole multiples of a huge page (2 MiB where pages are
    4 KiB) are put at such a multiple (64-bit processes, Linux 6.7 and later). `unaccounts`: what mprotect() makes
    unwritable before anything was written there is no longer charged to the commit limit (Linux 6.7 and later).
    """

    mmap_base: int
    lowest: int = 1 << 16
    highest: int = (1 << 47) - PAGE
    stack: int = 8 << 20
    guard_gap: int = 256 * PAGE
    huge_alignment: bool = True
    unaccounts: bool = True
    page_size: int = PAGE

    def page_up(self, value: int) -> int:
        """Return `value` rounded up to whole pages."""
        return rounded_up(value, self.page_size)


def mergeable(before: Mapping, after: Mapping) -> bool:
    """Whether two mappings become one (ismergeable_vma and ismergeable_anon_vma)."""
    same = (before.access, before.accounted, before.key) == (after.access, after.accounted, after.key)
    return same and continues(before, after) and one_family(before, after)


def continues(before: Mapping, after: Mapping) -> bool:
    """Whether `after` goes on where `before` ends, in memory and in what is mapped; their access may differ
    (anon_vma_compatible)."""
    kinds = (before.shared, before.file, before.grows_down, before.name) == (
        after.shared,
        after.file,
        after.grows_down,
        after.name,
    )
    contiguous = before.end == after.start and before.offset + before.end - before.start == after.offset
    return kinds and contiguous and not before.name


def one_family(before: Mapping, after: Mapping) -> bool:
    """Whether their pages may be of one anon_vma."""
    return (
        None in (before.anonymous_family, after.anonymous_family) or before.anonymous_family == after.anonymous_family
    )
