"""A stop made by hand, on the process of made_process: for what no program can bring about here."""

from __future__ import annotations

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.process.process import Thread
from gdbheap.process.signal_info import SignalInfo
from gdbheap.process.stop import Stop
from support.made_process import made_heap, made_process

CODE, STACK_POINTER = 0x401234, 0x7FFE00020000


def made_crash(instruction: str, signal: SignalInfo, registers: dict[str, int], **more) -> CrashContext:
    """Return the scene of a thread that the signal stopped at this instruction; `more` are fields of CrashContext's
    or of Stop's."""
    process = more.pop("process", None) or made_process()
    thread = Thread(
        1, 101, "", {"rip": CODE, "rsp": STACK_POINTER, "eflags": 0x202, **registers}, STACK_POINTER, CODE, None
    )
    fields = {name: more.pop(name) for name in list(more) if name in Stop.__dataclass_fields__}
    stop = Stop(thread, signal, "SIGSEGV", instruction, own_pid=4242, **fields)
    heap = more.pop("heap", made_heap())
    symbols = more.pop("symbols", {})
    return CrashContext(
        stop,
        process,
        process.machine.code.decode(instruction, thread.registers),
        heap,
        symbols.get,
        lambda name: name,
        **more,
    )
