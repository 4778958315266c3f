"""C++ names as programmers write them: "std::map<std::string, int>", without what the library fills in itself."""

from __future__ import annotations

import functools
import re

from gdbheap.lazy import regex

_OF_RESOURCES = "std::pmr::polymorphic_allocator<"
# What a template's argument is by default: left out where it stands at the end.
_DEFAULTS = (
    "std::allocator<",
    "std::char_traits<",
    "std::less<",
    "std::hash<",
    "std::equal_to<",
    "std::default_delete<",
    _OF_RESOURCES,
    "(__gnu_cxx::_Lock_policy)",
    "__gnu_cxx::_S_",
)
_OF_STD = regex(r"\bstd::(?=\w+$)")
# Inline namespaces of the two libraries.
_INLINE = regex(r"\bstd::(?:__cxx11|__1|__8|__ndk1)::")
# What clang writes behind a number that is an argument.
_VALUE = regex(r"^(-?\d+)[ulUL]+$")
_STRINGS = {
    "std::basic_string<char>": "std::string",
    "std::basic_string<wchar_t>": "std::wstring",
    "std::pmr::basic_string<char>": "std::pmr::string",
    "std::basic_string_view<char>": "std::string_view",
}
# Longer names and deeper ones are left as they are.
_LONGEST = 1 << 14
_DEEPEST = 64


@functools.lru_cache(maxsize=4096)
def short_name(name: str) -> str:
    """Return the name with default arguments left out and std::string by that name; the name itself where its
    brackets do not match."""
    if "<" not in name or len(name) > _LONGEST:
        return _INLINE.sub("std::", name).rstrip()
    read = _Reader(_INLINE.sub("std::", name))
    short = read.name(0)
    # (gcc ends the names of closures with a space.)
    return short.rstrip() if read.is_done else name


class _Reader:
    """Goes through a name once, from bracket to bracket."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._closed = True

    @property
    def is_done(self) -> bool:
        """Whether the whole of it has been read, and its brackets match."""
        return self._closed and self._at == len(self._text)

    def name(self, depth: int) -> str:
        """Read up to a comma or bracket that closes what this lies in."""
        found, parens = "", 0
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in ",>" and parens == 0 and depth and not found.endswith("-"):
                return found
            self._at += 1
            if char == "<" and re.search(r"operator\s*$", found) is None and depth < _DEEPEST:
                arguments, is_pmr = self._arguments(depth + 1)
                found = _OF_STD.sub("std::pmr::", found) if is_pmr else found
                found += "<" + ", ".join(arguments) + ">"
                found = _with_known(found)
                continue
            parens += (char in "([") - (char in ")]")
            found += char
        return found

    def _arguments(self, depth: int) -> tuple[list[str], bool]:
        """Return the arguments but for what the library fills in, and whether memory comes from a resource."""
        found, is_pmr = [], False
        while self._at < len(self._text):
            found.append(_VALUE.sub(r"\1", self.name(depth).strip()))
            ended = self._text[self._at : self._at + 1]
            self._at += 1
            if ended != ",":
                self._closed = self._closed and ended == ">"
                break
        else:
            self._closed = False
        while len(found) > 1 and found[-1].startswith(_DEFAULTS):
            is_pmr |= found.pop().startswith(_OF_RESOURCES)
        return found, is_pmr


def _with_known(text: str) -> str:
    for known, short in _STRINGS.items():
        if text.endswith(known):
            return text[: -len(known)] + short
    return text
