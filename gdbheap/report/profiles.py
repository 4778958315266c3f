"""Stacks with weights in the two forms that other viewers read: folded text (flamegraph.pl, speedscope) and pprof's
profile.proto."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedWriter

from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.report.printable import printable

Stack = tuple[Sequence[str], Sequence[int]]


def write_folded(path: str, stacks: Iterable[Stack]) -> None:
    """Write a line for each stack: its frames, outermost first, and its first value. UsageError where the file cannot
    be written."""
    _write(path, (line.encode() for line in folded_lines(stacks)))


def folded_lines(stacks: Iterable[Stack]) -> Iterator[str]:
    """Yield those lines."""
    return (f"{';'.join(map(_frame, frames))} {values[0]}\n" for frames, values in stacks)


def write_pprof(path: str, stacks: Iterable[Stack], values: Sequence[tuple[str, str]]) -> None:
    """Write a profile; `values` are name and unit of each value of a stack. UsageError where the file cannot be
    written."""
    _write(path, [gzip.compress(encode_pprof(stacks, values), mtime=0)])


def encode_pprof(stacks: Iterable[Stack], values: Sequence[tuple[str, str]]) -> bytes:
    """Return a Profile message (profile.proto), whose first value is the one that is shown first."""
    strings: dict[str, int] = {"": 0}
    functions: dict[int, int] = {}

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings))

    kinds = [_message(1, _int(1, text(name)) + _int(2, text(unit))) for name, unit in values]
    samples = []
    for frames, weights in stacks:
        # A location for each function, of the same number; the innermost first.
        places = [functions.setdefault(text(printable(each)), len(functions) + 1) for each in reversed(frames)]
        samples.append(_message(2, _packed(1, places) + _packed(2, weights)))
    locations = [_message(4, _int(1, number) + _message(4, _int(1, number))) for number in functions.values()]
    names = [_message(5, _int(1, number) + _int(2, name)) for name, number in functions.items()]
    table = [_message(6, each.encode("utf-8", "replace")) for each in strings]
    # (A viewer else shows the last of the values.)
    shown = _int(14, text(values[0][0]))
    return b"".join((*kinds, *samples, *locations, *names, *table, shown))


def _frame(name: str) -> str:
    return printable(name).replace(";", ":")


def _write(path: str, pieces: Iterable[bytes]) -> None:
    try:
        with BufferedWriter(open_output(path)) as file:
            file.writelines(pieces)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _varint(value: int) -> bytes:
    return bytes(_groups(value))


def _groups(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _packed(field: int, values: Sequence[int]) -> bytes:
    return _message(field, b"".join(map(_varint, values)))
