"""CrashContext: all that the detectors may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace

from gdbheap.analysis.crashes.verdict import Verdict
from gdbheap.analysis.facts.places import InChunk, in_chunk, surroundings
from gdbheap.analysis.facts.processor import PointerTagIs
from gdbheap.analysis.facts.stop import ExpressionHolds
from gdbheap.analysis.invariants.arena_locks import ArenaLock
from gdbheap.analysis.invariants.check import Violations
from gdbheap.analysis.malloc_aborts.interrupted_before import InterruptedBefore
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
from gdbheap.machine.instruction import EXECUTE, READ, WRITE, Instruction, MemoryOperand
from gdbheap.process.address_space import VMA
from gdbheap.process.fact import Fact
from gdbheap.process.process import Process
from gdbheap.process.signal_info import BUS_ADRALN, OF_ACCESSES, SEGV_MTEAERR, SI_KERNEL, SIGBUS, SIGSEGV
from gdbheap.process.stop import Expression, Stop
from gdbheap.process.symbols import SymbolAt

_MOST_EXPRESSIONS = 2
_LONGEST_INSTRUCTION = 15
# So near to the address that failed is what an instruction accesses, where it is not at it.
_NEAR = 4096


@dataclass(frozen=True)
class CrashContext:
    """The stop and the process around it. `heap` is None where it cannot be read.

    `symbol_at` gives the symbol that an address is in, `demangled` a linked name as C++ writes it. `abort_message` is
    glibc's own (__abort_msg), "" where there is none. `memory_limit` is RLIMIT_AS in bytes, None where there is
    none, or nobody can tell; `data_limit` is RLIMIT_DATA and how much of it is taken. `locks` are the mutexes of
    arenas that are taken; `interrupted` is a call of malloc's that a handler had interrupted before. `find_violations`
    says what is wrong with the heap (it takes long: asked where it matters).
    """

    stop: Stop
    process: Process
    instruction: Instruction
    heap: HeapView | None
    symbol_at: SymbolAt
    demangled: Callable[[str], str]
    abort_message: str = ""
    tcache_key: int | None = None
    stack_limit: int | None = None
    memory_limit: int | None = None
    data_limit: tuple[int, int] | None = None
    locks: tuple[ArenaLock, ...] = ()
    interrupted: InterruptedBefore | None = None
    find_violations: Callable[[], Violations] = field(default=lambda: Violations((), ()))

    @property
    def pointer_size(self) -> int:
        return self.process.pointer_size

    @property
    def page_size(self) -> int:
        return self.process.page_size

    @property
    def fault_address(self) -> int | None:
        """The address that the kernel names, where it names the true one (page faults); None for the rest."""
        signal = self.stop.signal
        # A general protection fault has si_code SI_KERNEL and si_addr 0, which says nothing; an alignment check has 0
        # as well.
        if signal is None or signal.address is None or signal.code == SI_KERNEL:
            return None
        if (signal.signal, signal.code) == (SIGBUS, BUS_ADRALN) and not signal.address:
            return None
        if (signal.signal, signal.code) == (SIGSEGV, SEGV_MTEAERR):
            return None
        return signal.address

    @property
    def is_fetch(self) -> bool:
        """Whether it was an instruction that could not be fetched: the address is the program counter, or the next
        page, into which the instruction reaches."""
        address, counter = self.fault_address, self.stop.thread.program_counter
        if address is None or address == counter:
            return address == counter
        across = 0 < address - counter < _LONGEST_INSTRUCTION and address % self.page_size == 0
        here = self.vma(address) if across else None
        return across and (here is None or not here.executable) and not self.accesses

    @property
    def accesses(self) -> tuple[MemoryOperand, ...]:
        """The instruction's memory operands that the fault may be about: the one at the kernel's address, else all."""
        address = self.fault_address
        if address is None:
            return self.instruction.memory
        # Of a gather or scatter the kernel names the element that failed.
        memory = tuple(replace(each, address=address) if each.is_vector else each for each in self.instruction.memory)
        # (A handler is told of an address without its tag.)
        untagged = self.process.machine.untagged
        place = untagged(address)
        away = [(each, place - untagged(each.address)) for each in memory]
        near = tuple(each for each, distance in away if 0 <= distance < max(each.size, 1))
        return near or tuple(each for each, distance in away if abs(distance) < _NEAR)

    @property
    def access_kind(self) -> str:
        """What died: a READ, a WRITE or an EXECUTE; "" where it was no access, or nobody can tell."""
        signal = self.stop.signal
        if signal is None or signal.signal not in OF_ACCESSES or signal.code <= 0:
            return ""
        counter = self.stop.thread.program_counter
        if self.is_fetch or self.is_vsyscall(counter):
            return EXECUTE
        accesses = self.accesses
        if signal.code == SI_KERNEL:
            accesses = tuple(each for each in accesses if not self.is_canonical(each.address)) or accesses
            if self.instruction.flow and self.is_canonical(accesses[0].address if accesses else 0):
                return EXECUTE
        kinds = {each.access for each in accesses}
        return WRITE if WRITE in kinds else READ if kinds else ""

    def is_canonical(self, address: int) -> bool:
        """Whether the address can exist at all on this machine."""
        return self.process.is_canonical(address)

    def is_kernels(self, address: int) -> bool:
        """Whether the address is in the kernel's half."""
        return self.process.machine.is_kernels(address)

    def is_vsyscall(self, address: int) -> bool:
        """Whether the address is in the page of old system calls."""
        start = self.process.machine.vsyscall
        return start is not None and start <= address < start + self.page_size

    def vma(self, address: int) -> VMA | None:
        return self.process.address_space.find(self.process.machine.untagged(address))

    def surroundings(self, address: int) -> tuple[Fact, ...]:
        """Return what lies at the address, or on both sides of it and how far; and its tag, if it has one."""
        place = self.process.machine.untagged(address)
        bits = 8 * self.pointer_size - self.process.machine.tag_bits
        tag = () if place == address else (PointerTagIs(address >> bits, place),)
        return (*surroundings(self.process.address_space, place), *tag)

    def chunk(self, address: int) -> Chunk | None:
        return None if self.heap is None else self.heap.chunk_at(self.process.machine.untagged(address))

    def in_chunk(self, chunk: Chunk) -> InChunk:
        """Return the chunk as a fact: state, size, place."""
        assert self.heap is not None
        return in_chunk(self.heap, chunk)

    def word_at(self, address: int) -> int | None:
        """Return the word at the address, or None where it cannot be read."""
        try:
            return self.process.words.read(self.process.machine.untagged(address))
        except MemoryFault:
            return None

    def null_array(self) -> Expression | None:
        """Return a pointer that is NULL and that the source line indexes, or None: the index may already be in the
        operand's register."""
        source = self.stop.source
        return next((each for each in self.stop.expressions if not each.value and f"{each.text}[" in source), None)

    def expressions(self, value: int, address: int) -> Iterator[Fact]:
        """Yield what the source calls a pointer of this value, and the member at `address` of what it points to: at
        most a few."""
        source = self.stop.source
        found = [each for each in self.stop.expressions if each.value == value]
        # The pointer whose member the source line names comes first; a line may name several that are NULL.
        found.sort(key=lambda each: f"{each.text}->{each.member_at(address - value)}" not in source.replace(" ", ""))
        for each in found[:_MOST_EXPRESSIONS]:
            member = each.member_at(address - value) if address - value >= 0 else ""
            yield ExpressionHolds(each.text, each.type, value, address - value, member)

    def heap_pointers(self) -> Iterator[tuple[str, int, Chunk]]:
        """Yield each general register, and each pointer that the source names, that points into a chunk, with its
        value and the chunk."""
        machine = self.process.machine
        order = {name: place for place, name in enumerate(machine.general)}
        registers = sorted(self.stop.thread.registers.items(), key=lambda each: (order.get(each[0], 99), each[0]))
        named = [(each.text, each.value) for each in self.stop.expressions]
        seen = set()
        # No pointers of the program's: those that say where it runs, and what holds none.
        without = {machine.stack_pointer, machine.program_counter, *machine.thread_bases, *machine.special}
        for name, value in (*registers, *named):
            chunk = None if name in without or value in seen else self.chunk(value)
            if chunk is not None:
                seen.add(value)
                yield name, value, chunk


Detector = Callable[[CrashContext], Iterator[Verdict]]
