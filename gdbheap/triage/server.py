"""A process that reads the cores that lines on its standard input name, one after the other, and answers each with the
line of its row: `python -m gdbheap.triage.server`. It is for those who cannot fork for each core themselves, having
threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gdbheap.triage.bounded import ProcessLimits
from gdbheap.triage.cores import Core
from gdbheap.triage.pool import rows_of
from gdbheap.triage.work import Job


def request_of(job: Job) -> dict[str, Any]:
    """Return the job as JSON has it."""
    return {"core": vars(job.core), "options": vars(job.options), "limits": vars(job.limits)}


def job_of(request: Mapping[str, Any]) -> Job:
    """Return the job that request_of() has written."""
    return Job(Core(**request["core"]), Namespace(**request["options"]), ProcessLimits(**request["limits"]))


class Server:
    """Such a process, as the one that asks sees it."""

    def __init__(self) -> None:
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the row's record; None where the process has ended."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        record: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return record

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Answer until nobody asks any more."""
    from gdbheap.triage.loaded import load_all  # numpy and all commands

    load_all()
    with suppress(BrokenPipeError):  # who asked has been ended, and so has what it asked
        for line in sys.stdin.buffer:
            for row in rows_of([job_of(json.loads(line))], 1):
                _write(json.dumps(row.record()).encode("ascii") + b"\n")


def _write(line: bytes) -> None:
    # (Not by sys.stdout, which tries again when Python ends.)
    while line:
        line = line[os.write(sys.stdout.fileno(), line) :]


if __name__ == "__main__":
    main()
