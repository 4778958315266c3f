"""Which loaded modules may hold a glibc malloc, and where their data lies."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import LibcNotShown, MemoryFault, NoHeap
from gdbheap.lazy import dataclass, regex
from gdbheap.process.address_space import VMA
from gdbheap.process.dynamic_symbols import DynamicSymbols
from gdbheap.process.images.auxv import AT_BASE
from gdbheap.process.images.elf_headers import PF_W, PT_DYNAMIC, PT_INTERP, PT_LOAD
from gdbheap.process.images.elf_image import ElfImage, read_image
from gdbheap.process.images.link_map import link_maps
from gdbheap.process.process import Module, Process
from gdbheap.process.symbols import ModuleSymbols, SymbolsOf

_DELETED = " (deleted)"
_GLIBC = regex(r"libc\.so\.6(\.1)?|libc-2\.\d+(\.9000)?\.so")
_SONAME = regex(r"libc\.so\.6(\.1)?")
_MALLOC_DEBUG = regex(r"libc_malloc_debug\.so(\.\d+)?")
_OTHER_LIBC = regex(r"ld-musl-.*|libc\.musl-.*|libc\.so|ld-uClibc.*|libuClibc.*")
_OTHER_MALLOC = regex(r"lib(jemalloc|tcmalloc|mimalloc|hoard|snmalloc|rpmalloc|[alt]san)[-_.].*")


@dataclass(frozen=True)
class Libc:
    """A module that may hold malloc. `image` is None where its ELF header cannot be read in memory; `static` for a
    program that has libc linked in; `debug` for libc_malloc_debug.so, whose malloc replaces libc's when it is
    preloaded."""

    module: Module
    image: ElfImage | None
    symbols: ModuleSymbols
    static: bool = False
    debug: bool = False

    def address(self, name: str) -> int | None:
        """Return where a symbol is in the process, or None where there is none of that name (or it is thread-local)."""
        symbol = self.symbols.symbols.get(name)
        return None if symbol is None or symbol.tls else symbol.value + self.module.load_base


def find_libcs(process: Process, symbols_of: SymbolsOf) -> list[Libc]:
    """Return the modules that may hold the process's malloc, the likeliest first; raise NoHeap where there is none."""
    if not process.holds_written:
        raise NoHeap(
            "nothing of the heap is in this core: it holds no memory that the process wrote (bit 0 of "
            "coredump_filter is clear)"
        )
    modules = [(_file_name(each), each) for each in process.modules]
    debug = [each for name, each in modules if _MALLOC_DEBUG.fullmatch(name)]
    shared = [each for name, each in modules if _GLIBC.fullmatch(name)] or renamed_libcs(process)
    if shared:
        found = [(each, each in debug, False) for each in (*debug, *shared)]
    else:
        found = [(_static_program(process, [name for name, _ in modules]), False, True)]
    return [
        Libc(module, read_image(process, module), symbols_of(module), static=static, debug=debug)
        for module, debug, static in found
    ]


def renamed_libcs(process: Process) -> list[Module]:
    """Return what is glibc's libc under a file name of its own (handed out with a program, and preloaded), where
    there is none under the usual ones."""
    if any(_GLIBC.fullmatch(_file_name(each)) for each in process.modules):
        return []
    return [each for each in process.modules if _is_glibc(process, each)]


def other_mallocs(process: Process) -> list[str]:
    """Return the names of the modules that serve malloc in glibc's place: those before libc, in the order that the
    dynamic linker looks through, that define it; as far as names tell where that order is not known."""
    order = list(_in_search_order(process))
    if not order:
        return sorted({name for name in map(_file_name, process.modules) if _OTHER_MALLOC.fullmatch(name)})
    found = [module for module in order if _defines(process, module, "malloc")]
    return [f"the program itself ({_file_name(each)})" if each == process.main else _file_name(each) for each in found]


def _in_search_order(process: Process) -> Iterator[Module]:
    """Yield the modules that a symbol is looked for in before libc: the program, what is preloaded, what they need.
    None where the dynamic linker has not run, or libc is not among what it knows. Its own malloc is for itself."""
    by_base = {module.load_base: module for module in process.modules if module.load_base != process.auxv.get(AT_BASE)}
    found: list[Module] = []
    for at in link_maps(process):
        try:
            module = by_base.get(process.words.read(at))
        except MemoryFault:
            return
        if module is not None and not _MALLOC_DEBUG.fullmatch(_file_name(module)):
            if _GLIBC.fullmatch(_file_name(module)) or _is_glibc(process, module):
                yield from found
                return
            found.append(module)


def _is_glibc(process: Process, module: Module) -> bool:
    """Whether the module is glibc's libc, whatever its file is called."""
    image = read_image(process, module)
    if image is None or image.find(PT_DYNAMIC) is None:
        return False
    dynamic = DynamicSymbols(process, image)
    return _SONAME.fullmatch(dynamic.soname) is not None or dynamic.defines("gnu_get_libc_version")


def _defines(process: Process, module: Module, name: str) -> bool:
    image = read_image(process, module)
    return image is not None and DynamicSymbols(process, image).defines(name)


def data_ranges(process: Process, libc: Libc) -> list[tuple[int, int]]:
    """Return the page-aligned [start, end) that hold the module's initialised data, in order of address."""
    if libc.image is not None:
        loads = [each for each in libc.image.segments if each.kind == PT_LOAD and each.flags & PF_W and each.file_size]
        space = process.address_space
        return sorted(
            part
            for each in loads
            for part in space.parts(process.page_of(each.address), process.page_after(each.address + each.file_size))
        )
    return [(vma.start, vma.end) for vma in _data_mappings(process, libc.module.path)]


def holds(process: Process, libc: Libc, address: int) -> bool:
    """Whether `address` lies in the module's mappings, its bss included."""
    if libc.image is not None:
        return libc.image.holds(address)
    vma = process.address_space.find(address)
    return vma is not None and vma.path == libc.module.path


def _data_mappings(process: Process, path: str) -> Iterator[VMA]:
    return (vma for vma in process.address_space if vma.path == path and vma.readable and vma.writable)


def _file_name(module: Module) -> str:
    path = module.path[: -len(_DELETED)] if module.path.endswith(_DELETED) else module.path
    return path.rpartition("/")[2]


def _static_program(process: Process, names: list[str]) -> Module:
    """Return the program itself, if it may have libc linked in; raise NoHeap with the reason where it cannot."""
    other = next((name for name in names if _OTHER_LIBC.fullmatch(name)), None)
    if other is not None:
        raise NoHeap(f"this process uses {other}, not glibc: gdbheap reads glibc's malloc only")
    if not process.address_space.vmas:
        raise NoHeap("the mappings of this process are not known, so its libc cannot be found")
    main = process.main
    if main is None:
        raise NoHeap(
            "no libc is mapped, and the program's own file is not known: give gdb the program (`file PROGRAM`)"
        )
    image = read_image(process, main)
    if image is not None and image.find(PT_INTERP) is not None:
        if process.kind == "core":
            raise LibcNotShown("the core does not show where libc is, so its heap is unknown")
        raise NoHeap("libc is not loaded yet: let the program run further (`start`, or a breakpoint on main)")
    return main
