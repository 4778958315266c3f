"""Call stacks and owner paths as flame graphs take them: "outer;inner;innermost 123", a line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BufferedWriter, TextIOWrapper

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.report.printable import printable


def write_folded(path: str, stacks: Iterable[tuple[Sequence[str], int]]) -> str:
    """Write (names from the outermost on, weight) to the file, in place of what it held, those of one name added up
    and none of no weight; return a line that says so. UsageError where it cannot be written."""
    lines: dict[str, int] = {}
    for names, weight in stacks:
        line = ";".join(printable(name).replace(";", ":") for name in names)
        lines[line] = lines.get(line, 0) + weight
    weighty = {line: weight for line, weight in lines.items() if weight > 0}
    try:
        with TextIOWrapper(BufferedWriter(open_output(path)), encoding="utf-8") as file:
            file.writelines(f"{line} {weight}\n" for line, weight in weighty.items())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return f"{counted(len(weighty), 'stack')} in {printable(path)}"
