"""C++ type information in memory: the second word of a std::type_info leads to the type's name, mangled (Itanium C++
ABI, 2.9.4)."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.lazy import regex
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process

_LONGEST = 512
# No part of an object lies further from its start.
_LARGEST = 1 << 24
# "3Car", "N3app3CarE", "PKc", "i"; "*..." where it is compared by address.
_NAME = regex(r"\*?(?P<name>[A-Za-z0-9_$.]+)")


def type_name(process: Process, info: int) -> str:
    """Return the mangled name of the type whose type_info is at the address; "" where it cannot be one."""
    try:
        pointer = process.words.read(info + process.pointer_size)
    except (MemoryFault, OverflowError):
        return ""
    match = _NAME.fullmatch(text_at(process.memory, pointer, _LONGEST).decode("ascii", "replace"))
    return match["name"] if match else ""


def class_of_vtable(process: Process, vtable: int) -> str:
    """Return the linked name ("_ZTV3Car") of the vtable that a word of an object points to, as the type info in front
    of it tells; "" where there is none."""
    pointer_size = process.pointer_size
    try:
        # offset to top (0 in what begins an object, below in a part of it), type info; in that, its own vtable and
        # its name
        top, info = process.words.read_many(vtable - 2 * pointer_size, 2)
        if (
            -top % (1 << 8 * pointer_size) > _LARGEST
            or info % pointer_size
            or not _are_static(process, info, *process.words.read_many(info, 2))
        ):
            return ""
    except (MemoryFault, OverflowError):
        return ""
    name = type_name(process, info)
    return f"_ZTV{name}" if name[:1].isdigit() or name[:1] in ("N", "S", "Z") else ""


def _are_static(process: Process, *addresses: int) -> bool:
    vmas = [process.address_space.find(address) for address in addresses]
    return all(vma is not None and vma.is_file for vma in vmas)
