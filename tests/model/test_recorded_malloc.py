"""The model against what the mallocs of other releases did, as recorded from builds of their sources: 2.27 to 2.30,
2.42 and builds without tcache, which no system of the matrix has."""

from __future__ import annotations

import pytest

from support.recorded import RECORDINGS, play, read_recording

NAMES = sorted(path.stem for path in RECORDINGS.glob("*.txt"))


@pytest.mark.parametrize("name", NAMES)
def test_the_model_does_what_that_malloc_did(name):
    recording = read_recording(RECORDINGS / f"{name}.txt")
    for number, trace in enumerate(recording.traces, 1):
        done = []
        for operation, real, ours in play(recording, trace):
            done.append(operation)
            assert ours == real, f"trace {number}: " + "\n".join(done)
