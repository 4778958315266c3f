"""The sections of debug information in one file, inflated, no more of them than is bearable."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from gdbheap.elf.elf_facts import build_id_in
from gdbheap.elf.opened_elf import data_of, open_elf
from gdbheap.elf.types.zstd import inflated
from gdbheap.lazy import dataclass

# Debug information of more than this, inflated, is not read.
MOST_INFO = 256 << 20
_MOST_SECTIONS = 512 << 20
_NAMES = ("info", "types", "abbrev", "str", "line_str", "str_offsets", "addr", "cu_index", "tu_index")
_ZLIB, _ZSTD = 1, 2
_IN_MEMORY, _CODE, _THREAD_LOCAL = 0x2, 0x4, 0x400


@dataclass(frozen=True)
class DebugSections:
    """What one file has of debug information: its sections by name ("info", of a .dwo file too), the `data` ranges of
    addresses in which variables may lie, the range of the `thread_locals` as the file has them, and the file that dwz
    moved shared parts to: its name and build-id."""

    path: str
    sections: Mapping[str, bytes]
    address_size: int = 8
    data: tuple[tuple[int, int], ...] = ()
    thread_locals: tuple[int, int] = (0, 0)
    alternate: tuple[str, str] = ("", "")
    build_id: str = ""

    def __getitem__(self, name: str) -> bytes:
        """Return a section, b"" for none."""
        return self.sections.get(name, b"")


def read_sections(path: str, split: bool = False) -> DebugSections | None:
    """Return the debug information of a file (`split`: of a .dwo or .dwp file), None for none; ELFError and its like
    where it cannot be read, or is larger than is read."""
    with open_elf(path) as file:
        elf: Any = ELFFile(file)
        headers = _wanted(elf, split)
        if "info" not in headers and "types" not in headers:
            return None
        found: dict[str, list[bytes]] = {}
        left = _MOST_SECTIONS
        for name, section in ((name, each) for name, of_name in headers.items() for each in of_name):
            size = _size_of(section)
            left -= size
            if left < 0 or (name in ("info", "types") and size > MOST_INFO):
                raise ELFError(f"{size >> 20} MiB of {section.name} are more than is read")
            # A .dwo file has one for each of its types, which lie one behind the other where it is packed.
            found.setdefault(name, []).append(_inflated(section, size))
        data, own = _ranges(elf)
        size = 4 if elf.elfclass == 32 else 8
        whole = {name: b"".join(parts) for name, parts in found.items()}
        return DebugSections(path, whole, size, data, own, _alternate(elf), _build_id(elf))


def _wanted(elf: Any, split: bool) -> dict[str, list[Any]]:
    """Return the sections by name."""
    found: dict[str, list[Any]] = {}
    for section in elf.iter_sections():
        name = section.name
        if split and not name.endswith("_index"):
            name = name[: -len(".dwo")] if name.endswith(".dwo") else ""
        name = name[2:] if name.startswith(".z") else name[1:]
        if name.startswith("debug_") and name[len("debug_") :] in _NAMES and section["sh_type"] != "SHT_NOBITS":
            found.setdefault(name[len("debug_") :], []).append(section)
    return found


def _raw(section: Any) -> bytes:
    stream = section.stream
    with stream.unbounded():
        stream.seek(section["sh_offset"])
        return bytes(stream.read(section["sh_size"]))


def _size_of(section: Any) -> int:
    """Return the size of a section, inflated."""
    if section.name.startswith(".z"):
        stream = section.stream
        stream.seek(section["sh_offset"])
        head = stream.read(12)
        return int.from_bytes(head[4:], "big") if head[:4] == b"ZLIB" else 0
    return int(section.data_size)


def _inflated(section: Any, size: int) -> bytes:
    raw = _raw(section)
    if section.name.startswith(".z"):
        return _zlib(raw[12:], size)
    if not section.compressed:
        return raw
    head = section.structs.Elf_Chdr.sizeof()
    (kind,) = struct.unpack_from("<I", raw)
    if kind == _ZSTD:
        return inflated(raw[head:], size, section.name)
    return _zlib(raw[head:], size)


def _zlib(raw: bytes, size: int) -> bytes:
    # To zlib a bound of 0 is none.
    found = zlib.decompressobj().decompress(raw, size) if size else b""
    if len(found) != size:
        raise ELFError("it is compressed, and not to the size that it claims")
    return found


def _ranges(elf: Any) -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
    """Return where variables lie: in what is in memory and is no code; and where the initial values of the
    thread-local ones do."""
    data: list[tuple[int, int]] = []
    own: list[tuple[int, int]] = []
    for section in elf.iter_sections():
        flags, start = section["sh_flags"], section["sh_addr"]
        if flags & _IN_MEMORY and not flags & _CODE:
            (own if flags & _THREAD_LOCAL else data).append((start, start + section["sh_size"]))
    return tuple(data), (min(own)[0], max(end for _, end in own)) if own else (0, 0)


def _alternate(elf: Any) -> tuple[str, str]:
    section = elf.get_section_by_name(".gnu_debugaltlink")
    if section is None:
        return "", ""
    name, _, build_id = data_of(section).partition(b"\0")
    return name.decode("utf-8", "replace"), build_id.hex()


def _build_id(elf: Any) -> str:
    section = elf.get_section_by_name(".note.gnu.build-id")
    return "" if section is None or section["sh_type"] != "SHT_NOTE" else build_id_in(data_of(section))
