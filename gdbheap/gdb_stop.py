"""The stop of gdb's selected thread, made into a value: signal, instruction, source line."""

from __future__ import annotations

import gdb

from gdbheap.errors import NoProcess
from gdbheap.gdb_backtrace import frames
from gdbheap.gdb_text import text_of
from gdbheap.process.process import Process
from gdbheap.process.signal_info import SignalInfo
from gdbheap.process.stop import Stop

_MOST_FRAMES = 64
# The longest call instruction, and the shortest.
_CALL_LENGTHS = range(7, 1, -1)
_WITH_ADDRESS = (4, 5, 7, 8, 11)
_SIGSEGV, _SIGTRAP, _SIGSYS = 11, 5, 31
_SEGV_PKUERR = 4
_NAMES = {
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    11: "SIGSEGV",
    31: "SIGSYS",
    2: "SIGINT",
    9: "SIGKILL",
}
_NAMES.update(
    {
        10: "SIGUSR1",
        12: "SIGUSR2",
        13: "SIGPIPE",
        14: "SIGALRM",
        15: "SIGTERM",
        19: "SIGSTOP",
        1: "SIGHUP",
        3: "SIGQUIT",
    }
)
_INT3 = 0xCC


def read_stop(process: Process) -> Stop:
    """Return why and where the selected thread stopped; NoProcess where none is selected."""
    selected = gdb.selected_thread()
    thread = next((each for each in process.threads if selected is not None and each.number == selected.num), None)
    if thread is None:
        raise NoProcess("no thread is selected: `info threads` lists them, `thread N` selects one")
    signal = _signal()
    if signal is not None and signal.signal == _SIGTRAP and not _is_own_trap(process, thread.program_counter):
        signal = None  # a breakpoint or a step of gdb's, which the kernel reports as a trap too
    counter = thread.program_counter
    lines = _disassemble(counter, 2)
    return Stop(
        thread=thread,
        signal=signal,
        signal_name="" if signal is None else _NAMES.get(signal.signal, f"signal {signal.signal}"),
        instruction=lines[0] if lines else "",
        next_instruction=lines[1] if len(lines) > 1 else "",
        caller_instruction=_call_before(process, thread.stack_pointer),
        frames=frames(None, process.word, _MOST_FRAMES),
        source=_source(),
        own_pid=_own_pid(process),
    )


def _signal() -> SignalInfo | None:
    """Return $_siginfo, which gdb has for live threads and for a core's; None where it has none."""
    try:
        info = gdb.parse_and_eval("$_siginfo")
        number, code, error = (int(info[name]) for name in ("si_signo", "si_code", "si_errno"))
        fields = info["_sifields"]
        if number in _WITH_ADDRESS and code > 0:
            fault = fields["_sigfault"]
            key = None
            if (number, code) == (_SIGSEGV, _SEGV_PKUERR):
                # si_pkey shares its place with the bounds' first
                key = int(fault["_addr_bnd"]["_lower"]) & 0xFFFF_FFFF
            return SignalInfo(number, code, error, address=_unsigned(fault["si_addr"]), protection_key=key)
        sender = int(fields["_kill"]["si_pid"]) if code <= 0 else None
        return SignalInfo(number, code, error, sender=sender) if number else None
    except gdb.error:
        return None


def _unsigned(value: gdb.Value) -> int:
    return int(value) & ((1 << 8 * value.type.sizeof) - 1)


def _is_own_trap(process: Process, counter: int) -> bool:
    """Whether the byte before the program counter is a trap of the program's: gdb does not show its own in memory."""
    try:
        data = bytes(gdb.selected_inferior().read_memory(counter - 1, 1))
    except gdb.error:
        return False
    return data[0] == _INT3


def _disassemble(address: int, count: int) -> list[str]:
    try:
        lines = gdb.newest_frame().architecture().disassemble(address, count=count)
    except gdb.error:
        return []
    return [line["asm"] for line in lines]


def _call_before(process: Process, stack_pointer: int) -> str:
    """Return the call instruction that ends where the word at the stack pointer points, or ""."""
    try:
        back = int.from_bytes(bytes(gdb.selected_inferior().read_memory(stack_pointer, process.word)), "little")
        architecture = gdb.newest_frame().architecture()
    except gdb.error:
        return ""
    for length in _CALL_LENGTHS:
        try:
            line = architecture.disassemble(back - length, count=1)[0]
        except (gdb.error, OverflowError):
            continue
        words = line["asm"].split()
        if line["length"] == length and any(word.startswith("call") for word in words[:2]):
            return str(line["asm"])
    return ""


def _source() -> str:
    """Return "FILE:LINE: text" of the innermost frame that has a source line that can be read, else ""."""
    try:
        frame = gdb.newest_frame()
        line = frame.find_sal()
        if line.symtab is None or not line.line:
            return ""
        symtab = line.symtab
        name = text_of(lambda: symtab.filename)
        with open(text_of(symtab.fullname), encoding="utf-8", errors="replace") as file:
            text = next((each for number, each in enumerate(file, 1) if number == line.line), "")
        return f"{name}:{line.line}: {text.strip()}"
    except (gdb.error, OSError):
        return ""


def _own_pid(process: Process) -> int | None:
    """Return the pid as the process's own signals give it: a core remembers it."""
    if process.pid is not None:
        return process.pid
    pid = gdb.selected_inferior().pid
    return pid or None
