"""What is put off: numpy, whose threads in gdb's process are as few as can be and take none of gdb's signals; and the
methods of dataclasses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError, field, fields, replace
from pathlib import Path

import pytest

from gdbheap.lazy import dataclass

ROOT = Path(__file__).parents[1]

# Stands for numpy, whose BLAS starts threads or not, by the build and the number of processors.
NUMPY = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\nzeros = 1\n"
ASK = """
import glob, re, signal
from gdbheap.lazy import np

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
np.zeros
for path in sorted(glob.glob("/proc/self/task/*/status")):
    print(re.search(r"SigBlk:\\s+(\\w+)", open(path).read())[1])
"""


def test_threads_that_an_import_starts_take_no_signals(tmp_path):
    (tmp_path / "numpy.py").write_text(NUMPY)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    said = subprocess.run([sys.executable, "-c", ASK], env=environment, check=True, capture_output=True, text=True)
    own, started = (int(line, 16) for line in said.stdout.split())
    blockable = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    assert own == 1 << signal.SIGUSR1 - 1
    assert [each for each in blockable if not started >> each - 1 & 1] == []


def test_blas_is_told_to_make_no_threads_unless_somebody_has_said_how_many(tmp_path):
    (tmp_path / "numpy.py").write_text("import os\ntold = os.environ['OPENBLAS_NUM_THREADS']\n")
    ask = "import os; from gdbheap.lazy import np; print(np.told, os.environ.get('OPENBLAS_NUM_THREADS'))"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    for more, expected in (({}, "1 None"), ({"OPENBLAS_NUM_THREADS": "3"}, "3 3")):
        words = [sys.executable, "-c", ask]
        said = subprocess.run(words, env={**environment, **more}, check=True, capture_output=True, text=True)
        assert said.stdout.strip() == expected


def test_a_dataclass_that_is_put_off_is_one_when_the_first_is_made():
    @dataclass(frozen=True)
    class Base:
        """What the other derives from."""

        kind = "base"
        number: int

    @dataclass(frozen=True)
    class Both(Base):
        """A field more, with a default."""

        kind = "both"
        names: tuple[str, ...] = field(default=())

    assert not hasattr(Both, "__dataclass_fields__")
    made = Both(3, names=("a",))
    assert (made.number, made.names, Both(4).names) == (3, ("a",), ())
    assert made == Both(3, ("a",)) and made != Both(3) and len({made, Both(3, ("a",))}) == 1
    assert [each.name for each in fields(made)] == ["number", "names"]
    assert replace(made, number=5) == Both(5, ("a",)) and repr(made).endswith("Both(number=3, names=('a',))")
    assert Base(1) == Base(1) and isinstance(made, Base)
    assert made != (3, ("a",)) and Base(1) != Both(1) and Both(1) != Base(1)
    with pytest.raises(FrozenInstanceError):
        made.number = 4
    for wrong in (((), {}), ((3, (), 1), {}), ((3,), {"number": 3}), ((3,), {"other": 3}), ((), {"names": ()})):
        with pytest.raises(TypeError):
            Both(*wrong[0], **wrong[1])


def test_what_was_called_wrongly_or_often_is_made_as_before():
    @dataclass
    class Counted:
        """Members with defaults of both kinds."""

        number: int
        seen: list[int] = field(default_factory=list)
        name: str = "none"

    for turn in range(40):
        if turn in (3, 20):
            with pytest.raises(TypeError):
                Counted(1, number=1)
        made = Counted(turn, name="some") if turn % 2 else Counted(number=turn)
        assert (made.number, made.seen, made.name) == (turn, [], "some" if turn % 2 else "none")
        made.seen.append(turn)
        made.name = "changed"
        assert made == Counted(turn, [turn], "changed") != Counted(turn)
    with pytest.raises(TypeError):
        hash(Counted(1))


def test_methods_of_its_own_are_kept_and_fields_may_be_left_out_of_them():
    @dataclass(frozen=True)
    class Odd:
        """Its own text and equality."""

        number: int

        def __repr__(self) -> str:
            return "odd"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Odd) and self.number % 2 == other.number % 2

    @dataclass(frozen=True)
    class Partly:
        """A member that does not count, and one that is not shown."""

        name: str
        cache: list[int] = field(default_factory=list, compare=False, repr=False)

    @dataclass(frozen=True)
    class Nothing:
        """No member at all."""

    assert repr(Odd(3)) == "odd" and Odd(1) == Odd(3) != Odd(2) and hash(Odd(1)) == hash(Odd(1))
    assert Partly("a", [1]) == Partly("a") != Partly("b") and len({Partly("a", [1]), Partly("a")}) == 1
    assert repr(Partly("a")).endswith("Partly(name='a')")
    assert Nothing() == Nothing() and len({Nothing(), Nothing()}) == 1 and repr(Nothing()).endswith("Nothing()")
