"""What gdb's own events told of the stop that lasts, and nothing tells later."""

from __future__ import annotations

import gdb


class LastStop:
    """What gdb's events told of the stop that lasts: `at_breakpoint` whether a breakpoint of gdb's made it (None:
    they told nothing), `signal` which signal did, and to which thread it came (gdb's global number)."""

    at_breakpoint: bool | None = None
    signal: tuple[int, int] | None = None

    @classmethod
    def note(cls, event: gdb.StopEvent) -> None:
        """Keep what a stop's event tells."""
        cls.at_breakpoint = isinstance(event, gdb.BreakpointEvent)
        cls.signal = None
        if isinstance(event, gdb.SignalEvent) and (thread := gdb.selected_thread()) is not None:
            import signal as signals  # kept out of gdb's start

            number = getattr(signals, event.stop_signal, None)
            cls.signal = None if number is None else (int(number), thread.global_num)

    @classmethod
    def signal_of(cls, thread: gdb.InferiorThread | None) -> int:
        """Return which signal stopped the thread, 0 for none."""
        number, stopped = cls.signal or (0, 0)
        return number if thread is not None and thread.global_num == stopped else 0

    @classmethod
    def forget(cls, _: object) -> None:
        """The process goes on, or is gone."""
        cls.at_breakpoint = cls.signal = None
