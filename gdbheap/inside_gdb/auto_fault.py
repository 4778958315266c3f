"""`set gdbheap auto-fault on`: each fatal signal is explained at once, below what other plugins show of the stop."""

from __future__ import annotations

import gdb

from gdbheap.files import kernel_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class AutoFault:
    """`is_on` asks the setting, `explain` writes the explanation."""

    def __init__(self, is_on: Callable[[], bool], explain: Callable[[], None]) -> None:
        self._is_on = is_on
        self._explain = explain
        self._waits = False

    def connect(self) -> None:
        """Watch gdb's stops, behind all others that watch them."""
        gdb.events.stop.connect(self._stopped)
        gdb.events.cont.connect(self._stay_last)

    def _stay_last(self, _: object) -> None:
        """GEF shows its context when it hears of the stop; gdb tells those first that came first."""
        gdb.events.stop.disconnect(self._stopped)
        gdb.events.stop.connect(self._stopped)

    def _stopped(self, event: gdb.StopEvent) -> None:
        if not isinstance(event, gdb.SignalEvent) or not self._is_on() or not _is_fatal(event.stop_signal):
            return
        if gdb.prompt_hook is not None and not _is_batch():
            self._explain_at_prompt()
        else:
            self._explain()

    def _explain_at_prompt(self) -> None:
        """pwndbg shows its context when it is asked for the prompt: wait for that."""
        if self._waits:
            return
        self._waits = True
        theirs = gdb.prompt_hook

        def prompt(current: str) -> str | None:
            self._waits = False
            gdb.prompt_hook = theirs
            answer: str | None = theirs(current)
            self._explain()
            return answer

        gdb.prompt_hook = prompt


def _is_fatal(name: str) -> bool:
    from gdbheap.process.signal_info import FATAL, signal_name  # for those who have switched it on

    return name in map(signal_name, FATAL)


def _is_batch() -> bool:
    """Whether this gdb ends without a prompt. (No gdb tells Python so; its own words do, up to those for the
    program.)"""
    try:
        words = kernel_text("/proc/self/cmdline").split("\0")
    except OSError:
        return False
    own = words[: words.index("--args")] if "--args" in words else words
    return any(word.lstrip("-") in ("batch", "batch-silent") for word in own if word.startswith("-"))
