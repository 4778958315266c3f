"""What namers may ask about single addresses; each asks of values, not of blocks, so that few questions serve many
blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import coded, rows_of_each
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many different values of one column are asked about, the most frequent first; the rest stay without a name.
_MOST_VALUES = 4096


def no_code(address: int) -> tuple[tuple[int, str], ...]:
    """Return the code of no function: for those who cannot disassemble."""
    return ()


def as_linked(name: str) -> str:
    """Return a linked name as it is: for those who cannot demangle."""
    return name


@dataclass(frozen=True)
class Lookup:
    """`symbol_at` gives the symbol at an address (a vtable without a symbol by its type info), `demangled` a
    linked name as C++ writes it, `code_at` the instructions of the function at an address, () where not known."""

    process: Process
    symbol_at: SymbolAt
    demangled: Callable[[str], str] = as_linked
    code_at: Callable[[int], tuple[tuple[int, str], ...]] = no_code
    _symbols: dict[int, NamedAddress | None] = field(default_factory=dict)

    def symbol(self, address: int) -> NamedAddress | None:
        """Return symbol_at(address), asked once."""
        if address not in self._symbols:
            self._symbols[address] = self.symbol_at(address)
        return self._symbols[address]

    def is_code(self, address: int) -> bool:
        """Whether the address is in an executable mapping."""
        vma = self.process.address_space.find(address)
        return vma is not None and vma.executable

    def is_static(self, address: int) -> bool:
        """Whether the address is in a file's mapping."""
        vma = self.process.address_space.find(address)
        return vma is not None and vma.is_file


def values_of(words: NDArray[np.uint64], rows: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each different word of a column among these rows, the most frequent first, and the rows that have it."""
    if not len(rows):
        return
    values, _, which = coded(words[rows])
    order, ends = rows_of_each(which, len(values))
    counts = np.diff(ends, prepend=0)
    for index in np.argsort(-counts, kind="stable")[:_MOST_VALUES].tolist():
        end = int(ends[index])
        yield int(values[index]), rows[order[end - int(counts[index]) : end]]
