"""Debugger: what only the front end can answer of the stopped process. gdb is one (inside_gdb/); a reader of cores
alone is another, and answers "not known" where it takes a debugger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gdbheap.elf.cache import SymbolCache
    from gdbheap.elf.debug_search import DebugSearch
    from gdbheap.process.frame import Frame
    from gdbheap.process.named_address import NamedAddress, StackPlace
    from gdbheap.process.process import Process
    from gdbheap.process.recording import Recording, Sampling
    from gdbheap.process.stop import Stop
    from gdbheap.types.links import Link
    from gdbheap.types.local_variable import LocalVariable, ToldType


class TypedMemory(Protocol):
    """A type that memory may be shown as."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def show(self, address: int, count: int = 1, one_line: bool = False) -> str:
        """Return what lies there as the debugger prints it, without calling or changing anything; of an array of
        `count` where that is not 1. Where it cannot be printed, what the debugger says of that."""

    def links(self) -> tuple[Link, ...]:
        """Return the members that point to another of this type."""


class Debugger(Protocol):
    """Nothing is kept here: session/target.py asks each question once per stop. No answer changes the process,
    but for record(), which sets breakpoints for a while, and detach().

    Every method may raise HeapError kinds: NoProcess, MemoryFault, UsageError.
    """

    def stop_key(self) -> object | None:
        """Return what is equal only as long as this is certainly still the same stop; None where it is not known to
        be stopped."""

    def gather(self) -> Process:
        """Return the process as values, read anew."""

    def debug_search(self) -> DebugSearch:
        """Return where the files with debug information are."""

    def symbol_cache(self) -> SymbolCache | None:
        """Return where what was read out of files is kept for the next time, if anywhere."""

    def setting(self, name: str) -> Any:
        """Return the value of `set gdbheap NAME`."""

    def evaluate(self, expression: str) -> int:
        """Return the value of an expression as an unsigned word; UsageError with the debugger's words if it has
        none."""

    def typed(self, name: str) -> TypedMemory | None:
        """Return the type of this name, whatever the frame's language; None where none is known."""

    def pointed_to(self, expression: str) -> tuple[int, TypedMemory] | None:
        """Return what an expression's value points to: the address and type, of an object with a vtable those of the
        whole object; None where its type does not tell (void *)."""

    def symbol_at(self, address: int) -> NamedAddress | None:
        """Return the symbol that the address is in, None where none is known."""

    def demangled(self, name: str) -> str:
        """Return a linked name ("_ZTV3Car") as C++ writes it; the name itself where it is none of C++'s."""

    def stack_place(self, thread: int, address: int) -> StackPlace | None:
        """Return what an address on the stack of the debugger's thread of that number is; None where that stack
        cannot be read."""

    def local_variables(self, process: Process) -> tuple[LocalVariable, ...]:
        """Return the variables and arguments of all threads' frames (the innermost of each) that may hold pointers."""

    def types_in_function(self, process: Process, address: int) -> tuple[ToldType, ...]:
        """Return the types of the variables and arguments of the function that begins at an address of code, those of
        its inner blocks among them; () where nothing is known of it."""

    def frames(self, process: Process, lwp: int | None, most: int) -> tuple[Frame, ...]:
        """Return the innermost `most` frames of a thread (None: the selected one), the innermost first; () where it
        has none."""

    def frame_at(self, process: Process, address: int) -> Frame:
        """Return what is known of the function that an address of code lies in, as a frame (of level 0, with no stack
        pointer): its name and module."""

    def code_at(self, process: Process, address: int) -> tuple[tuple[int, str], ...]:
        """Return (address, text in AT&T's syntax) of each instruction of the function that the address lies in; ()
        where its bounds are not known."""

    def call_source(self, lwp: int | None, level: int) -> str:
        """Return the source line of a thread's frame and some lines behind it, "" where it cannot be read. lwp None:
        the selected thread."""

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        """Return an expression's value in a thread's frame, without calling or changing anything; None where it is
        no address."""

    def stop(self, process: Process) -> Stop:
        """Return why and where the selected thread stopped."""

    def vector_registers(self, process: Process) -> Iterator[tuple[int, str, int]]:
        """Yield (the debugger's number of the thread, register, word) of the words in vector registers that could be
        pointers."""

    def selected_thread(self) -> int | None:
        """Return the lwp of the selected thread, or None."""

    def detach(self) -> None:
        """Let the process run on without the debugger: the user has asked for it."""

    def say(self, text: str) -> None:
        """Show the user a line at once, before something that takes its time."""

    def check_recording(self) -> None:
        """UsageError where record() cannot be had."""

    def record(self, process: Process, sampling: Sampling) -> Recording:
        """Let the process run for a while, and return what was seen of its allocations. Breakpoints are set for it,
        and are gone afterwards."""
