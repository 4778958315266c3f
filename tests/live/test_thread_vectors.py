"""The vectors that libc allocates for threads are told from the program's blocks: each thread notes where its own
is."""

from __future__ import annotations

import pytest

from gdbheap.analysis.leaks.groups import THREAD_VECTOR
from support.gdb_runs import ask
from support.programs import build

COMMAND = "heap leaks --kind all --blocks"
PLACES = {
    # The second thread is about to be made: the first has ended, and its stack waits for the next.
    "ended": ("break main", "run", "break pthread_create", "continue", "continue"),
    "at work": ("break inspected", "run"),
}
NOTED = (
    "python noted = [gdb.parse_and_eval(f'events[{row}]') for row in range(int(gdb.parse_and_eval('event_count')))]",
    "python open('{file}', 'w').write(' '.join(str(int(each['pointer'])) for each in noted if int(each['what']) == "
    "ord('s')))",
)


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["64", "32"])
@pytest.mark.parametrize("place", PLACES)
def test_a_threads_dtv_has_its_name(tmp_path, flags, place):
    file = tmp_path / "noted"
    then = [line.replace("{file}", str(file)) for line in NOTED]
    run = ("set args < /dev/null > /dev/null", *PLACES[place])
    answer = ask([str(build("threads", *flags))], (COMMAND,), get_there=run, then=then)[COMMAND]
    noted = {int(each) for each in file.read_text().split()}
    assert noted
    named = {int(row["example"], 16) for row in answer["rows"] if row["what"] == THREAD_VECTOR}
    assert named == noted
