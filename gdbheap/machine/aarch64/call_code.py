"""The bytes of calls."""

from __future__ import annotations

CALL_SIZE = 4


def ends_with_call(code: bytes) -> bool:
    """Whether the four bytes are bl, blr, blraaz, blrabz, blraa or blrab."""
    if len(code) < CALL_SIZE:
        return False
    word = int.from_bytes(code[-CALL_SIZE:], "little")
    return (
        word >> 26 == 0b100101
        or word & 0xFFFF_FC1F == 0xD63F_0000
        or word & 0xFFFF_F81F == 0xD63F_081F
        or word & 0xFFFF_F800 == 0xD73F_0800
    )
