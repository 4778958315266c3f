"""Lines of progress, each with the time since the start, whole even when several threads write."""

from __future__ import annotations

import sys
import time

START = time.monotonic()


def say(text: str) -> None:
    """Print a line with the minutes and seconds since the start."""
    seconds = int(time.monotonic() - START)
    sys.stdout.write(f"[{seconds // 60:2}:{seconds % 60:02}] {text}\n")
    sys.stdout.flush()
