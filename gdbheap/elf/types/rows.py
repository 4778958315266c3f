"""What is read out of the entries, as rows of numbers: a reference is the place of an entry, not yet a type's
number."""

from __future__ import annotations

from array import array

from elftools.common.exceptions import DWARFError

NO_PLACE = -1
"""The place of no entry."""
FILE_SHIFT = 40
"""A place is an entry's offset in its section, and above it the section's number among those that are read."""

# More is not read: 80 MB of types, 80 MB of members. A program with 45 MB of debug information has a sixth of it.
MOST_TYPES = 1_500_000
MOST_MEMBERS = 2_000_000
MOST_VARIABLES = 500_000
MOST_NAMES = 64 << 20

# Kinds of rows beside TypeKind's.
TRANSPARENT = 100
"""const, volatile, atomic, restrict."""


class Rows:
    """`types`: place, kind, name, size, target, count, language. `members`: row of the struct, name, offset, type,
    kind. `arguments`: row, type. `variables`: place, name, type, storage (-1 none), address, function, origin.
    `skipped`: start and end of functions that were not looked into, number of the unit. `signatures`: place of the type
    of each type unit.

    Names are numbers in `names`.
    """

    TYPE, MEMBER, ARGUMENT, VARIABLE, SKIPPED = 7, 5, 2, 7, 3

    def __init__(self) -> None:
        self.types = array("q")
        self.members = array("q")
        self.arguments = array("q")
        self.variables = array("q")
        self.skipped = array("q")
        self.names: list[str] = [""]
        self.signatures: dict[int, int] = {}
        self._numbers: dict[str, int] = {"": 0}
        self._size_of_names = 0
        self._signed: dict[int, int] = {}

    def name(self, text: str) -> int:
        """Return the number of a name."""
        number = self._numbers.get(text)
        if number is None:
            self._size_of_names += len(text) + 60
            if self._size_of_names > MOST_NAMES:
                raise DWARFError("it has too many names")
            number = self._numbers[text] = len(self.names)
            self.names.append(text)
        return number

    def signature(self, signature: int) -> int:
        """Return the place that stands for a type unit's type until all are read."""
        return self._signed.setdefault(signature, -2 - len(self._signed))

    def signed(self) -> list[int]:
        """Return the places that the stand-ins are for, in their order from -2 downwards."""
        return [self.signatures.get(each, NO_PLACE) for each in self._signed]

    def forget_skipped(self, starts: set[int]) -> None:
        """Forget the skipped functions at these places: they are read now."""
        kept = array("q")
        for first in range(0, len(self.skipped), self.SKIPPED):
            if self.skipped[first] not in starts:
                kept.extend(self.skipped[first : first + self.SKIPPED])
        self.skipped = kept
