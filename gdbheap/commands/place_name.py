"""What people call an address outside of the heap: a symbol, a thread's frame and local variable, a mapping and the offset in it."""

from __future__ import annotations

from gdbheap.analysis.leaks.roots import STACK, Roots
from gdbheap.commands.command import Target


def place_name(target: Target, roots: Roots, address: int) -> str:
    """Return the name; "" where nothing is known of the address but the number."""
    root = roots.find(address)
    if root is not None and root.kind == STACK:
        return f"{root.name}: {target.stack_place(int(root.name.rpartition(' ')[2]), address)}"
    symbol = target.symbol_at(address)
    if symbol:
        return symbol
    if root is not None:
        return f"{root.name or 'mapping'} at {root.start:#x} + {address - root.start:#x}"
    vma = target.process.address_space.find(address)
    return "" if vma is None else f"{vma.path or 'mapping'} at {vma.start:#x} + {address - vma.start:#x}"
