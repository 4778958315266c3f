"""The main stack as the kernel laid it out for the program's start: the texts of the arguments and the environment, and
below them argc, the pointers to these texts, and the auxiliary vector.

mirrors create_elf_tables() in fs/binfmt_elf.c. From low addresses to high: argc (start_stack), argv, NULL, envp,
NULL, the auxiliary vector, AT_RANDOM's bytes, AT_PLATFORM's text; then the arguments' texts, the environment's, and
AT_EXECFN's. The program may have changed any of these since: what no longer fits together is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gdbheap.errors import MemoryFault
from gdbheap.process.images.auxv import AT_EXECFN, AT_RANDOM
from gdbheap.process.memory import WORD_FORMATS
from gdbheap.process.process import Process

# The vector ends where AT_RANDOM's bytes begin, but for some padding; it has less than 40 entries.
_NEAR = 4096
# ARG_MAX lets a program have a quarter of its stack's limit, and never more than 6 MiB (bprm_stack_limits() in
# fs/exec.c).
_MOST_TEXT = 6 << 20
_MOST_WORDS = 1 << 20
_BLOCK = 1 << 12
# vm.mmap_min_addr, as distributions set it.
_LOWEST_POINTER = 1 << 16


def initial_stack(process: Process) -> dict[str, int]:
    """Return start_stack, arg_start, arg_end, env_start and env_end, those that can be told."""
    random, name = process.auxv.get(AT_RANDOM, 0), process.auxv.get(AT_EXECFN, 0)
    stack = process.address_space.find(random)
    if stack is None or not random < name < stack.end:
        return {}
    bounds = {"env_end": name}
    try:
        vector = _find_vector(process, max(stack.start, random - _NEAR), random)
        words = _words_below(process, vector, stack.start) if vector is not None else None
        if vector is None or words is None:
            return bounds
        bounds["start_stack"] = vector - len(words) * process.pointer_size
        count = words[0]
        return {**bounds, **_text_bounds(process, random, name, words[1 : 1 + count], words[2 + count : -1])}
    except MemoryFault:
        return bounds


def _find_vector(process: Process, start: int, end: int) -> int | None:
    """Return where in [start, end) the auxiliary vector lies, by its own words; raise MemoryFault."""
    letter = WORD_FORMATS[process.pointer_size]
    wanted = b"".join(struct.pack(f"<2{letter}", *pair) for pair in process.auxv.items())
    at = process.memory.read(start, end - start).rfind(wanted)
    return start + at if wanted and at >= 0 else None


def _words_below(process: Process, end: int, lowest: int) -> list[int] | None:
    """Return the words from argc to `end`; None where there is no argc; raise MemoryFault.

    argc is the first word downwards that is no pointer and not NULL, and where as many words further on there is one.
    """
    pointer_size = process.pointer_size
    found: list[int] = []
    while len(found) < _MOST_WORDS and end > lowest:
        start = max(end - _BLOCK, lowest)
        found = [*process.words.read_many(start, (end - start) // pointer_size), *found]
        for index in range((end - start) // pointer_size - 1, -1, -1):
            if 0 < found[index] < _LOWEST_POINTER:
                last = index + 1 + found[index]
                return found[index:] if last < len(found) - 1 and found[last] == 0 else None
        end = start
    return None


def _text_bounds(
    process: Process, low: int, end: int, arguments: Sequence[int], environment: Sequence[int]
) -> dict[str, int]:
    """Return the bounds of the texts, which end at `end`, out of the pointers to them and their number; raise
    MemoryFault.

    A program may have moved or taken out pointers (setenv, unsetenv), or written over the texts (setproctitle): one
    of the two must be whole.
    """
    low = max(low, end - _MOST_TEXT)
    texts = process.memory.read(low, end - low).split(b"\0")[:-1]
    env_start = end - _bytes(texts, len(environment))
    arg_start = end - _bytes(texts, len(arguments) + len(environment))
    to_arguments = [each for each in arguments if low <= each < end]
    to_environment = [each for each in environment if low <= each < end]
    all_there = len(to_environment) == len(environment)
    first = min(to_environment, default=end)
    if arguments[0] != min(to_arguments, default=0):
        return {}
    if arguments[0] == arg_start and (first == env_start or not all_there):
        return _bounds(arg_start, env_start)
    return _bounds(arguments[0], first) if all_there else {"arg_start": arguments[0]}


def _bytes(texts: Sequence[bytes], count: int) -> int:
    """Return the size of the last `count` texts, or of as many as there are."""
    return sum(len(text) + 1 for text in texts[max(len(texts) - count, 0) :])


def _bounds(arg_start: int, env_start: int) -> dict[str, int]:
    return {"arg_start": arg_start, "arg_end": env_start, "env_start": env_start}
