"""Command: all that a user sees of one command; Target: what a command may ask of the stopped process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gdbheap.glibc.heap_view import HeapView
    from gdbheap.glibc.layout import Layout
    from gdbheap.glibc.walk.walk import Observer
    from gdbheap.process.frame import Frame
    from gdbheap.process.process import Module, Process
    from gdbheap.process.stop import Stop
    from gdbheap.report.report import Report


@dataclass(frozen=True)
class Argument:
    """One argument. `name` "--state" makes an option, "ADDRESS" a positional.

    `kind`: "expression" (a gdb expression; comes as int), "size" (an expression in bytes; int), "range" (MIN-MAX,
    MIN-, -MAX or one size; comes as (min | None, max | None)), "count" (int >= 0), "choice" (one of `choices`, or
    several with commas: a tuple of str), "flag" (bool), "text" (the rest of the line as it is; its `choices` are
    offered, then expressions), "path", "snapshot" (a path, or the name of a snapshot), "calls" (the rest of the
    line, without quotes around it: calls of the functions that are its `choices`, with semicolons between; str).
    """

    name: str
    kind: str
    help: str
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False

    @property
    def key(self) -> str:
        """The name in the parsed arguments: "--no-preview" -> "no_preview", "ADDRESS" -> "address"."""
        return self.name.lstrip("-").lower().replace("-", "_")


@dataclass(frozen=True)
class Command:
    """`name` as typed ("heap chunks"), a one-line `summary` (ends with a full stop), a `description` of a few
    sentences, `arguments`, and `examples` as (line, what it shows). `run(target, arguments)` returns the whole
    answer."""

    name: str
    summary: str
    run: Callable[[Target, Mapping[str, Any]], Report]
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = field(default=())


class Target(Protocol):
    """The stopped process as a command sees it. Everything is computed once per stop and kept until the process runs
    on.

    Every method raises HeapError kinds: NoProcess, NoHeap, NoSymbols, MemoryFault, UsageError.
    """

    @property
    def process(self) -> Process: ...

    def layout(self) -> Layout: ...

    def heap(self, observer: Observer | None = None) -> HeapView:
        """Return the heap of this stop; `observer`, if given, sees what is read of it if it has to be read for this."""

    def evaluate(self, expression: str) -> int:
        """Return the value of a gdb expression as an unsigned word; UsageError with gdb's words if it has none."""

    def symbol_at(self, address: int) -> str:
        """Return "symbol+offset in module", or "" where gdb knows none."""

    def demangled(self, name: str) -> str:
        """Return a linked name ("_ZTV3Car") as C++ writes it; the name itself where it is none of C++'s."""

    def setting(self, name: str) -> Any:
        """Return the value of `set gdbheap NAME`."""

    def stack_place(self, thread: int, address: int) -> str:
        """Return what an address on the stack of gdb's thread of that number is: "frame 2 main, local p", else
        "sp+0x48"."""

    def thread_local_at(self, module: Module, offset: int) -> str:
        """Return "variable+offset" for an offset in a module's block of thread-local storage, or "" where no file of
        it tells."""

    def detach(self) -> None:
        """Let the process run on without gdb: the user has asked for it."""

    def keep(self, name: str, compute: Callable[[Callable[[int], None] | None], Any]) -> Any:
        """Return compute(progress), which is called once and kept under `name` until the process runs on.
        `progress`, if any, is to be called with each address reached, about once per MiB read."""

    def frames(self, lwp: int | None = None, most: int = 64) -> tuple[Frame, ...]:
        """Return the innermost `most` frames of a thread (None: the selected one), the innermost first; () where it
        has none."""

    def frame_at(self, address: int) -> Frame:
        """Return what is known of the function that an address of code lies in, as a frame (of level 0, with no stack
        pointer): its name and module."""

    def code_at(self, address: int) -> tuple[tuple[int, str], ...]:
        """Return (address, text in AT&T's syntax) of each instruction of the function that the address lies in; ()
        where its bounds are not known."""

    def call_source(self, lwp: int | None, level: int) -> str:
        """Return the source line of a thread's frame and some lines behind it, "" where it cannot be read. lwp None:
        the selected thread."""

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        """Return an expression's value in a thread's frame, without calling or changing anything; None where it is
        no address."""

    def stop(self) -> Stop:
        """Return why and where the selected thread stopped."""

    def vector_registers(self) -> Iterator[tuple[int, str, int]]:
        """Yield (gdb's number of the thread, register, word) of the words in vector registers that could be
        pointers."""

    def abort_message(self) -> str:
        """Return what glibc or assert wrote before it aborted (__abort_msg), "" where there is none, or libc cannot
        be found."""

    @property
    def selected_thread(self) -> int | None:
        """The lwp of gdb's selected thread, or None."""
