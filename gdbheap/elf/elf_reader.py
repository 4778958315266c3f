"""One ELF file: what it says itself (build-id, link to a debug file, glibc's banner), its wanted symbols and
structs."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from gdbheap.elf.budget import Budget, BudgetedBytes
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.dwarf_structs import read_structs, unit_of_source
from gdbheap.elf.elf_facts import build_id_in
from gdbheap.elf.opened_elf import data_of, open_elf, size_of
from gdbheap.elf.symbol_table import read_symbols
from gdbheap.elf.unit_ranges import UnitRanges
from gdbheap.files import open_regular
from gdbheap.lazy import dataclass, regex
from gdbheap.process.cstruct import CStruct
from gdbheap.process.symbols import Symbol

WANTED_SYMBOLS = frozenset(
    (
        *("main_arena", "mp_", "tcache", "thread_arena", "tcache_key", "__tcache_dummy", "global_max_fast"),
        *(
            "perturb_byte",
            "narenas",
            "narenas_limit",
            "next_to_use",
            "free_list",
            "aligned_heap_area",
            "using_malloc_checking",
        ),
        *("__curbrk", "__abort_msg", "__environ", "__libc_version", "__nptl_version", "__libc_single_threaded"),
        *("__malloc_hook", "__free_hook", "__morecore", "malloc", "free", "calloc", "realloc", "abort"),
        *(
            "_int_malloc",
            "_int_free",
            "__libc_malloc",
            "malloc_check",
            "_dl_addr",
            "_dl_map_object",
            "start_thread",
            "__libc_fork",
        ),
    )
)
WANTED_STRUCTS = frozenset(("malloc_state", "malloc_par", "tcache_perthread_struct", "heap_info"))
# Functions in whose compilation unit these are defined; the first that a file has is asked.
FUNCTIONS = ("_int_malloc", "_int_free", "__libc_malloc", "malloc", "malloc_check")
# Texts that tell what the code does: safe-linking came with the first (2.32); of a malloc with tcaches each release
# from 2.29 on has the second.
WANTED_TEXTS = ("malloc(): unaligned fastbin chunk detected", "free(): double free detected in tcache 2")
_BANNER = regex(rb"(?:stable|development) release version (\d+\.\d+)")


# Debug info larger than this is not read (a static program's own, say): symbols and their sizes have to do. Together
# with what goes with it (texts, lines, ranges) it may be more.
MAX_DEBUG_INFO = 128 << 20
_MAX_DEBUG_SECTIONS = 512 << 20
_READ_WITH_DWARF = (".debug_", ".zdebug_", ".eh_frame", ".gnu_debugaltlink")
# What is looked through for texts, and for a checksum.
_MAX_SEARCHED = 1 << 30
_MAX_CHECKED = 4 << 30
_PIECE = 1 << 20
_LONGEST_TEXT = 128

# What pyelftools raises on a file that is broken, or was made to break it.
UNPARSABLE = (
    ELFError,
    DWARFError,
    ConstructError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class ElfContents:
    """What one file says. `link` is its .gnu_debuglink ("" none) and `link_crc` the CRC-32 that file must have."""

    build_id: str = ""
    link: str = ""
    link_crc: int = 0
    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    structs: Mapping[str, CStruct] = field(default_factory=dict)
    version: str = ""
    texts: frozenset[str] = frozenset()
    problem: str = ""


def read_elf(path: str, search: DebugSearch, expected_build_id: str = "") -> ElfContents:
    """Return what the file says; `problem` tells if it, or a part of it, could not be read, or has another build-id
    than expected."""
    try:
        with open_elf(path) as file:
            elf = ELFFile(file)
            build_id = _build_id(elf)
            if expected_build_id and build_id != expected_build_id:
                return ElfContents(problem=f"{path} is not the file that the process runs (its build-id differs)")
            link, crc = _debug_link(elf)
            version, texts = _texts(file)
            symbols = read_symbols(elf, WANTED_SYMBOLS)
            structs, problem = _read_all_structs(elf, path, symbols, search)
            return ElfContents(build_id, link, crc, symbols, structs, version, texts, problem)
    except UNPARSABLE as error:
        return ElfContents(problem=f"{path} cannot be read: {_reason(error)}")


def crc_matches(path: str, crc: int) -> bool:
    """Whether the file's CRC-32 is the one that a .gnu_debuglink asks for."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > _MAX_CHECKED:
                return False
            found = 0
            while piece := file.read(_PIECE):
                found = zlib.crc32(piece, found)
            return found == crc
    except OSError:
        return False


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200].strip(": ")


def _build_id(elf: Any) -> str:
    section = elf.get_section_by_name(".note.gnu.build-id")
    return "" if section is None or section["sh_type"] != "SHT_NOTE" else build_id_in(data_of(section))


def _debug_link(elf: Any) -> tuple[str, int]:
    """Return the name and CRC in .gnu_debuglink: the name, NUL, zeros up to a multiple of 4, the CRC."""
    section = elf.get_section_by_name(".gnu_debuglink")
    if section is None:
        return "", 0
    data = data_of(section)
    name, _, _ = data.partition(b"\0")
    return name.decode("utf-8", "replace"), int.from_bytes(data[-4:], "little" if elf.little_endian else "big")


def _texts(file: Any) -> tuple[str, frozenset[str]]:
    """Return the version that glibc's banner in the file names, and the wanted texts that the file holds."""
    version, texts, kept = "", set(), b""
    for offset in range(0, min(os.fstat(file.fileno()).st_size, _MAX_SEARCHED), _PIECE):
        data = kept + os.pread(file.fileno(), _PIECE, offset)
        banner = None if version else _BANNER.search(data)
        version = banner[1].decode() if banner else version
        texts |= {text for text in WANTED_TEXTS if text.encode() in data}
        kept = data[-_LONGEST_TEXT:]
    return version, frozenset(texts)


def _read_all_structs(
    elf: Any, path: str, symbols: Mapping[str, Symbol], search: DebugSearch
) -> tuple[dict[str, CStruct], str]:
    """Return the wanted structs, and what stood in the way ("" nothing). Symbols are worth having even where DWARF
    is broken."""
    section = elf.get_section_by_name(".debug_info")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return {}, ""
    if section.data_size > MAX_DEBUG_INFO:
        return {}, f"{path} holds {section.data_size >> 20} MiB of debug info: not read"
    budget = Budget()
    found: dict[str, CStruct] = {}
    problem = ""
    try:
        dwarf = _dwarf_of(elf, budget)
        problem = _join_alternate(elf, dwarf, path, search, budget)
        for unit in _units(dwarf, symbols):
            found = read_structs(unit, WANTED_STRUCTS, budget)
            if "malloc_state" in found:
                break
    except UNPARSABLE as error:
        problem = f"the debug info in {path} cannot be read: {_reason(error)}"
    return found, problem


def _dwarf_of(elf: Any, budget: Budget) -> Any:
    """Return pyelftools' DWARFInfo, its sections within the budget; ELFError where they are larger than is read,
    also when inflated."""
    sections = [each for each in elf.iter_sections() if each.name.startswith(_READ_WITH_DWARF)]
    if any(each.name.startswith(".z") for each in sections):
        raise ELFError("its debug info is compressed in the format used before 2013")
    size = sum(size_of(each) for each in sections)
    if size > _MAX_DEBUG_SECTIONS:
        raise ELFError(f"its debug info takes {size >> 20} MiB")
    with elf.stream.unbounded():
        dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False)
    for name, each in list(vars(dwarf).items()):
        if hasattr(each, "stream") and hasattr(each, "_replace"):
            setattr(dwarf, name, each._replace(stream=BudgetedBytes(each.stream.getvalue(), budget)))
    return dwarf


def dwarf_in(path: str, search: DebugSearch, budget: Budget) -> Any | None:
    """Return pyelftools' DWARFInfo of a file, with what dwz moved elsewhere; None where it has none, or more than is
    read. Raise what pyelftools does (UNPARSABLE)."""
    with open_elf(path) as file:
        elf = ELFFile(file)
        section = elf.get_section_by_name(".debug_info")
        if section is None or section["sh_type"] == "SHT_NOBITS" or section.data_size > MAX_DEBUG_INFO:
            return None
        dwarf = _dwarf_of(elf, budget)
        _join_alternate(elf, dwarf, path, search, budget)
        return dwarf


def _units(dwarf: Any, symbols: Mapping[str, Symbol]) -> Iterator[Any]:
    """Yield the compilation units that may define malloc's structs: those with its functions' code, at last the one
    named malloc.c."""
    ranges = UnitRanges(dwarf)
    for name in FUNCTIONS:
        offset = ranges.unit(symbols[name].value) if name in symbols else None
        if offset is not None:
            yield dwarf.get_CU_at(offset)
    unit = unit_of_source(dwarf, "malloc.c") if "main_arena" in symbols else None
    if unit is not None:
        yield unit


def _join_alternate(elf: Any, dwarf: Any, path: str, search: DebugSearch, budget: Budget) -> str:
    """Give `dwarf` the file that dwz moved shared parts to, if it names one; return "", or that this file is not
    here."""
    section = elf.get_section_by_name(".gnu_debugaltlink")
    if section is None:
        return ""
    data, _, build_id = data_of(section).partition(b"\0")
    name = data.decode("utf-8", "replace")
    for alternate in search.by_alternate(path, name, build_id.hex()):
        # pyelftools has read all sections by the time that the file is closed.
        with open_elf(alternate) as file:
            other = ELFFile(file)
            if _build_id(other) == build_id.hex():
                dwarf.supplementary_dwarfinfo = _dwarf_of(other, budget)
                return ""
    return f"a part of the debug info in {path} lies in {name}, which is not here"
