"""An address among other numbers."""

from __future__ import annotations


class Address(int):
    """An int that is an address: written in hex, and in JSON as a hex string."""

    def __str__(self) -> str:
        return f"{int(self):#x}"
