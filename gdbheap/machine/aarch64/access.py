"""Which A64 instructions read and write memory, and which want it aligned."""

from __future__ import annotations

from gdbheap.lazy import regex
from gdbheap.machine.aarch64.operand_size import operand_size
from gdbheap.machine.instruction import READ, WRITE

# Prefetches do not fault; of SVE's loads those of ldnf1 do not.
_SILENT = regex(r"prfu?m|rprfm|prf[bhwd]|ldnf1\w*")
# LSE's atomics, whose names begin with ld as well: they read and write.
_ATOMIC = regex(
    r"t?(ld|st)(add|clr|eor|set|[us](max|min))p?(a|l|al)?[bh]?|t?swpt?p?(a|l|al)?[bh]?|r?(swp|cas)p?(a|l|al)?[bh]?|"
    r"cas?p?t?(a|l|al)?[bh]?"
)
_STORE = regex(r"st(?!add|clr|eor|set|[us](max|min))\w+|stz?2?g|stzgm")
_LOAD = regex(r"ld\w+")
# What fails where its address is no multiple of what it accesses: exclusives, atomics, and on processors without LSE2
# what acquires and releases. (With it only what crosses a boundary of 16 bytes fails.)
_ORDERED = regex(r"ld(l?a|a?x|lax)[rp][bh]?|ldapr[bh]?|st(l?l|l?x)[rp][bh]?|ldapurs?[bhw]?|stlur[bh]?|ldiapp|stilp")
_GRANULE = 16
_BY_GRANULE = regex(r"stg|st2g|stzg|stz2g|stgp")


def is_silent(mnemonic: str) -> bool:
    """Whether an instruction that names memory faults for none."""
    return _SILENT.fullmatch(mnemonic) is not None


def access_of(mnemonic: str) -> str:
    """Return READ or WRITE (what does both writes), "" for what accesses no memory."""
    if _ATOMIC.fullmatch(mnemonic) or _STORE.fullmatch(mnemonic):
        return WRITE
    return READ if _LOAD.fullmatch(mnemonic) else ""


def alignment_of(mnemonic: str, operands: tuple[str, ...]) -> int:
    """Return of what the address must be a multiple, 0 of nothing."""
    if _BY_GRANULE.fullmatch(mnemonic):
        return _GRANULE
    if mnemonic in ("ld64b", "st64b", "st64bv", "st64bv0"):
        return 64
    if _ATOMIC.fullmatch(mnemonic) or _ORDERED.fullmatch(mnemonic):
        return operand_size(mnemonic, operands, {})
    return 0
