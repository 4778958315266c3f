"""What a std::function holds in a block of its own: libstdc++'s functions for that have the closure's type in their
names (std::_Function_handler<void (int), main::{lambda(int)#1}>::_M_manager).

A closure of at most two words that can be copied as bytes lies in the std::function itself: then its manager calls
no operator new.
"""

from __future__ import annotations

from gdbheap.analysis.objects.block_words import WORDS, BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.lazy import np, regex
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.confidence import Confidence

_MANAGER = regex(
    r"(?:std::_Function_handler<(?P<handler>.*)>|std::_Function_base::_Base_manager<(?P<base>.*)>)::_M_manager\(.*"
)
_CALLED = regex(r"\b(?:call|jmp)\w*\s+0x(?P<address>[0-9a-f]+)(?: <(?P<name>.*)>)?")
# (Not the one that is given a place.)
_NEW = regex(r"\b_Znw[mj](?!\w)|operator new\(unsigned (?:long|int)\)")
# (As C++ writes it, or as it is linked.)
_OF_MANAGERS = ("_Base_manager<", "_Function_handler<", "_Base_managerI", "_Function_handlerI")
_DEEPEST = 4
_MOST_FUNCTIONS = 16


class Closures:
    """Names the blocks that std::functions own."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known: dict[int, str] = {}

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name "closure of serve(int)::{lambda(int)#1}" what the std::functions in these blocks hold."""
        start = given.blocks.start
        for column in range(2, WORDS):
            managers = np.flatnonzero(given.static[:, column] & (given.words[:, column - 2] != 0))
            for manager, rows in values_of(given.words[:, column], managers):
                name = self.functor(manager)
                if name:
                    words = given.words[rows, column - 2]
                    place = np.minimum(np.searchsorted(start, words), len(start) - 1)
                    labels.put(distinct(place[start[place] == words]), f"closure of {name}", Confidence.LIKELY)

    def functor(self, manager: int) -> str:
        """Return what the manager holds in a block; "" where it is no manager, or holds it elsewhere."""
        if manager not in self._known:
            self._known[manager] = self._read(manager)
        return self._known[manager]

    def managed(self, manager: int) -> str:
        """Return what the manager holds, wherever that is; "" where it is no manager."""
        if not self._lookup.is_code(manager):
            return ""
        symbol = self._lookup.symbol(manager)
        match = _MANAGER.fullmatch(symbol.name) if symbol is not None else None
        arguments = template_arguments(match["handler"] or match["base"]) if match is not None else ()
        return arguments[-1] if arguments else ""

    def _read(self, manager: int) -> str:
        name = self.managed(manager)
        return name if name and self._allocates(manager) else ""

    def _allocates(self, function: int) -> bool:
        """Whether the function, or one of the manager's own that it calls, calls operator new."""
        seen: set[int] = set()
        front = [function]
        for _ in range(_DEEPEST):
            calls = []
            for each in front:
                if each in seen or len(seen) >= _MOST_FUNCTIONS:
                    continue
                seen.add(each)
                calls += [match for _, text in self._lookup.code_at(each) if (match := _CALLED.search(text))]
            if any(_NEW.search(match["name"] or "") for match in calls):
                return True
            front = [
                int(match["address"], 16)
                for match in calls
                if any(part in (match["name"] or "") for part in _OF_MANAGERS)
            ]
        return False


def template_arguments(text: str) -> list[str]:
    """Return the arguments that the text between a template's < and > has, split at its own commas."""
    found, depth, begin = [], 0, 0
    for at, letter in enumerate(text):
        if letter in "<([{":
            depth += 1
        elif letter in ">)]}" and not (letter == ">" and text[at - 1 : at] == "-"):
            depth -= 1
        elif letter == "," and depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
    last = text[begin:].strip()
    return [*found, last] if last else found
