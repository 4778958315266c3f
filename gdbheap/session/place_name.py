"""What people call an address outside of the heap: a symbol, a thread's frame and local variable, a thread-local
one, a mapping and the offset in it."""

from __future__ import annotations

from gdbheap.analysis.mappings.thread_locals import ThreadStorage, find_thread_storage
from gdbheap.analysis.pointers.roots import STACK, Roots
from gdbheap.process.mm import MM, read_mm
from gdbheap.process.process import Module
from gdbheap.session.target import Key, Target

# What the kernel put at the top of the main stack, and its bounds.
_AT_START = (
    ("the environment", "env_start", "env_end"),
    ("the program's arguments", "arg_start", "arg_end"),
    ("argv, envp and the auxiliary vector", "start_stack", "arg_start"),
)

_MM: Key[MM] = Key("mm")
_STORAGE: Key[tuple[ThreadStorage, ...]] = Key("thread storage")


def place_name(target: Target, roots: Roots, address: int) -> str:
    """Return the name; "" where nothing is known of the address but the number."""
    local = thread_local_name(target, address)
    if local is not None:
        return f"thread {local[0]}: {local[1]}"
    mm = target.keep(_MM, lambda _: read_mm(target.process))
    for name, first, last in _AT_START:
        start, end = mm.get(first), mm.get(last)
        if start is not None and end is not None and start <= address < end:
            return f"{name} + {address - start:#x}"
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


def thread_local_name(target: Target, address: int) -> tuple[int, str] | None:
    """Return the number of the thread whose thread-local storage the address is in, and what is there; None where it
    is in none."""
    storage = target.keep(_STORAGE, lambda _: find_thread_storage(target.process))
    each = next((each for each in storage if each.start <= address < each.end), None)
    return None if each is None else (each.number, _thread_local(target, each.module, address - each.start))


def _thread_local(target: Target, module: Module | None, offset: int) -> str:
    if module is None:
        return f"libc's struct pthread + {offset:#x}"
    name = target.thread_local_at(module, offset)
    file = module.path.rpartition("/")[2]
    return f"thread-local {name} in {file}" if name else f"thread-local storage of {file} + {offset:#x}"
