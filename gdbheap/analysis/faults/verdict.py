"""Verdict: one answer to "why did it die?", with what speaks for it; Scene: all that the recognisers may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gdbheap.analysis.addresses.naming import place_of
from gdbheap.analysis.faults.operand import Instruction, MemoryOperand
from gdbheap.errors import MemoryFault
from gdbheap.malloc.chunk_table import Chunk
from gdbheap.malloc.heap_view import HeapView
from gdbheap.process.address_space import VMA
from gdbheap.process.process import Process
from gdbheap.process.stop import Stop

CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
_ORDER = {CERTAIN: 0, LIKELY: 1, POSSIBLE: 2}

# x86-64 with four levels of page tables: 47 bits of user addresses.
_USER_END_64 = 1 << 47
_KERNEL_START_64 = ((1 << 64) - 1) ^ (_USER_END_64 - 1)


@dataclass(frozen=True)
class Verdict:
    """`name` is one of FAULTS' published names; `address` what it is about (None: nothing); `evidence` are quoted facts; `next` commands."""

    name: str
    confidence: str
    address: int | None
    summary: str
    evidence: tuple[str, ...] = ()
    next: tuple[str, ...] = ()


# What the bad address looks like, rather than how it came about: a likely cause goes before them, however certain they are.
_SYMPTOMS = frozenset({"unmapped", "non_canonical", "no_access", "kernel_address", "jump_to_unmapped"})


def best_first(verdicts: list[Verdict]) -> list[Verdict]:
    """Return the verdicts by confidence, causes before symptoms, the order they were found in kept; one for each name."""
    ordered = sorted(
        verdicts, key=lambda each: (each.confidence == POSSIBLE, each.name in _SYMPTOMS, _ORDER[each.confidence])
    )
    best: dict[str, Verdict] = {}
    for each in ordered:
        best.setdefault(each.name, each)
    return list(best.values())


@dataclass(frozen=True)
class Scene:
    """The stop and the process around it. `heap` is None where it cannot be read; `heap_trouble` then says why.

    `symbol_at` gives "name+offset in module" or ""; `disassemble(address, before)` gdb's text of the instruction at `address`, or of the call
    that ends there, or "". `abort_message` is glibc's own (__abort_msg), "" where there is none.
    """

    stop: Stop
    process: Process
    instruction: Instruction
    heap: HeapView | None
    symbol_at: Callable[[int], str]
    abort_message: str = ""
    tcache_key: int | None = None
    stack_limit: int | None = None

    @property
    def word(self) -> int:
        return self.process.word

    @property
    def fault_address(self) -> int | None:
        """The address that the kernel names, where it names the true one (page faults); None for the rest."""
        signal = self.stop.signal
        # A general protection fault has si_code SI_KERNEL and si_addr 0, which says nothing.
        if signal is None or signal.address is None or signal.code in (0x80,):
            return None
        return signal.address

    @property
    def accesses(self) -> tuple[MemoryOperand, ...]:
        """The instruction's memory operands that the fault may be about: the one at the kernel's address, else all."""
        address = self.fault_address
        if address is None:
            return self.instruction.memory
        near = tuple(
            each for each in self.instruction.memory if each.address <= address < each.address + max(each.size, 1)
        )
        return near or tuple(each for each in self.instruction.memory if abs(each.address - address) < 4096)

    def is_canonical(self, address: int) -> bool:
        """Whether the address can exist at all on this machine."""
        return self.word == 4 or address < _USER_END_64 or address >= _KERNEL_START_64

    def is_kernels(self, address: int) -> bool:
        """Whether the address is in the kernel's half."""
        return self.word == 8 and address >= _KERNEL_START_64

    def vma(self, address: int) -> VMA | None:
        return self.process.address_space.find(address)

    def vma_line(self, vma: VMA) -> str:
        """Return the mapping as /proc/PID/maps writes it."""
        return f"{vma.start:x}-{vma.end:x} {vma.permissions} {vma.path or '(anonymous)'}"

    def surroundings(self, address: int) -> tuple[str, ...]:
        """Return what lies at the address, or on both sides of it and how far."""
        here = self.vma(address)
        if here is not None:
            return (f"{address:#x} is {address - here.start:#x} bytes into {self.vma_line(here)}",)
        below, above = self.process.address_space.around(address)
        lines = []
        if below is not None:
            past = address - below.end
            lines.append(f"{f'{past:#x} bytes' if past else 'just'} past the end of {self.vma_line(below)}")
        if above is not None:
            lines.append(f"{above.start - address:#x} bytes before {self.vma_line(above)}")
        return tuple(lines)

    def chunk(self, address: int) -> Chunk | None:
        return None if self.heap is None else self.heap.chunk_at(address)

    def chunk_words(self, chunk: Chunk) -> str:
        """Return the chunk in words: state, size, place."""
        assert self.heap is not None
        place = place_of(self.heap, chunk)
        return f"{chunk.state.label} chunk {chunk.address:#x} of {chunk.size:#x} bytes" + (
            f" ({place})" if place else ""
        )

    def word_at(self, address: int) -> int | None:
        """Return the word at the address, or None where it cannot be read."""
        try:
            return self.process.words.read(address)
        except MemoryFault:
            return None

    def heap_registers(self) -> Iterator[tuple[str, int, Chunk]]:
        """Yield each general register that points into a chunk, with its value and the chunk."""
        skipped = ("rsp", "esp", "rip", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base")
        for name, value in self.stop.thread.registers.items():
            chunk = None if name in skipped else self.chunk(value)
            if chunk is not None:
                yield name, value, chunk


Recogniser = Callable[[Scene], Iterator[Verdict]]
