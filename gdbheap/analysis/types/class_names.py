"""From a class's name, as a symbol or its type_info has it, to its type in the catalogue: compilers and demanglers
write template arguments in ways of their own."""

from __future__ import annotations

import re

from gdbheap.lazy import regex
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.type_book import TypeBook

# What both write in different ways: a value's type ("(Policy)2", "3ul"), unnamed namespaces, C++11's inline namespace,
# arguments of functions in the names of what is local to them.
_CAST = regex(r"\((?:[A-Za-z_][\w:]*(?: [a-z]+)*)\)(?=-?\d)")
_SUFFIX = regex(r"(?<=\d)(?:ul|u|l|ull|ll|UL|U|L|ULL|LL)\b")
# clang writes what such a value is called: "Policy::atomic" (or, in an older style, "atomic" beside Policy).
_OF_ENUM = regex(r"\((?P<scope>(?:[A-Za-z_]\w*::)*)(?P<name>[A-Za-z_]\w*)\)-?\d+")
_LETTER = regex(r"'(.)'")
_ABI = regex(r"\[abi:\w+\]|\b__cxx11::|\b__1::")
_WORDS = (("(anonymous namespace)::", ""), ("long unsigned int", "unsigned long"), ("long int", "long"))
_LONGEST = 1 << 14


class ClassNames:
    """Finds types by such names. The catalogue's names are gone through once, at the first that it does not have as
    it stands."""

    def __init__(self, book: TypeBook) -> None:
        self._book = book
        self._by_plain: dict[str, list[int]] | None = None
        self._by_template: dict[str, list[str]] | None = None

    def find(self, name: str) -> tuple[int, ...]:
        """Return the structs that are called so: several where modules disagree, or what is unnamed is left out."""
        found = self._defined(self._book.catalogue.by_name.get(name, ()))
        if not found and len(name) < _LONGEST:
            if self._by_plain is None:
                self._by_plain = self._all()
            found = self._defined(self._by_plain.get(plain(name), ()))
            found = found or self._with_enumerators(name, self._by_plain)
        return found

    def _with_enumerators(self, name: str, by_plain: dict[str, list[int]]) -> tuple[int, ...]:
        """Return the one struct that is called so where values of enumerations have their names instead of numbers."""
        pattern = _pattern(name)
        if pattern is None:
            return ()
        if self._by_template is None:
            self._by_template = {}
            for each in by_plain:
                self._by_template.setdefault(each.partition("<")[0], []).append(each)
        matches = re.compile(pattern).fullmatch
        named = [each for each in self._by_template.get(plain(name).partition("<")[0], ()) if matches(each)]
        found = [self._defined(by_plain[each]) for each in named]
        found = [each for each in found if each]
        return found[0] if len(found) == 1 else ()

    def _defined(self, numbers: tuple[int, ...] | list[int]) -> tuple[int, ...]:
        stripped = (self._book.stripped(each) for each in numbers)
        return tuple(
            dict.fromkeys(
                each
                for each in stripped
                if each != NONE and self._book.info(each).kind is TypeKind.STRUCT and self._book.info(each).size
            )
        )

    def _all(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for name, numbers in self._book.catalogue.by_name.items():
            if len(name) < _LONGEST:
                found.setdefault(plain(name), []).extend(numbers)
        return found


def _pattern(name: str) -> str | None:
    """Return what such a name looks like with any enumerators for the numbers of enumerations; None without such."""
    pieces, at = [], 0
    for each in _OF_ENUM.finditer(name):
        pieces.append(name[at : each.start()])
        at = each.end()
    if not pieces or len(name) >= _LONGEST:
        return None
    kinds = [(each["scope"], each["name"]) for each in _OF_ENUM.finditer(name)]
    marked = plain("".join(f"{piece}@{place}@" for place, piece in enumerate(pieces)) + name[at:])
    found = re.escape(marked)
    for place, (scope, enumeration) in enumerate(kinds):
        inside = re.escape(plain(f"{scope}{enumeration}::"))
        found = found.replace(re.escape(f"@{place}@"), rf"(?:{inside}|{re.escape(plain(scope))})[A-Za-z_]\w*", 1)
    return found


def plain(name: str) -> str:
    """Return the name without what is written in different ways."""
    name = _SUFFIX.sub("", _CAST.sub("", _ABI.sub("", name)))
    name = _LETTER.sub(lambda letter: str(ord(letter[1])), name)
    for before, after in _WORDS:
        name = name.replace(before, after)
    # "X const" and "const X" differ by their place alone.
    words = name.replace(" const", "").replace("const ", "")
    return _without_parameters(words).replace(" ", "")


def _without_parameters(name: str) -> str:
    """Leave out the parameters of the function that something is local to: "make(int)::Local" is make::Local."""
    while True:
        end = name.find(")::")
        if end < 0:
            return name
        depth, at = 0, end
        while at >= 0:
            depth += (name[at] == ")") - (name[at] == "(")
            if not depth:
                break
            at -= 1
        if at <= 0:
            return name
        name = name[:at] + name[end + 1 :]
