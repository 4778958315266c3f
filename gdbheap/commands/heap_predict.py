"""heap predict: what the next malloc, free, realloc, ... of this process would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.prediction.calls import FUNCTIONS, parse_calls
from gdbheap.interface.arguments import read_size
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import ABSENT, Absent, Line, Next, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.session.target import Target
from gdbheap.session.threads_inside import threads_inside

if TYPE_CHECKING:
    # What these bring is kept out of gdb's start: the functions below import it when they are called.
    from gdbheap.analysis.prediction.outcome import Prediction


@dataclass(frozen=True)
class _Row:
    """A call."""

    call: str = field(metadata=column("text", "heading"))
    result: int | Absent = field(metadata=column("address", "mem"))
    source: str = field(metadata=column())
    message: str = field(metadata=column())
    steps: Sequence[str] = field(metadata=column("texts", shown=False))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Predict the calls, one row for each."""
    from gdbheap.analysis.prediction.outcome import CannotPredict
    from gdbheap.analysis.prediction.predict import predict
    from gdbheap.sentences.facts.said import said

    calls = parse_calls(arguments["ops"], lambda text: read_size(text, target.evaluate))
    thread, inside = target.selected_thread, threads_inside(target)
    try:
        predictions, remarks = predict(target.process, target.heap(), thread, inside, calls)
    except CannotPredict as refusal:
        raise refusal.error(f"cannot predict {said(refusal.why)}") from refusal
    rows = [_row(each) for each in predictions]
    notes = tuple(dict.fromkeys(map(said, remarks)))
    display_rows = list(_explained(rows)) if arguments["explain"] else None
    then = (Next("heap bins", "the lists that blocks come from"),)
    return Report("heap predict", (Table(columns_of(_Row), rows, display_rows),), notes, then)


def _row(prediction: Prediction) -> _Row:
    from gdbheap.sentences.facts.predictions import explain, source_text
    from gdbheap.sentences.facts.said import said

    result = ABSENT if prediction.result is None else prediction.result
    message = "" if prediction.outcome is None else said(prediction.outcome)
    return _Row(prediction.call.text, result, source_text(prediction.source), message, explain(prediction.steps))


def _explained(rows: Sequence[_Row]) -> Iterator[_Row | Line]:
    for row in rows:
        yield row
        yield from (Line.plain(f"    {step}") for step in row.steps)


COMMAND = Command(
    name="heap predict",
    summary="Show what the next calls of malloc, free, realloc, ... would do.",
    description=(
        "A model of this glibc's malloc performs the calls on copies of the process's pages, as the selected thread; "
        "nothing in the process changes. Each row shows what a call returns, where the block comes from or goes to, "
        "and how it fails or aborts.\n"
        "Separate calls with semicolons; quotes around the whole are optional. Known are malloc SIZE, calloc COUNT "
        "SIZE, realloc ADDRESS SIZE, free ADDRESS, memalign, aligned_alloc and posix_memalign ALIGNMENT SIZE, valloc "
        "SIZE, pvalloc SIZE, malloc_trim PAD and mallopt PARAMETER VALUE. Each argument is a gdb expression, or a "
        "number with k, M or G. If a call has two arguments, write them without blanks inside, or in parentheses with "
        "a comma between them, as in C. @1 stands for what the first call returned."
    ),
    run=run,
    arguments=(
        Argument("--explain", "flag", "Show each step that decides the outcome."),
        Argument("OPS", "calls", "The calls.", choices=tuple(FUNCTIONS), required=True),
    ),
    examples=(
        ("heap predict malloc 24", "the block that the next malloc(24) returns, and from where"),
        ("heap predict malloc(100); free(@1); malloc(100)", "the same block twice, from the tcache"),
        ("heap predict --explain free p; free p", "how a double free is caught"),
    ),
)
