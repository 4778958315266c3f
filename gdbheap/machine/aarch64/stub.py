"""The stubs of a PLT on aarch64."""

from __future__ import annotations

# adrp x16, PAGE; ldr x17, [x16, #OFFSET]; ...; br x17. A landing pad (bti c) may stand before it.
_LANDING = (0xD503245F).to_bytes(4, "little")
_PAGE_SHIFT = 12


def stub_slot(code: bytes, address: int) -> int | None:
    """Return the slot that a stub at the address jumps by; None where the code is none."""
    if code.startswith(_LANDING):
        address, code = address + 4, code[4:]
    page, load = (int.from_bytes(code[at : at + 4], "little") for at in (0, 4))
    if page & 0x9F00_001F != 0x9000_0010 or load & 0xFFC0_03FF != 0xF940_0211:
        return None
    distance = (page >> 5 & 0x7FFFF) << 2 | page >> 29 & 3
    distance -= (distance >> 20 & 1) << 21
    return ((address >> _PAGE_SHIFT) + distance << _PAGE_SHIFT) + (load >> 10 & 0xFFF) * 8
