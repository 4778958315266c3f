"""Programs that nobody here wrote: their cores, the kernel's and gdb's, call lost what the live process calls lost."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask, kernel_core
from support.real_programs import AT_WORK, SMALL, waiting

LOST = "heap leaks --kind lost --blocks"
# vim catches every signal that leaves a core, and its handler is at work in that core.
CAUGHT = ("vim",)
PROGRAMS = ("perl", "redis-server", "nginx worker", "python3 with threads", *AT_WORK, *SMALL, *CAUGHT)


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_program_has_lost_is_lost_in_its_cores(name, tmp_path):
    by_gdb = tmp_path / "by-gdb"
    with waiting(name, tmp_path) as program:
        live = ask(["-p", str(program.pid)], [LOST], then=[f"generate-core-file {by_gdb}"])
        cores = [by_gdb] if name in CAUGHT else [by_gdb, kernel_core(program, tmp_path)]
    if LOST not in live.json:
        assert "malloc has not been used" in live.text
        return
    for core in cores:
        dead = ask([program.program, str(core)], [LOST])
        assert verdicts(dead) == verdicts(live)
        assert dead[LOST]["totals"]["undecided_blocks"] == 0
        core.unlink()


def verdicts(answers):
    return {row["example"]: row["kind"] for row in answers[LOST]["rows"]}
