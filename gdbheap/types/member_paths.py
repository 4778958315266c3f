"""Members as programmers write them: without what the C++ library calls its own inside of a program's member, and as
a path from a variable along pointers."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.lazy import regex

# std::vector keeps its elements at "._M_impl._M_start", std::unique_ptr its pointer at "._M_t._M_t._M_head_impl";
# libc++ has "__begin_" and the like.
_INSIDE = regex(r"(?<=[\w\])])(?:\.(?:_M_\w+|__\w+_)(?:\[\d+\])?)+")


def plain_member(member: str) -> str:
    """Return "steps" for "steps._M_t._M_head_impl"; the library's own structs keep their members' names."""
    return _INSIDE.sub("", member)


def pointer_path(variable: str, members: Iterable[str]) -> str:
    """Return the path that a debugger would be given: "server.sessions->buckets[17]->session->user", for the members
    (".buckets[17]", "[3]", "" for the very start) of the blocks along the way; what repeats is said once."""
    path = plain_member(variable)
    last, times = "", 0
    for member in members:
        step = _step(member)
        if step == last and step:
            times += 1
            continue
        path += _repeated(times)
        path += step
        last, times = step, 1
    return path + _repeated(times)


def _step(member: str) -> str:
    plain = _INSIDE.sub("", f"x{member}")[1:]
    return f"->{plain[1:]}" if plain.startswith(".") else plain


def _repeated(times: int) -> str:
    return f"{{{times:,} times}}" if times > 1 else ""
