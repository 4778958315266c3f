"""What a wild program counter tells: a call through NULL, a smashed return address, a bad vtable, code where none
can run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from gdbheap.analysis.crashes.pointers import by_value
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.machine.instruction import Instruction
from gdbheap.process.signal_info import OF_ACCESSES, SI_KERNEL, SIGSEGV

_LARGEST_TABLE = 0x400
_NEAR_STACK = 1 << 18
# What the value of a vtable pointer may tell beside that it is none.
_OVERWRITTEN = ("ascii_as_pointer", "poison_fill", "mangled_link", "tcache_key_as_pointer")


def wild_jumps(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what is known where the program counter itself is the address that faulted."""
    if crash.stop.signal is None or crash.stop.signal.signal != SIGSEGV or not crash.is_fetch:
        return
    # Of an instruction that lies across a page's end the kernel names the page that its rest is in.
    counter = crash.fault_address if crash.fault_address is not None else crash.stop.thread.program_counter
    vma = crash.vma(counter)
    came = _ran_on(crash, counter) or _came_by(crash)
    if came.by_return:
        yield _return_verdict(crash, counter, LIKELY, came.evidence)
    if came.ran_on:
        where = f"{_place(crash, counter)}, which may not be executed" if vma is not None else "where nothing is mapped"
        summary = f"the program ran on past the end of its code, to {counter:#x}, {where}"
        name = "jump_to_unmapped" if vma is None else "jump_to_non_executable"
        yield Verdict(name, LIKELY, counter, summary, (*crash.surroundings(counter), *came.evidence), came.next)
    elif counter < NULL_ZONE:
        what = "NULL" if counter == 0 else f"NULL + {counter:#x}"
        yield Verdict(
            "jump_to_null", CERTAIN, counter, f"the program jumped to {what}: {came.how}", came.evidence, came.next
        )
    elif vma is not None and not vma.executable:
        where = _place(crash, counter)
        summary = f"the program jumped into {where}, which may not be executed: {came.how}"
        yield Verdict(
            "jump_to_non_executable",
            CERTAIN,
            counter,
            summary,
            (*crash.surroundings(counter), *came.evidence),
            came.next,
        )
    else:
        where = "in the kernel's half" if crash.is_kernels(counter) else "where nothing is mapped"
        summary = f"the program jumped to {counter:#x}, {where}: {came.how}"
        yield Verdict(
            "jump_to_unmapped", CERTAIN, counter, summary, (*crash.surroundings(counter), *came.evidence), came.next
        )
        yield from (
            each
            for each in by_value(crash, counter, "the program counter")
            if each.name not in ("null_pointer", "null_plus_offset")
        )


def bad_targets(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what is known where a `ret`, or an indirect jump or call, has a target that cannot exist: the kernel
    then names no address."""
    signal = crash.stop.signal
    if signal is None or signal.signal not in OF_ACCESSES or signal.code != SI_KERNEL:
        return
    instruction, counter = crash.instruction, crash.stop.thread.program_counter
    if crash.is_vsyscall(counter):
        # mirrors emulate_vsyscall(): SIGSEGV, and no address
        summary = "the program jumped into the vsyscall page, which may only be called at its three entries"
        came = _came_by(crash)
        yield Verdict("jump_to_non_executable", CERTAIN, counter, summary, came.evidence, came.next)
        return
    if instruction.mnemonic.startswith("ret"):
        slot = crash.stop.thread.stack_pointer
        value = crash.word_at(slot)
        if value is not None and not crash.is_canonical(value):
            yield _return_verdict(crash, value, CERTAIN, (f"the return address at {slot:#x} is {value:#x}",))
            yield from by_value(crash, value, f"the return address at {slot:#x} is {value:#x}")
        return
    target = None
    if instruction.target is not None:
        target = crash.word_at(instruction.target.address)
        how = f"{instruction.target.text} holds"
    elif instruction.target_register:
        target = crash.stop.thread.registers.get(instruction.target_register)
        how = f"{instruction.target_register} is"
    if target is None or crash.is_canonical(target):
        return
    summary = f"a call or jump to {target:#x}, which is not canonical"
    yield Verdict("jump_to_unmapped", CERTAIN, target, summary, (f"{how} {target:#x}",), ("info registers", "up"))
    yield from by_value(crash, target, f"{how} {target:#x}")


def wild_vtables(crash: CrashContext) -> Iterator[Verdict]:
    """Yield a virtual call on an object whose vtable pointer is none: the load of the pointer's slot, or the call
    itself, has died.

    A C++ compiler calls a virtual function by loading the object's first word and calling through a slot of what it
    points to.
    """
    for owner, value in _possible_objects(crash):
        first = crash.word_at(owner)
        if first is None:
            continue
        table, symbol = crash.vma(first), crash.symbol_at(first)
        if table is not None and not table.writable and symbol is not None and symbol.is_vtable:
            continue
        chunk = crash.chunk(owner)
        evidence = [f"{value} is {owner:#x}, and the word there, where a vtable pointer belongs, is {first:#x}"]
        if chunk is not None:
            evidence.append(f"the object is in the {crash.chunk_words(chunk)}")
        why = (
            "the object has been freed"
            if chunk is not None and chunk.state.is_free
            else "the object was overwritten, or is none"
        )
        summary = f"a virtual call on an object whose vtable pointer is no vtable: {why}"
        next_steps = (f"explain {owner:#x}", f"x/4gx {owner:#x}")
        yield Verdict("wild_vtable", LIKELY, owner, summary, tuple(evidence), next_steps)
        fault = crash.fault_address if crash.fault_address is not None else first
        yield from (
            replace(each, address=fault)
            for each in by_value(crash, first, f"the vtable pointer is {first:#x}")
            if each.name in _OVERWRITTEN
        )
        return


def _possible_objects(crash: CrashContext) -> Iterator[tuple[int, str]]:
    """Yield (address, name) of what may be the object of a virtual call that died: a register (`this` is an
    argument), or a pointer that the source names."""
    bases = {each.base_value for each in crash.instruction.memory if each.base}
    counter = crash.stop.thread.program_counter
    jumped = crash.is_fetch
    is_call = crash.instruction.mnemonic.startswith(("call", "jmp")) or _next_is_call(crash)
    for name, value, has_table in _pointers(crash):
        if not value or value % crash.pointer_size or crash.vma(value) is None:
            continue
        first = crash.word_at(value)
        if first is None or 0 < first < NULL_ZONE or (not first and not has_table and not _is_freed(crash, value)):
            continue
        # The table pointer is what the died load or call went through (with the slot's offset, where that is added
        # first), or its slot held what was jumped to.
        through = first in bases if not has_table else any(0 <= base - first < _LARGEST_TABLE for base in bases)
        if (through and (is_call or has_table)) or (jumped and _is_slot_of(crash, first, counter)):
            yield value, name


def _is_slot_of(crash: CrashContext, table: int, counter: int) -> bool:
    """Whether the program got to the counter through a slot of this table, by the call that is still to be seen."""
    if crash.vma(table) is None:
        return False
    call = _call(crash, crash.stop.thread.registers)
    if call.target is not None and call.target.base:
        return call.target.base_value == table and crash.word_at(call.target.address) == counter
    # Without optimisation the slot is loaded first; NULL stands in too many places to tell anything.
    slots = (crash.word_at(table + index * crash.pointer_size) for index in range(16))
    return bool(call.target_register) and counter >= NULL_ZONE and any(slot == counter for slot in slots)


def _pointers(crash: CrashContext) -> Iterator[tuple[str, int, bool]]:
    """Yield (name, value, whether its class is known to have virtual functions) of what may point to an object."""
    registers, pointer = crash.stop.thread.registers, crash.stop.thread.stack_pointer
    for name in crash.process.machine.objects:
        value = registers.get(name, 0)
        if not value >= pointer > value - (1 << 16):
            yield name, value, False
    for each in crash.stop.expressions:
        if any(start == 0 and name.startswith("_vptr") for start, _, name in each.members):
            yield each.text, each.value, True


def _is_freed(crash: CrashContext, address: int) -> bool:
    chunk = crash.chunk(address)
    return chunk is not None and chunk.state.is_free


def _next_is_call(crash: CrashContext) -> bool:
    """Whether the died load is of the slot that the next instruction calls through."""
    return "call" in crash.stop.next_instruction or "jmp" in crash.stop.next_instruction


class _Came:
    """How the program counter got where it is."""

    def __init__(
        self,
        how: str,
        evidence: tuple[str, ...],
        next_steps: tuple[str, ...],
        by_return: bool = False,
        ran_on: bool = False,
    ) -> None:
        self.how = how
        self.evidence = evidence
        self.next = next_steps
        self.by_return = by_return
        self.ran_on = ran_on


def _ran_on(crash: CrashContext, counter: int) -> _Came | None:
    """Return that the program came here step by step, where the last instruction in front of the address can be
    executed; None where it has jumped: what called leads here."""
    if counter % crash.page_size:
        return None
    before = crash.vma(counter - 1)
    if before is None or not before.executable or _calls(crash, counter):
        return None
    pointer = crash.stop.thread.stack_pointer
    if counter == crash.stop.thread.program_counter and crash.word_at(pointer - crash.pointer_size) == counter:
        return None
    fact = f"what lies before it may be executed: {crash.vma_line(before)}"
    return _Came("by running on", (fact,), (f"x/8i {counter - 16:#x}", "bt"), ran_on=True)


def _came_by(crash: CrashContext) -> _Came:
    """Tell a call from a return: a call leaves its return address at the stack pointer, a return leaves itself just
    below it."""
    counter, pointer = crash.stop.thread.program_counter, crash.stop.thread.stack_pointer
    pushed, popped = crash.word_at(pointer), crash.word_at(pointer - crash.pointer_size)
    if "call" in crash.stop.caller_instruction.split()[:2] and (
        popped != counter or _calls(crash, counter) or (counter < NULL_ZONE and _direct(crash) is not None)
    ):
        where = crash.symbol_at(pushed - 1) if pushed else None
        evidence = [f"the return address at the stack pointer is {pushed:#x}" + (f" ({where})" if where else "")]
        evidence.append(f"the call there is `{crash.stop.caller_instruction}`")
        callee = _direct(crash)
        if callee is not None and callee != counter:
            name = crash.symbol_at(callee) or f"{callee:#x}"
            evidence.append("that call leads elsewhere: the function that it called, or one further on, jumped here")
            return _Came(
                f"by a jump (a tail call) from {name} or beyond", tuple(evidence), (f"x/16i {callee:#x}", "up")
            )
        evidence += [*_slot(crash, counter), *crash.expressions(counter, counter)]
        return _Came("by a call through a function pointer", tuple(evidence), ("up", "info locals"))
    if popped == counter:
        fact = f"the word just below the stack pointer, at {pointer - crash.pointer_size:#x}, is the same address"
        return _Came("by a return to an overwritten address", (fact,), (f"x/16gx {pointer - 64:#x}",), by_return=True)
    return _Came("it is not known how", (f"the stack pointer is {pointer:#x}",), ("bt",))


def _call(crash: CrashContext, registers: Mapping[str, int]) -> Instruction:
    """Return the call before the address at the stack pointer, with what the registers hold."""
    return crash.process.machine.code.decode(crash.stop.caller_instruction, registers)


def _direct(crash: CrashContext) -> int | None:
    """Return where the call before the address at the stack pointer leads, if that stands in the call itself; None
    where it is indirect."""
    match = re.search(r"call[lqw]?\s+(0x[0-9a-f]+)\b", crash.stop.caller_instruction)
    return int(match[1], 16) if match is not None else None


def _calls(crash: CrashContext, counter: int) -> bool:
    """Whether the call before the address at the stack pointer leads to the program counter, by what the registers
    hold now."""
    call = _call(crash, crash.stop.thread.registers)
    if call.target is not None:
        return crash.word_at(call.target.address) == counter
    return counter in (crash.stop.thread.registers.get(call.target_register), _direct(crash))


def _slot(crash: CrashContext, counter: int) -> Iterator[str]:
    """Yield which word of memory the call took its target from, where it took it from memory: the registers are
    still the caller's, and the source may name it."""
    name = crash.process.machine.stack_pointer
    registers = dict(crash.stop.thread.registers)
    registers[name] = registers.get(name, 0) + crash.pointer_size
    target = _call(crash, registers).target
    named = (each.place for each in crash.stop.expressions if each.value == counter and each.place is not None)
    slot = target.address if target is not None else next(named, None)
    if slot is None or crash.word_at(slot) != counter:
        return
    chunk, symbol = crash.chunk(slot), crash.symbol_at(slot)
    place = str(symbol) if symbol else "on the stack" if _is_on_stack(crash, slot) else ""
    if chunk is not None and crash.heap is not None:
        place = f"{slot - chunk.address - crash.heap.layout.header:#x} bytes into the {crash.chunk_words(chunk)}"
    yield f"the target was read from {slot:#x}{f': {place}' if place else ''}"


def _return_verdict(crash: CrashContext, value: int, confidence: str, evidence: tuple[str, ...]) -> Verdict:
    data = value.to_bytes(crash.pointer_size, "little")
    text = data.decode("ascii") if all(0x20 <= byte < 0x7F for byte in data) else ""
    more = (f"as text it is {text!r}: a string was written over the stack",) if text else ()
    summary = "a function returned to an address that was written over"
    pointer = crash.stop.thread.stack_pointer
    return Verdict(
        "return_address_overwritten",
        confidence,
        value,
        summary,
        (*evidence, *more),
        (f"x/32gx {pointer - 128:#x}", "info frame"),
    )


def _place(crash: CrashContext, address: int) -> str:
    vma = crash.vma(address)
    chunk = crash.chunk(address)
    if chunk is not None:
        return f"the heap ({crash.chunk_words(chunk)})"
    if vma is None:
        return "nothing"
    if _is_on_stack(crash, address):
        return "the stack"
    return vma.path or "an anonymous mapping"


def _is_on_stack(crash: CrashContext, address: int) -> bool:
    vma = crash.vma(address)
    near = abs(address - crash.stop.thread.stack_pointer) < _NEAR_STACK
    return vma is not None and vma.writable and (vma.path == "[stack]" or near)
