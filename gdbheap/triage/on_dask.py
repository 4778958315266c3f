"""Cores on many machines: Dask's workers read them, each in bounded processes of its own."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.triage.extras import extra
from gdbheap.triage.row import Row, row_of
from gdbheap.triage.server import Server, request_of
from gdbheap.triage.work import MOST_ATTEMPTS, Job, WorkEnded, unread

LOCAL = "local"
# So many cores are on their way for each of the scheduler's threads.
_AHEAD = 16
_LEAST_AHEAD = 64
_MOST_BEGINNINGS = 4
_of_thread = threading.local()


def read_on_worker(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a core's row. Each thread of a worker has a server, which is begun again where it ended."""
    for _ in range(MOST_ATTEMPTS):
        server = getattr(_of_thread, "server", None)
        if server is None:
            server = _of_thread.server = Server()
        record: dict[str, Any] | None = server.ask(request)
        if record is not None:
            return record
        server.end()
        del _of_thread.server
    raise OSError("the process that reads cores ends again and again on this worker")


def rows_of_cluster(jobs: Iterable[Job], address: str, at_once: int) -> Iterator[Row]:
    """Yield the row of each core as it comes. `address` is that of a scheduler, or LOCAL for so many workers on this
    machine. HeapError where there is no such scheduler; WorkEnded where it goes away."""
    with _client(address, at_once) as client:
        coming = iter(jobs)
        ahead = max(_LEAST_AHEAD, _AHEAD * sum(client.nthreads().values()))
        waiting = {_submit(client, job): (job, 1) for job in islice(coming, ahead)}
        done = extra("distributed").as_completed(list(waiting))
        for future in done:
            job, attempts = waiting.pop(future)
            record, why = _result(future, client)
            future.release()
            row = row_of(record) if record is not None else None
            again = (job, attempts + 1) if row is None and attempts < MOST_ATTEMPTS else None
            if again is None:
                yield row if row is not None else unread(job.core, why)
            following = again or next(((job, 1) for job in coming), None)
            if following is not None:
                new = _submit(client, following[0])
                waiting[new] = following
                done.add(new)


def _submit(client: Any, job: Job) -> Any:
    try:
        return client.submit(read_on_worker, request_of(job), pure=False)
    except Exception:  # whose class is another in each release
        _want_scheduler(client)
        raise


def _want_scheduler(client: Any) -> None:
    if client.status == "closed":  # it has tried to reach the scheduler again, for as long as at the start
        raise WorkEnded("the scheduler of Dask has gone away")


def _result(future: Any, client: Any) -> tuple[dict[str, Any] | None, str]:
    """Return the row's record, or None and why there is none. WorkEnded: that tells nothing of the core."""
    try:
        record: dict[str, Any] = future.result()
    except ModuleNotFoundError as error:  # what a worker's own Python says
        raise HeapError(f"a worker of the cluster has no {error.name}: pip install 'gdbheap[fleet]' there") from None
    except Exception as error:  # what a worker raises, and what happens to workers, is Dask's to name
        _want_scheduler(client)
        return None, f"its worker ended, {MOST_ATTEMPTS} times: {type(error).__name__}"
    return record, ""


@contextmanager
def _client(address: str, at_once: int) -> Iterator[Any]:
    distributed = extra("distributed")
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it has to say is told as an error
    with ExitStack() as stack:
        if address == LOCAL:
            address = stack.enter_context(_local_cluster(distributed, at_once))
        try:
            client = stack.enter_context(distributed.Client(address, timeout="20s"))
        except (OSError, ValueError) as error:
            raise HeapError(f"there is no scheduler of Dask at {address}: {error}") from None
        if not client.nthreads():
            raise HeapError(f"the scheduler at {address} has no workers: dask worker {address}")
        yield client


@contextmanager
def _local_cluster(distributed: Any, at_once: int) -> Iterator[Any]:
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="gdbheap-dask-"))
        # A worker that somebody kills means no core.
        stack.enter_context(extra("dask").config.set({"distributed.scheduler.allowed-failures": MOST_ATTEMPTS}))
        yield stack.enter_context(_begun(distributed, at_once, directory))


def _begun(distributed: Any, at_once: int, directory: str) -> Any:
    """Return the cluster; HeapError where its workers end before they have begun, again and again."""
    for _ in range(_MOST_BEGINNINGS):
        try:
            return distributed.LocalCluster(
                n_workers=at_once,
                threads_per_worker=1,
                dashboard_address=None,
                local_directory=directory,
                silence_logs=logging.CRITICAL,
            )
        except (RuntimeError, OSError) as error:
            why = error.__cause__ or error
    raise HeapError(f"a cluster of Dask cannot be started on this machine: {why}")
