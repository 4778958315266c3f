"""The pure model of an address space: mmap, munmap, mprotect and brk over a list of mappings, as Linux on x86 does
them.

Addresses and sizes are bytes. Nothing here touches a process. A refused call returns the errno's name, as a value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gdbheap.model.mapping import READ, WRITE, AddressLimits, File, Mapping, continues, mergeable, one_family
from gdbheap.model.placement import huge_page, place_mapping
from gdbheap.model.protection_keys import ProtectionKeys


@dataclass
class ModelMappings:
    """The mappings of a process in address order, merged as the kernel merges them."""

    limits: AddressLimits
    start_brk: int = 0
    brk_address: int = 0
    mappings: list[Mapping] = field(default_factory=list)
    keys: ProtectionKeys = field(default_factory=ProtectionKeys)
    _families: int = 0
    _files: int = 0

    def __iter__(self) -> Iterator[Mapping]:
        return iter(self.mappings)

    def find(self, address: int) -> Mapping | None:
        """Return the mapping that holds the address, or None."""
        index = self._index(address)
        return self.mappings[index] if index >= 0 and address < self.mappings[index].end else None

    def above(self, address: int) -> Mapping | None:
        """Return the first mapping that ends above the address (find_vma): the one that holds it, or the next."""
        index = self._index(address)
        if index >= 0 and address < self.mappings[index].end:
            return self.mappings[index]
        return self.mappings[index + 1] if index + 1 < len(self.mappings) else None

    def below(self, address: int) -> Mapping | None:
        """Return the last mapping that starts below the address."""
        index = self._index(address - 1)
        return self.mappings[index] if index >= 0 else None

    # The system calls.

    def mmap(
        self,
        length: int,
        access: int,
        *,
        address: int = 0,
        shared: bool = False,
        file: File | None = None,
        offset: int = 0,
        fixed: bool = False,
        noreplace: bool = False,
        grows_down: bool = False,
    ) -> int | str:
        """Map `length` bytes; return where, or the errno. Without `fixed` the address is a hint, taken where it is
        free."""
        if length <= 0 or offset % self.limits.page_size:
            return "EINVAL"
        size = self.limits.page_up(length)
        # Before a place is looked for: a call that then fails has taken the key of execute-only memory all the same
        # (do_mmap(), seen on 6.18).
        key = self.keys.key_for(access)
        place = self._choose(size, address, fixed or noreplace, anonymous=file is None and not shared)
        if isinstance(place, str):
            return place
        if noreplace and self.overlapping(place, place + size):
            return "EEXIST"
        if shared and file is None:
            self._files += 1
            file, offset = File(f"shared anonymous {self._files}", size), 0
        self._cut(place, place + size)
        new = Mapping(
            place,
            place + size,
            access,
            shared,
            file,
            offset if file is not None else place,
            grows_down,
            accounted=not shared and bool(access & WRITE),
            key=key,
        )
        self._insert(new, merge_next=True)
        return place

    def munmap(self, address: int, length: int) -> int | str:
        """Unmap [address, address + length); a mapping across an edge is split. Return 0, or the errno."""
        if (
            address % self.limits.page_size
            or length <= 0
            or address + length > self.limits.highest + self.limits.page_size
        ):
            return "EINVAL"
        self._cut(address, address + self.limits.page_up(length))
        return 0

    def mprotect(self, address: int, length: int, access: int, key: int | None = None) -> int | str:
        """Change the access of the range, and with `key` (pkey_mprotect) its protection key. Up to the first hole it
        is changed even where the answer is ENOMEM, as in the kernel."""
        refused = "" if key is None else self.keys.refuses(key)
        if refused or address % self.limits.page_size:
            return refused or "EINVAL"
        at, end = address, address + self.limits.page_up(length)
        while at < end:
            mapping = self.find(at)
            if mapping is None:
                return "ENOMEM"
            until = min(mapping.end, end)
            new_key = self.keys.key_for(access, mapping.key, mapping.access) if key is None else key
            if (access, new_key) != (mapping.access, mapping.key):
                self._change(mapping, at, until, access, new_key)
            at = until
        return 0

    def brk(self, address: int) -> int:
        """Move the break; return where it is then (where it was, if it cannot move there)."""
        if address < self.start_brk:
            return self.brk_address
        old, new = self.limits.page_up(self.brk_address), self.limits.page_up(address)
        if new < old:
            self._cut(new, old)
        elif new > old:
            # mirrors the kernel's brk(): a page stays free below the next mapping, and the guard gap below one that
            # grows down
            following = self.above(old)
            if following is not None and new + self.limits.page_size > self._start_with_gap(following):
                return self.brk_address
            self._insert(Mapping(old, new, READ | WRITE, offset=old, accounted=True), merge_next=False)
        self.brk_address = address
        return address

    def overlapping(self, start: int, end: int) -> list[Mapping]:
        """Return the mappings that share a page with [start, end)."""
        return [each for each in self.mappings if each.start < end and start < each.end]

    def grow(self, mapping: Mapping, start: int) -> None:
        """Extend a mapping that grows down to `start`."""
        index = self.mappings.index(mapping)
        self.mappings[index] = replace(mapping, start=start, offset=mapping.offset - (mapping.start - start))

    def give_family(self, mapping: Mapping) -> Mapping:
        """The mapping gets its first page of its own: join a neighbour's family where that is allowed
        (anon_vma_prepare). Return it as it is then."""
        if mapping.anonymous_family is not None:
            return mapping
        index = self.mappings.index(mapping)
        neighbours = self.mappings[index + 1 : index + 2] + self.mappings[max(index - 1, 0) : index]
        for other in neighbours:
            pair = (mapping, other) if other.start > mapping.start else (other, mapping)
            same = (other.accounted, other.key) == (mapping.accounted, mapping.key)
            if other.anonymous_family is not None and same and continues(*pair):
                family = other.anonymous_family
                break
        else:
            self._families += 1
            family = self._families
        self.mappings[index] = replace(mapping, anonymous_family=family)
        return self.mappings[index]

    # How they work.

    def _index(self, address: int) -> int:
        return bisect_right([each.start for each in self.mappings], address) - 1

    def _start_with_gap(self, mapping: Mapping) -> int:
        """Return where the mapping begins, its guard gap counted in (vm_start_gap)."""
        return max(mapping.start - self.limits.guard_gap, 0) if mapping.grows_down else mapping.start

    def _choose(self, size: int, address: int, fixed: bool, anonymous: bool) -> int | str:
        """Return where a new mapping goes."""
        if fixed:
            if address % self.limits.page_size or address + size > self.limits.highest:
                return "EINVAL" if address % self.limits.page_size else "ENOMEM"
            return address if address >= self.limits.lowest else "EPERM"
        if address:
            hint = max(self.limits.page_up(address), self.limits.lowest)
            if hint + size <= self.limits.highest and self._is_free(hint, size):
                return hint
        aligned = (0, huge_page(self.limits.page_size)) if anonymous and self.limits.huge_alignment else None
        guards = {each.start: self._start_with_gap(each) for each in self.mappings if each.grows_down}
        place = place_mapping(self._taken, size, self.limits.lowest, self.limits.mmap_base, aligned, guards)
        return "ENOMEM" if place is None else place

    def _taken(self) -> Iterator[tuple[int, int]]:
        return ((each.start, each.end) for each in reversed(self.mappings))

    def _is_free(self, start: int, size: int) -> bool:
        """Whether a hint is taken as it is: nothing there, and no stack's guard gap above."""
        following, before = self.above(start), self.below(start)
        return (following is None or start + size <= self._start_with_gap(following)) and (
            before is None or start >= before.end
        )

    def _cut(self, start: int, end: int) -> None:
        """Remove [start, end) from whatever lies there."""
        kept: list[Mapping] = []
        for mapping in self.mappings:
            if mapping.end <= start or mapping.start >= end:
                kept.append(mapping)
                continue
            if mapping.start < start:
                kept.append(mapping.part(mapping.start, start))
            if mapping.end > end:
                kept.append(mapping.part(end, mapping.end))
        self.mappings = kept

    def _insert(self, new: Mapping, merge_next: bool) -> None:
        """Put a mapping into its hole, merged with its neighbours where they continue each other
        (vma_merge_new_range)."""
        index = self._index(new.start) + 1
        self.mappings.insert(index, new)
        self._merge(index, with_next=merge_next)

    def _merge(self, index: int, with_next: bool) -> None:
        """Merge the mapping at `index` with the one before and the one after; where these two are of different
        families, only before."""
        mapping = self.mappings[index]
        before = self.mappings[index - 1] if index else None
        after = self.mappings[index + 1] if with_next and index + 1 < len(self.mappings) else None
        left = before is not None and mergeable(before, mapping)
        right = after is not None and mergeable(mapping, after)
        if left and right and before is not None and after is not None and not one_family(before, after):
            right = False
        first = before if left and before is not None else mapping
        last = after if right and after is not None else mapping
        families = [each.anonymous_family for each in (first, mapping, last) if each.anonymous_family is not None]
        merged = replace(first, end=last.end, access=mapping.access, accounted=mapping.accounted)
        merged = replace(merged, anonymous_family=families[0] if families else None)
        self.mappings[index - 1 if left else index : index + 2 if right else index + 1] = [merged]

    def _change(self, mapping: Mapping, start: int, end: int, access: int, key: int) -> None:
        """Give [start, end) of one mapping another access and key, split and merged as need be (mprotect_fixup)."""
        accounted = mapping.accounted
        if access & WRITE and not mapping.shared and not mapping.access & WRITE:
            accounted = True
        elif self.limits.unaccounts and not access & WRITE and mapping.file is None:
            accounted = accounted and mapping.anonymous_family is not None
        index = self.mappings.index(mapping)
        changed = replace(mapping.part(start, end), access=access, accounted=accounted, key=key)
        pieces = [changed]
        if mapping.start < start:
            pieces.insert(0, mapping.part(mapping.start, start))
        if end < mapping.end:
            pieces.append(mapping.part(end, mapping.end))
        self.mappings[index : index + 1] = pieces
        self._merge(self.mappings.index(changed), with_next=True)
