"""The class of a C++ object in a program without symbols: its vtable leads to the type info that the compiler has put beside it."""

from __future__ import annotations

import re

from gdbheap.errors import MemoryFault
from gdbheap.process.process import Process

# The name of a type as std::type_info has it (Itanium C++ ABI, 2.9.4): "3Car", "N3app3CarE", "*..." where it is compared by address.
_NAME = re.compile(rb"\*?(?P<name>[0-9NSZ][A-Za-z0-9_$.]{1,500})\0")
_LONGEST = 512


def class_of_vtable(process: Process, vtable: int) -> str:
    """Return the linked name ("_ZTV3Car") of the vtable that an object's first word points to, as the type info in front of it tells; ""
    where there is none."""
    word = process.word
    try:
        # offset to top (0 in what begins an object), type info; in that, its own vtable and its name
        top, type_info = process.words.read_many(vtable - 2 * word, 2)
        if top or not _is_static(process, type_info) or type_info % word:
            return ""
        own, name = process.words.read_many(type_info, 2)
        if not (_is_static(process, own) and _is_static(process, name)):
            return ""
        vma = process.address_space.find(name)
        assert vma is not None
        match = _NAME.match(process.memory.read(name, min(_LONGEST, vma.end - name)))
    except (MemoryFault, OverflowError):
        return ""
    return f"_ZTV{match['name'].decode()}" if match else ""


def _is_static(process: Process, address: int) -> bool:
    vma = process.address_space.find(address)
    return vma is not None and vma.is_file
