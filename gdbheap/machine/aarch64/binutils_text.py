"""Instructions as binutils writes them, out of what capstone does."""

from __future__ import annotations

import re

from gdbheap.lazy import regex

# Branches to an address, which binutils writes without a mark.
_BRANCHES = regex(r"b|bl|b\.\w+|bc\.\w+|cbn?z|tbn?z|adrp?")
_LAST = regex(r"#(0x[0-9a-f]+)$")
# Of these the numbers are hexadecimal (but for a distance that is shifted by), of all others decimal.
_IN_HEX = regex(r"adds?|subs?|cm[np]|mov[nzk]?|ands?|orr|eor|tst|svc|hvc|smc|brk|hlt|dcps[123]|msr|ccm[np]|sysl?")
_NUMBER = regex(r"(?P<before>lsl|lsr|asr|ror|[su]xt[bhwx]|msl)? ?#(?P<sign>-?)(?P<value>0x[0-9a-f]+|\d+)\b(?!\.)")


def binutils_text(mnemonic: str, operands: str) -> tuple[str, str]:
    """Return an instruction's mnemonic and operands as binutils (and gdb) have them."""
    if _BRANCHES.fullmatch(mnemonic):
        operands = _LAST.sub(r"\1", operands)

    def number(match: re.Match[str]) -> str:
        value = int(match["value"], 0)
        is_hex = not match["before"] and _IN_HEX.fullmatch(mnemonic)
        text = f"#{match['sign']}{value:#x}" if is_hex else f"#{match['sign']}{value}"
        return f"{match['before']} {text}" if match["before"] else f"{match[0][: match[0].index('#')]}{text}"

    return mnemonic, _NUMBER.sub(number, operands)
