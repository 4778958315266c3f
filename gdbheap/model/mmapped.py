"""mmapped: chunks that are mappings of their own."""

from __future__ import annotations

from gdbheap.model.machine import FLAGS, IS_MMAPPED, ModelMalloc


def wanted(m: ModelMalloc, size: int) -> bool:
    """Return whether sysmalloc maps a chunk of `size` rather than grow the heap."""
    return size >= m.parameter("mmap_threshold") and _signed(m.parameter("n_mmaps")) < _signed(
        m.parameter("n_mmaps_max")
    )


def _signed(value: int) -> int:
    return value - (1 << 32) if value & 0x80000000 else value


def overhead(m: ModelMalloc) -> int:
    """Return what a chunk's size leaves out of its mapping, in bytes."""
    return m.traits.mmapped_overhead_words * m.pointer_size


def usable_tail(m: ModelMalloc) -> int:
    """Return how much of the size is not usable: where the mapping ends with the chunk, no word of a next chunk can
    be lent."""
    return m.pointer_size if overhead(m) else m.header


def offset_of(m: ModelMalloc, chunk: int) -> int:
    """Return how far into its mapping a chunk starts. Bit 0 of the field tells of huge pages where the mapping has
    an overhead."""
    return m.load(chunk) & ~1 if overhead(m) else m.load(chunk)


def allocate(m: ModelMalloc, size: int) -> int:
    """Map a chunk of `size`; return its mem, or 0 (sysmalloc_mmap)."""
    # room for the alignment within the mapping; from 2.43 it is part of the overhead
    slack = (overhead(m) and m.align) or m.pointer_size + (m.align - 1 if m.align > m.header else 0)
    length = m.page_up(size + slack)
    if length <= size or length > m.mask:
        return 0
    start = m.kernel.mmap(length)
    if start is None:
        return 0
    lead = -(start + m.header) & (m.align - 1)
    chunk = start + lead
    m.mmapped_chunks.add(chunk)
    m.store(chunk, lead)
    m.store(chunk + m.SIZE, (length - lead - overhead(m)) | IS_MMAPPED)
    count = m.parameter("n_mmaps") + 1
    m.set_parameter("n_mmaps", count)
    m.set_parameter("max_n_mmaps", max(m.parameter("max_n_mmaps"), count))
    _add_bytes(m, length)
    m.step("mmap", length)
    return chunk + m.header


def _add_bytes(m: ModelMalloc, length: int) -> None:
    total = (m.parameter("mmapped_mem") + length) & m.mask
    m.set_parameter("mmapped_mem", total)
    m.set_parameter("max_mmapped_mem", max(m.parameter("max_mmapped_mem"), total))


def _checked_extent(m: ModelMalloc, chunk: int, who: str) -> tuple[int, int]:
    """Return (start, length) of the chunk's mapping, or abort in the name of `who`."""
    offset = offset_of(m, chunk)
    start = (chunk - offset) & m.mask
    length = (offset + m.size_of(chunk) + overhead(m)) & m.mask
    mem = (chunk + m.header) & (m.page_size - 1)
    m.check(not (start | length) & (m.page_size - 1) and not mem & (mem - 1), f"{who}(): invalid pointer")
    return start, length


def free(m: ModelMalloc, chunk: int) -> None:
    """Unmap a chunk (munmap_chunk)."""
    start, length = _checked_extent(m, chunk, "munmap_chunk")
    m.set_parameter("n_mmaps", m.parameter("n_mmaps") - 1)
    m.set_parameter("mmapped_mem", (m.parameter("mmapped_mem") - length) & m.mask)
    m.kernel.munmap(start, length)
    m.mmapped_chunks.discard(chunk)
    m.step("munmap", length)


def adjust_threshold(m: ModelMalloc, chunk: int) -> None:
    """Raise the mmap threshold to the size of a chunk about to be freed, where that is dynamic and the chunk is
    larger."""
    raw = m.load(chunk + m.SIZE)
    if m.parameter("no_dyn_threshold") or not m.parameter("mmap_threshold") < raw <= m.traits.mmap_threshold_max:
        return
    size = raw & ~FLAGS
    m.set_parameter("mmap_threshold", size)
    m.set_parameter("trim_threshold", 2 * size)
    m.step("threshold", size)


def resize(m: ModelMalloc, chunk: int, size: int) -> int:
    """Make the mapping of a chunk fit `size`; return the chunk, moved or not, or 0 (mremap_chunk)."""
    start, length = _checked_extent(m, chunk, "mremap_chunk")
    offset = offset_of(m, chunk)
    target = m.page_up(size + offset + (overhead(m) or m.pointer_size))
    if target == length:
        m.step("same pages")
        return chunk
    moved = m.kernel.mremap(start, length, target)
    if moved is None:
        return 0
    m.mmapped_chunks.discard(chunk)
    chunk = moved + offset
    m.mmapped_chunks.add(chunk)
    m.store(chunk + m.SIZE, (target - offset - overhead(m)) | IS_MMAPPED)
    # the statistics forget the overhead
    _add_bytes(m, target - length + overhead(m))
    m.step("mremap", target)
    return chunk
