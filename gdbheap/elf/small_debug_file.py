"""The debug file that a stripped program may carry in itself, compressed (.gnu_debugdata: Fedora's "minidebuginfo")."""

from __future__ import annotations

import lzma
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from gdbheap.elf.budget import Budget, BudgetedBytes
from gdbheap.elf.opened_elf import data_of

_SECTION = ".gnu_debugdata"
# Chromium's would have some 40 MB; xz packs zeros 7,000 times.
_MOST_PACKED, _MOST_UNPACKED = 64 << 20, 256 << 20
_MOST_FOR_XZ = 256 << 20


class SmallFile(BudgetedBytes):
    """Such a file for pyelftools: in memory, so that no read is too long."""

    def unbounded(self) -> SmallFile:
        return self

    def __exit__(self, *_: object) -> None:
        """It stays open: only its bounds end."""


def small_debug_file(elf: Any) -> Any | None:
    """Return the file that `elf` (an ELFFile) carries as an ELFFile; None where it carries none; ELFError where that is
    broken, or larger than is read."""
    section = elf.get_section_by_name(_SECTION)
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    packed = data_of(section, _MOST_PACKED)
    try:
        reader = lzma.LZMADecompressor(memlimit=_MOST_FOR_XZ)
        data = reader.decompress(packed, _MOST_UNPACKED)
    except (lzma.LZMAError, EOFError) as error:
        raise ELFError(f"its {_SECTION} is damaged: {error}") from error
    if not reader.eof:
        raise ELFError(f"its {_SECTION} is cut off, or larger than is read")
    return ELFFile(SmallFile(data, Budget()))
