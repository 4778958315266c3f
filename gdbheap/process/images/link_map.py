"""What the dynamic linker keeps of each loaded module: read from memory, without the linker's debug info."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import PT_DYNAMIC, PT_TLS
from gdbheap.process.images.elf_image import ElfImage, read_dynamic, read_image
from gdbheap.process.memory import Words
from gdbheap.process.process import Process

DT_DEBUG = 21
MAX_MODULES = 8192
# struct link_map is 0x480 to 0x4c0 bytes (64-bit) in glibc 2.31 to 2.43; the TLS members are in its second half.
MAX_LINK_MAP = 0x800


@dataclass(frozen=True)
class TlsPlace:
    """Where a module's TLS block is: `offset` below the thread pointer in every thread (x86; None: not in static
    TLS), `module_id` its index in every thread's DTV, `size` in bytes."""

    offset: int | None
    module_id: int
    size: int


def link_maps(process: Process) -> Iterator[int]:
    """Yield the addresses of the struct link_maps, in load order; none where the dynamic linker has not run or is
    not there."""
    image = read_image(process, process.main) if process.main is not None else None
    debug = read_dynamic(process, image).get(DT_DEBUG, 0) if image is not None else 0
    if not debug:
        return
    words = process.words
    seen: set[int] = set()
    try:
        # struct r_debug: int r_version (padded), struct link_map *r_map
        at = words.read(debug + process.pointer_size)
        while at and at not in seen and len(seen) < MAX_MODULES:
            seen.add(at)
            yield at
            # struct link_map: l_addr, l_name, l_ld, l_next, l_prev
            at = words.read(at + 3 * process.pointer_size)
    except MemoryFault:
        return


def find_tls(process: Process, image: ElfImage) -> TlsPlace | None:
    """Return where a loaded module's TLS block is, from its link_map; None where that cannot be found.

    The members from l_tls_initimage to l_tls_modid have kept their order since glibc 2.3: the first four are what
    the module's PT_TLS says, so that they are found without knowing where in the struct they are.
    """
    tls, dynamic = image.find(PT_TLS), image.find(PT_DYNAMIC)
    if tls is None or dynamic is None:
        return None
    for at in link_maps(process):
        try:
            l_addr, _, l_ld = process.words.read_many(at, 3)
        except MemoryFault:
            return None
        if l_addr == image.load_base and l_ld == dynamic.address:
            return _read_tls(process.words, at, (tls.address, tls.file_size, tls.size, tls.alignment))
    return None


def _read_tls(words: Words, link_map: int, expected: tuple[int, ...]) -> TlsPlace | None:
    """Find initimage, initimage_size, blocksize, align in the link_map: then come firstbyte_offset, offset, modid."""
    for address in range(link_map + 5 * words.size, link_map + MAX_LINK_MAP, words.size):
        try:
            found = words.read_many(address, 7)
        except MemoryFault:
            return None
        if tuple(found[:4]) == expected:
            offset, module_id = found[5], found[6]
            # NO_TLS_OFFSET (0) and FORCED_DYNAMIC_TLS_OFFSET (-1)
            placed = 0 < offset < 1 << 31
            return TlsPlace(offset if placed else None, module_id, expected[2]) if 0 < module_id < MAX_MODULES else None
    return None
