"""What one ELF file may cost: pyelftools follows every count and link of a file, also of one that was made to keep
it busy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, FileIO

from elftools.common.exceptions import ELFError

# The largest of glibc, with its debug info, takes a fourteenth of it.
MOST_STEPS = 500_000
# Fields, names and notes are short; sections are read whole, and have bounds of their own.
_MOST_READ = 1 << 20


class Budget:
    """So many steps: reads of a field, attributes of a DIE."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self.left = steps

    def spend(self) -> None:
        """Count one; ELFError where there are none left."""
        self.left -= 1
        if self.left < 0:
            raise ELFError("it takes too long to read")


class BudgetedFile(BufferedReader):
    """An ELF file for pyelftools. A long read is an ELFError, but for sections whose size was found to be bearable."""

    def __init__(self, file: FileIO, budget: Budget) -> None:
        super().__init__(file)
        self._budget = budget
        self._most = _MOST_READ

    @contextmanager
    def unbounded(self) -> Iterator[None]:
        """Let reads be as long as the file is."""
        self._most = os.fstat(self.fileno()).st_size
        try:
            yield
        finally:
            self._most = _MOST_READ

    def read(self, size: int | None = -1, /) -> bytes:
        self._budget.spend()
        if size is None or not 0 <= size <= self._most:
            raise ELFError(f"it would have {size} bytes read at once")
        return super().read(size)


class BudgetedBytes(BytesIO):
    """A section for pyelftools."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data)
        self._budget = budget

    def read(self, size: int | None = -1, /) -> bytes:
        self._budget.spend()
        return super().read(size)

    def tell(self) -> int:
        # pyelftools asks before each attribute, those that are not in the section among them.
        self._budget.spend()
        return super().tell()
