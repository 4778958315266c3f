"""What must be so where `fault` is certain, by what the dying program told and by the kernel's own list of its
mappings: nothing of gdbheap is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.fault_gallery import GLIBC, Death

_SMALL = 1 << 20
# The kernel shows this page as executable, and yet only lets its three entries be called.
_VSYSCALL = range(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000)
# By verdict: whether it can be, from the address that it names and what may be done there ("" where nothing is mapped).
_Holds = Callable[[int, str, int], bool]


def _nothing(address: int, rights: str, bits: int) -> bool:
    return not rights


def _untouchable(address: int, rights: str, bits: int) -> bool:
    return "r" not in rights and "w" not in rights


def _guarded(address: int, rights: str, bits: int) -> bool:
    """From glibc 2.42 a stack's guard is made by madvise, within a mapping that its rights say nothing of."""
    return _untouchable(address, rights, bits) or GLIBC >= (2, 42)


HOLDS: dict[str, _Holds] = {
    "unmapped": _nothing,
    "past_mapping_end": _nothing,
    "jump_to_unmapped": _nothing,
    "no_access": _untouchable,
    "heap_reserve": _untouchable,
    "stack_overflow": _untouchable,
    "thread_stack_overflow": _guarded,
    "write_to_read_only": lambda address, rights, bits: "r" in rights and "w" not in rights,
    "jump_to_non_executable": lambda address, rights, bits: (
        rights != "" and ("x" not in rights or (address in _VSYSCALL and address % 0x400 != 0))
    ),
    "null_pointer": lambda address, rights, bits: address == 0,
    "jump_to_null": lambda address, rights, bits: address == 0,
    "null_plus_offset": lambda address, rights, bits: 0 < address < _SMALL,
    "negative_small": lambda address, rights, bits: address >= (1 << bits) - _SMALL,
    "non_canonical": lambda address, rights, bits: bits == 64 and 0 < (address >> 47) < (1 << 17) - 1,
    "protection_key": lambda address, rights, bits: rights != "",
}


def contradictions(name: str, bits: int, death: Death) -> tuple[int, list[str]]:
    """Return how many certain verdicts of this death were judged, and what speaks against which of them."""
    judged, wrong = 0, []
    for kind, answer in (("live", death.live), ("core", death.core)):
        for row in answer["rows"]:
            holds = HOLDS.get(row["verdict"])
            if row["confidence"] == "certain" and holds is not None and row["address"] is not None:
                judged += 1
                against = _against(row, bits, death, holds)
                wrong += [f"{name}, {kind}: {row['verdict']} at {row['address']}: {each}" for each in against]
    return judged, wrong


def _against(row: dict[str, Any], bits: int, death: Death, holds: _Holds) -> list[str]:
    address = int(row["address"], 16)
    rights = next((each for start, end, each in death.mappings if start <= address < end), "")
    found = []
    if death.told.get("address", address) != address:
        found.append(f"the program died of {death.told['address']:#x}")
    if not holds(address, rights, bits):
        found.append(f"the kernel says {rights!r} of it")
    return found
