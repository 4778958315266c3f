"""Target: the stopped process as commands see it. Everything is computed once per stop, kept until the process may
have changed, and then dropped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from gdbheap.errors import HeapError, LibcNotShown
from gdbheap.lazy import dataclass
from gdbheap.process.columns.freed_memory import give_back, keep_freed
from gdbheap.process.frame import Frame
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.tasks import has_ended

if TYPE_CHECKING:
    from gdbheap.elf.debug_search import DebugSearch
    from gdbheap.glibc.glibc_heap import GlibcHeap
    from gdbheap.glibc.layout import Layout
    from gdbheap.glibc.walk.walk import Observer
    from gdbheap.process.process import Module, Process
    from gdbheap.process.recording import AllocationFunction, Recording, Sample, Sampling
    from gdbheap.process.stop import Stop
    from gdbheap.process.symbols import SymbolsOf
    from gdbheap.report.progress import Progress
    from gdbheap.session.debugger import Debugger
    from gdbheap.types.catalogue import Catalogue
    from gdbheap.types.local_variable import LocalVariable, ToldType

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """The name that a value of type T is kept under: `KEPT: Key[PointerGraph] = Key("pointer graph")`."""

    name: Hashable


_MALLOC_CODE: Key[tuple[range, ...]] = Key("malloc's code")


class Target:
    """The stopped process, by what its debugger can answer. Every method may raise HeapError kinds: NoProcess, NoHeap,
    NoSymbols, MemoryFault, UsageError."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._stop_key: object | None = None
        self._process: Process | None = None
        self._layout: Layout | None = None
        self._heap: GlibcHeap | None = None
        self._progress: Progress | None = None
        self._kept: dict[Key[Any], Any] = {}
        # What is kept for this command alone, since Ctrl-C cut something short in it.
        self._kept_for_now: list[Key[Any]] | None = None
        # What is not known because of that, as a note; "" where nothing is missing, or the answer itself says it.
        self.cut_short = ""
        # What nothing is kept of, for it depends on what the user selects or sets, or on the question alone.
        self.setting = debugger.setting
        self.typed = debugger.typed
        self.pointed_to = debugger.pointed_to
        self.symbol_at = debugger.symbol_at
        self.demangled = debugger.demangled
        self.stack_place = debugger.stack_place
        self.call_source = debugger.call_source
        self.evaluate_in_frame = debugger.evaluate_in_frame
        self.detach = debugger.detach
        self.say = debugger.say
        self.check_recording = debugger.check_recording

    def begin(self, progress: Progress | None = None) -> None:
        """Make ready for one command: keep what is known only if this is certainly still the same stop. `progress`
        tells of long walks."""
        self._progress = progress
        for kept in self._kept_for_now or ():
            self._kept.pop(kept, None)
        self._kept_for_now, self.cut_short = None, ""
        key = self._debugger.stop_key()
        if key is None or key != self._stop_key:
            self.forget()
        elif self._heap is not None and not self._heap.complete:
            self._heap = None  # Ctrl-C cut it short: the next command tries again
            self._kept.clear()
        self._stop_key = key

    def forget(self, *_: object) -> None:
        """Drop all that is known; the debugger's events call this."""
        self._process = self._layout = self._heap = None
        self._kept.clear()

    @property
    def end(self) -> str:
        """What is to be said where the process has ended and the debugger has not noticed; "" for one that is there,
        or is no live one."""
        pid = None if self._process is None else self._process.pid
        if pid is None or not has_ended(pid):
            return ""
        return (
            f"process {pid} has been killed, which gdb has not noticed: this was read before (`kill` ends the session)"
        )

    @property
    def has_read(self) -> bool:
        """Whether what takes long to read is known by now: all of the heap."""
        return self._heap is not None and self._heap.complete

    def knows(self, key: Key[Any]) -> bool:
        """Whether a value is kept under the key."""
        return key in self._kept

    def known(self, key: Key[T]) -> T:
        """Return the value that is kept under the key."""
        return cast(T, self._kept[key])

    def keep(self, key: Key[T], compute: Callable[[Progress | None], T], doing: str = "") -> T:
        """Return compute(progress), which is called once and kept under `key` until the process runs on. `progress`,
        if any, is to be called with each address reached, about once per MiB read; it shows what is being done, if
        that is told ("finding ..."). What Ctrl-C cut short (a value with `interrupted` set), and what is made after
        it, is computed anew for the next command."""
        if key in self._kept:
            return self.known(key)
        try:
            with nullcontext() if self._progress is None or not doing else self._progress.doing(doing):
                value = compute(self._progress)
        finally:
            if self._progress is not None:
                self._progress.finish()
        if getattr(value, "interrupted", False) and self._kept_for_now is None:
            self._kept_for_now = []
        if self._kept_for_now is not None:
            self._kept_for_now.append(key)
        self._kept[key] = value
        return value

    @property
    def process(self) -> Process:
        if self._process is None:
            self._process = self._debugger.gather()
        return self._process

    def evaluate(self, expression: str) -> int:
        """Return an expression's value as an unsigned word, an address's without its tag."""
        return self.untagged(self._debugger.evaluate(expression))

    def untagged(self, value: int) -> int:
        """Return an address of the process without its tag, and any other number as it is."""
        return self.process.machine.untagged(value) if value >> 56 else value

    def layout(self) -> Layout:
        """Return where malloc's structures are, and how that is known."""
        if self._layout is None:
            # What hunts for malloc without symbols is a third of gdbheap: kept out of gdb's start.
            from gdbheap.glibc.locate.make_layout import make_layout
            from gdbheap.sentences.unread_cores import with_remarks

            try:
                self._layout = make_layout(self.process, self._symbols_of())
            except LibcNotShown as error:
                raise with_remarks(error, self.process) from error
        return self._layout

    def heap(self, observer: Observer | None = None) -> GlibcHeap:
        """Return the heap of this stop; `observer`, if given, sees what is read of it if it has to be read for
        this."""
        if self._heap is None:
            from gdbheap.glibc.read_heap import read_heap  # kept out of gdb's start as well

            try:
                self._heap = read_heap(self.process, self.layout(), self._progress, observer)
            finally:
                if self._progress is not None:
                    self._progress.finish()
        keep_freed(len(self._heap.table))
        return self._heap

    def let_run_on(self, since: float) -> bool:
        """Copy what the process has written and detach from it, so that it runs on while all else is read from the
        copy; whether that could be done: the process is on this machine, and there is room. It counts as held since
        that time.monotonic()."""
        from gdbheap.process.live.copied_memory import copied_process  # for the few who detach

        self.layout()  # takes files, which a process that has ended by then would not lead to
        copied = copied_process(self.process)
        if copied is None:
            return False
        self.detach()
        self._process = replace(copied, seconds_held=time.monotonic() - since)
        return True

    def done(self) -> None:
        """Note that a command has answered."""
        give_back()

    def heap_around(self, address: int) -> GlibcHeap:
        """Return the heap of this stop, or, where it was not read yet, and the address is in the heap of an arena that
        is sound, that one's chunks alone."""
        from gdbheap.glibc.read_arena import read_arena  # kept out of gdb's start as well

        if self._heap is not None:
            return self._heap
        return read_arena(self.process, self.layout(), address, self._progress) or self.heap()

    def _symbols_of(self) -> SymbolsOf:
        from gdbheap.elf.debug_file import DebugFiles

        return DebugFiles(self.debug_search(), self._debugger.symbol_cache()).symbols_of

    def debug_search(self) -> DebugSearch:
        """Return where the files with debug information are looked for."""
        return self._debugger.debug_search()

    def catalogue_of(self, module: Module) -> Catalogue:
        """Return the types and variables that a module's debug information tells of: read out of its files, or kept
        from the last time."""
        from gdbheap.elf.types.kept_catalogues import catalogue_of, kept_files

        symbols = self._debugger.symbol_cache()
        kept = None if symbols is None else kept_files(os.path.join(os.path.dirname(symbols.directory), "types"))
        progress = self._progress
        try:
            return catalogue_of(module, self.debug_search(), kept, None if progress is None else progress.of_types)
        finally:
            if progress is not None:
                progress.finish()

    def thread_local_at(self, module: Module, offset: int) -> NamedAddress | None:
        """Return the variable at an offset in a module's block of thread-local storage, None where no file of it
        tells."""
        from gdbheap.elf.thread_locals import thread_locals  # brings pyelftools

        kept: Key[list[tuple[int, int, str]]] = Key(("thread locals", module.path))
        for start, size, name in self.keep(kept, lambda _: thread_locals(module, self.debug_search())):
            if start <= offset < start + size:
                return NamedAddress(self.demangled(name), offset - start, os.path.basename(module.path))
        return None

    def frames(self, lwp: int | None = None, most: int = 64) -> tuple[Frame, ...]:
        """Return the innermost `most` frames of a thread (None: the selected one), the innermost first; () where it
        has none."""
        return self._near_malloc(self._debugger.frames(self.process, lwp, most))

    def local_variables(self) -> tuple[LocalVariable, ...]:
        """Return the variables and arguments of all threads' frames (the innermost of each) that may hold pointers."""
        return self._debugger.local_variables(self.process)

    def types_in_function(self, address: int) -> tuple[ToldType, ...]:
        """Return the types of the variables and arguments of the function that begins at an address of code."""
        return self._debugger.types_in_function(self.process, address)

    def frame_at(self, address: int) -> Frame:
        """Return what is known of the function that an address of code lies in, as a frame (of level 0, with no stack
        pointer): its name and module."""
        return self._near_malloc((self._debugger.frame_at(self.process, address),))[0]

    def _near_malloc(self, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """Mark those that have no name and may be malloc's."""
        from gdbheap.analysis.call_stacks.whose_code import is_of_libc  # kept out of gdb's start

        if all(frame.function or not is_of_libc(frame) for frame in frames):
            return frames
        code = self.keep(_MALLOC_CODE, lambda _: self._malloc_code())
        return tuple(
            replace(frame, is_near_malloc=not frame.function and any(frame.program_counter in each for each in code))
            for frame in frames
        )

    def _malloc_code(self) -> tuple[range, ...]:
        from gdbheap.glibc.locate.find_libc import find_libcs
        from gdbheap.glibc.locate.malloc_code import malloc_code

        try:
            return malloc_code(find_libcs(self.process, self._symbols_of()))
        except HeapError:
            return ()

    def code_at(self, address: int) -> tuple[tuple[int, str], ...]:
        """Return (address, text in AT&T's syntax) of each instruction of the function that the address lies in; ()
        where its bounds are not known."""
        return self._debugger.code_at(self.process, address)

    def stop(self) -> Stop:
        """Return why and where the selected thread stopped."""
        stop = self._debugger.stop(self.process)
        return replace(stop, frames=self._near_malloc(stop.frames))

    def vector_registers(self) -> Iterator[tuple[int, str, int]]:
        """Yield (the debugger's number of the thread, register, word) of the words in vector registers that could be
        pointers."""
        return self._debugger.vector_registers(self.process)

    def allocation_functions(self) -> tuple[AllocationFunction, ...]:
        """Return malloc's functions that return memory, and where they begin; () where nothing tells."""
        from gdbheap.glibc.locate.entry_points import allocation_functions
        from gdbheap.glibc.locate.find_libc import find_libcs

        return tuple(allocation_functions(self.process, find_libcs(self.process, self._symbols_of())))

    def record(self, sampling: Sampling) -> Recording:
        """Let the process run and return what is seen of its allocations: see Debugger.record(). What was known of
        the process is forgotten, for sampling.focus() too."""

        def focus(samples: Sequence[Sample]) -> Callable[[int], bool] | None:
            self.begin(self._progress)
            return None if sampling.focus is None else sampling.focus(samples)

        recording = self._debugger.record(self.process, replace(sampling, focus=focus))
        self.begin(self._progress)
        return recording

    def abort_message(self) -> str:
        """Return what glibc or assert wrote before it aborted (__abort_msg), "" where there is none, or libc cannot
        be found."""
        from gdbheap.glibc.abort_message import find_abort_message, read_abort_message
        from gdbheap.glibc.locate.find_libc import find_libcs

        try:
            libcs = find_libcs(self.process, self._symbols_of())
        except HeapError:
            return ""
        places = [libc.address("__abort_msg") for libc in libcs]
        if not any(places):
            return find_abort_message(self.process)
        return next(filter(None, (read_abort_message(self.process, each) for each in places)), "")

    @property
    def selected_thread(self) -> int | None:
        """The lwp of the debugger's selected thread, or None."""
        return self._debugger.selected_thread()
