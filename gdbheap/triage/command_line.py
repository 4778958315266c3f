"""`python3 -m gdbheap triage`: many cores at once, a row for each, the rows of one cause a group."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing

from gdbheap import packages
from gdbheap.counted import counted
from gdbheap.errors import PackagesMissing, UsageError
from gdbheap.report.charset import in_charset
from gdbheap.report.deliver import OutputForm, to_screen
from gdbheap.triage.bounded import ProcessLimits
from gdbheap.triage.cores import Core, cores_named
from gdbheap.triage.row import Row
from gdbheap.triage.store import Store
from gdbheap.triage.work import Job, WorkEnded, unread
from gdbheap.without_gdb.debuginfod import urls_of

# What gdbheap itself takes of address space.
LEAST_MEMORY = 512 << 20


def triage(options: argparse.Namespace) -> int:
    """Do as the words of the command line ask; return the exit status: 0, 130 where Ctrl-C ended it, 1 where the
    scheduler went away."""
    packages.use()
    if missing := packages.missing():
        raise PackagesMissing(packages.not_installed(missing), packages.setup_command())
    if options.memory < LEAST_MEMORY:
        raise UsageError("--memory takes 512M at least: Python and numpy alone need some of it")
    from gdbheap.triage.answer import Ran, report_of, write_page  # it takes longer to load than most errors to say

    cores = list(cores_named(options.cores))
    if not cores:
        raise UsageError("there is no core in what was named")
    store = Store(options.output)
    with closing(store):
        if options.again:
            store.drop(lambda row: bool(row.errors))
        kept = sum(core.key in store for core in cores)
        status, ended_by = _fill(store, cores, options)
        names = {core.key for core in cores}
        rows = [row for row in store.rows if row.key in names]
    ran = Ran(options.output, rows, kept, len(cores) - len(rows), options.memory, ended_by)
    if options.parquet:
        from gdbheap.triage.parquet import write_parquet  # it brings pyarrow

        write_parquet(os.path.join(options.output, "rows.parquet"), rows)
    write_page(ran)
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else None
    to_screen(
        report_of(ran),
        lambda text: sys.stdout.write(in_charset(text, sys.stdout.encoding)),
        OutputForm.JSON if options.json else OutputForm.TEXT,
        width,
        on_terminal and not os.environ.get("NO_COLOR"),
    )
    return status


def _fill(store: Store, cores: list[Core], options: argparse.Namespace) -> tuple[int, str]:
    """Add the rows of the cores that have none; return the exit status and, where that is not to be seen from it, what
    ended the work too early. What is done is kept."""
    limits, files = ProcessLimits(options.memory, options.time), _files(options)
    left = [core for core in cores if core.key not in store]
    progress = _Progress(len(cores), len(cores) - len(left))
    jobs = []
    for core in left:
        if core.error:
            store.add(unread(core, core.error))
            progress.came()
        else:
            jobs.append(Job(core, files, limits))
    try:
        for row in _rows(jobs, options):
            store.add(row)
            progress.came()
    except KeyboardInterrupt:
        return 130, ""
    except WorkEnded as error:
        return 1, str(error)
    finally:
        progress.finish()
    return 0, ""


def _rows(jobs: Iterable[Job], options: argparse.Namespace) -> Iterator[Row]:
    if options.scheduler is None:
        from gdbheap.triage.loaded import load_all  # numpy and all commands
        from gdbheap.triage.pool import rows_of

        load_all()
        return rows_of(jobs, options.jobs)
    from gdbheap.triage.on_dask import rows_of_cluster  # it brings dask

    return rows_of_cluster(jobs, options.scheduler, options.jobs)


def _files(options: argparse.Namespace) -> argparse.Namespace:
    """Return where the cores' files are looked for, as core_options() has it."""
    return argparse.Namespace(
        core=None,
        program=options.program,
        sysroot=options.sysroot,
        debug_dir=options.debug_dir,
        debuginfod=options.debuginfod and urls_of(os.environ),
        help=False,
    )


class _Progress:
    """How far the run is, on a line of the terminal that vanishes."""

    def __init__(self, all_of_them: int, done: int) -> None:
        self._all, self._done = all_of_them, done
        self._next = time.monotonic() + 1.0
        self._shown = 0

    def came(self) -> None:
        self._done += 1
        if sys.stderr is not None and sys.stderr.isatty() and time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            line = f"{self._done:,} of {counted(self._all, 'core')} (Ctrl-C keeps what is done) "
            self._shown = max(self._shown, len(line))
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()

    def finish(self) -> None:
        if self._shown:
            sys.stderr.write(f"\r{'':<{self._shown}}\r")
