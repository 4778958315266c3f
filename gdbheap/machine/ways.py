"""Several ways to one place in the code: what registers hold there, whichever was gone."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.lazy import dataclass
from gdbheap.machine.register_values import Registers, Value

# Where the ways parted, and whether the jump there was taken; None: on what that depends is not known.
_Parting = tuple[int, "Value | None", bool]
_MOST_WAYS = 16


@dataclass(frozen=True)
class _Way:
    """What was known where a way left for the place."""

    partings: tuple[_Parting, ...]
    at: int
    values: dict[str, Value]
    stored: dict[tuple[Value, int], Value]
    compared: tuple[int, Value, Value] | None


class Ways:
    """The ways through a function's code, whose instructions are met in order: `registers` are as on the one that comes
    from the instruction before."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers
        self._partings: tuple[_Parting, ...] = ()
        self._left: dict[int, list[_Way]] = {}

    def jump(self, place: int, target: int, condition: Value | None) -> None:
        """A conditional jump at `place` may leave for `target`, further on."""
        self._leave(target, (*self._partings, (place, condition, True)))
        self._partings = (*self._partings, (place, condition, False))

    def leave(self, target: int) -> None:
        """A jump leaves for `target`, further on."""
        self._leave(target, self._partings)

    def arrive(self, place: int, falls: bool) -> None:
        """Put together what is known where jumps lead to, and (`falls`) the instruction before."""
        ways = self._left.pop(place, []) + ([self._here()] if falls else [])
        merged = _merged(place, ways) if 0 < len(ways) <= _MOST_WAYS else None
        if merged is None:
            self.forget(place)
            return
        here, self._partings = self._registers, merged.partings
        here.fresh.clear()
        here.at, here.values, here.stored, here.compared = (
            merged.at,
            dict(merged.values),
            dict(merged.stored),
            merged.compared,
        )

    def forget(self, place: int) -> None:
        """There may be other ways to this place."""
        self._registers.forget(place)
        self._partings = ()
        self._left.pop(place, None)

    def _leave(self, target: int, partings: tuple[_Parting, ...]) -> None:
        self._left.setdefault(target, []).append(self._here(partings))

    def _here(self, partings: tuple[_Parting, ...] | None = None) -> _Way:
        here = self._registers
        values, stored = dict(here.values), dict(here.stored)
        return _Way(self._partings if partings is None else partings, here.at, values, stored, here.compared)


def _merged(place: int, ways: Sequence[_Way]) -> _Way | None:
    """Return one way to the place for several that part at one jump; None where they are not all of those that do."""
    first = ways[0]
    if len(ways) == 1:
        return first
    shortest = min(len(each.partings) for each in ways)
    depth = next((at for at in range(shortest) if len({each.partings[at] for each in ways}) > 1), shortest)
    if depth == shortest or len({each.partings[depth][:2] for each in ways}) > 1:
        return None
    parts = [_merged(place, [each for each in ways if each.partings[depth][2] is taken]) for taken in (True, False)]
    if parts[0] is None or parts[1] is None or parts[0].at != parts[1].at:
        return None
    return _either(place, first.partings[depth], parts[0], parts[1], first.partings[:depth])


def _either(place: int, parting: _Parting, one: _Way, other: _Way, partings: tuple[_Parting, ...]) -> _Way:
    """Return a way that is `one` where the jump was taken at which they parted, else the `other`."""
    condition = parting[1]
    values: dict[str, Value] = {}
    for name in {**one.values, **other.values}:
        unknown: Value = ("unknown", one.at, name)
        first, second = one.values.get(name, unknown), other.values.get(name, unknown)
        if first == second:
            values[name] = first
        elif condition is not None:
            values[name] = ("select", condition, first, second)
        else:
            values[name] = ("unknown", place, name)
    stored = {place: value for place, value in one.stored.items() if other.stored.get(place) == value}
    return _Way(partings, one.at, values, stored, one.compared if one.compared == other.compared else None)
