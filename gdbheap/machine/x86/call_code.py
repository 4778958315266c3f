"""The bytes of calls."""

from __future__ import annotations

# The lengths of indirect calls (ff /2, with and without a prefix, an index and a displacement).
_CALL_LENGTHS = (2, 3, 4, 6, 7)
LONGEST_CALL = 7


def ends_with_call(code: bytes) -> bool:
    """Whether a call's instruction may end these bytes, of which there are LONGEST_CALL: e8 with a distance, or ff with
    2 in the middle of its ModRM byte."""
    if code[-5] == 0xE8:
        return True
    return any(_is_indirect_call(code[-length:]) for length in _CALL_LENGTHS)


def _is_indirect_call(code: bytes) -> bool:
    """Whether the bytes are ff /2 and just as long as its operand makes it."""
    if code[0] != 0xFF or code[1] >> 3 & 7 != 2:
        return False
    mode, base = code[1] >> 6, code[1] & 7
    if mode == 3:
        return len(code) == 2
    index = 1 if base == 4 else 0
    displacement = {0: 4 if base == 5 else 0, 1: 1, 2: 4}[mode]
    return len(code) == 2 + index + displacement
