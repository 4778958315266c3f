"""The words of `python3 -m gdbheap triage`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable


def add_words(triage: argparse.ArgumentParser, size_of: Callable[[str], int], count_of: Callable[[str], int]) -> None:
    """Give the command its arguments; `size_of` and `count_of` read bytes and numbers."""
    triage.add_argument("cores", metavar="CORE", nargs="+", help="a core, a directory with cores, or a URL")
    triage.add_argument("--output", default="triage", metavar="DIR", help="where rows and page go (triage)")
    triage.add_argument("--jobs", type=count_of, default=os.cpu_count() or 1, metavar="N", help="cores read at once")
    text = "the most that reading one core may take, as 2G (2G)"
    triage.add_argument("--memory", type=size_of, default=2 << 30, metavar="SIZE", help=text)
    text = "the most that reading one core may take (120)"
    triage.add_argument("--time", type=_seconds, default=120.0, metavar="SECONDS", help=text)
    text = "have Dask do it: the address of its scheduler, or 'local' for a cluster on this machine"
    triage.add_argument("--scheduler", metavar="ADDRESS", help=text)
    triage.add_argument("--again", action="store_true", help="read the cores again whose rows have errors")
    triage.add_argument("--parquet", action="store_true", help="write DIR/rows.parquet too (wants pyarrow)")
    triage.add_argument("--json", action="store_true", help="answer in JSON")
    triage.add_argument("--program", metavar="FILE", help="the program that left the cores, where it lies elsewhere")
    triage.add_argument("--sysroot", default="", metavar="DIR", help="where the files are that the cores name")
    text = "where files with debug information are; may be repeated"
    triage.add_argument("--debug-dir", action="append", default=[], metavar="DIR", help=text)
    triage.add_argument(
        "--debuginfod", action="store_true", help="ask the servers of DEBUGINFOD_URLS for files that are not here"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"takes seconds, not {text!r}")
    return seconds
