"""heap retained on a real process: what each variable keeps alive, against the program's own ledger."""

from __future__ import annotations

import re

import pytest

from support.gdb_runs import ask
from support.programs import build, running

_TOLD = re.compile(r"^holder (\w+) (\w+) (\d+) (\d+)$", re.MULTILINE)


def ledger(text: str) -> dict[str, tuple[str, int, int]]:
    """Return {holder: (kind, bytes, blocks)} as the program tells."""
    return {name: (kind, int(size), int(count)) for kind, name, size, count in _TOLD.findall(text)}


def named(row: dict) -> str:
    """Return a row's holder as the ledger names it."""
    if row["kind"] == "shared":
        return "_and_".join(sorted(each.partition(" in ")[0] for each in row["holders"]))
    return re.sub(r"( in main\(\))?( of thread \d+)?$", "", row["holder"])


@pytest.mark.parametrize("flags", [(), ("-O0",), ("-m32",), ("-s",)], ids=["O1", "O0", "i386", "stripped"])
def test_what_variables_retain_is_what_the_program_wrote_down(flags, tmp_path):
    command = f"heap retained --folded {tmp_path / 'folded'}"
    with running(build("retained", *flags)) as program:
        answer = ask(["-p", str(program.pid)], [command])[command]
        expected = ledger(program.text)
    if "-s" not in flags:
        rows = {named(row): (row["kind"], row["bytes"], row["blocks"]) for row in answer["rows"]}
        assert {name: rows.get(name) for name in expected} == expected
    else:
        # Without symbols nothing tells the kinds of variables, nor that the table's words are one.
        sums = {(row["bytes"], row["blocks"]) for row in answer["rows"]}
        wanted = {name: (size, count) for name, (_, size, count) in expected.items() if name != "table"}
        assert {name for name, pair in wanted.items() if pair not in sums} == set()
    folded = [line.rpartition(" ") for line in (tmp_path / "folded").read_text().splitlines()]
    assert sum(int(size) for _, _, size in folded) == answer["totals"]["bytes"]
    # A list of 2,000 nodes is no deeper than one.
    assert max(frames.count(";") for frames, _, _ in folded) < 10
    for what in ("bytes", "blocks"):
        assert answer["totals"][what] == sum(row[what] for row in answer["rows"] if row["kind"] != "member")
