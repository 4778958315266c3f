"""`fault` on deaths that public reports tell of (perturb_fill, malloc_returned_null, realloc_moved_mapping,
tsd_of_closed_library, crash handlers that abort): what the address's value does not tell, live and on the core,
and nothing of it where it is not so."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, kept_symbols, run_gdb
from support.programs import build

FLAGS = ("-w", "-rdynamic", "-Wl,--no-as-needed,-ldl")
BUILDS = {"x86-64": ("-O0",), "i386": ("-m32", "-O0"), "stripped": ("-O2", "-s")}
# Cases, what is typed between `run` and `fault`, and the environment.
CONTINUED = ("term_informed", "term_plain", "abort_informed", "term_raised")
PERTURBED = ("perturb_fill", "perturb_fresh")
CASES = (
    *PERTURBED,
    *("malloc_returned_null", "malloc_returned_null_data", "plain_null", "realloc_moved_mapping"),
    *(
        "tsd_of_closed_library",
        "text_of_closed_library",
        "term_informed",
        "term_plain",
        "abort_informed",
        "term_raised",
    ),
)


@pytest.fixture(scope="module", params=BUILDS)
def deaths(request, tmp_path_factory):
    """Let every case die in one gdb, and read its core in the same; return the answers by (case, "live" or "core")."""
    place, flags = tmp_path_factory.mktemp("reported"), BUILDS[request.param]
    program, library = build("reported", *FLAGS, *flags), build("closed_library", "-shared", "-fPIC", *flags)
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    lines = kept_symbols(program)
    for case in CASES:
        perturb = "set environment MALLOC_PERTURB_ 90" if case in PERTURBED else "unset environment MALLOC_PERTURB_"
        lines += [f"file {program}", perturb, f"run {case} {library}", *(["continue"] if case in CONTINUED else [])]
        lines += [f"fault --json --output {place / case}.live", f"generate-core-file {place / case}.core", "kill"]
        lines += [f"core-file {place / case}.core", f"fault --json --output {place / case}.dead", "core-file"]
    for line in lines:
        words += ["-ex", line]
    text = run_gdb(words, patience=400)
    answers = {}
    for case in CASES:
        for kind, ending in (("live", "live"), ("core", "dead")):
            file = place / f"{case}.{ending}"
            assert file.exists(), text
            answers[case, kind] = json.loads(file.read_text())["rows"]
        (place / f"{case}.core").unlink()
    return answers


def rows_of(deaths, case):
    return [(kind, deaths[case, kind]) for kind in ("live", "core")]


def named(rows, name):
    return next((row for row in rows if row["verdict"] == name), None)


@pytest.mark.parametrize(("case", "came"), [("perturb_fill", "freed"), ("perturb_fresh", "never written since malloc")])
def test_a_fill_of_mallocs_own_is_known_by_its_byte_and_is_no_text(deaths, case, came):
    for _, rows in rows_of(deaths, case):
        fill, byte = named(rows, "poison_fill"), "0x5a" if case == "perturb_fill" else "0xa5"
        assert fill["summary"].startswith(f"every byte of the pointer is {byte}, malloc's own fill: it was ")
        assert came in fill["summary"]
        text = named(rows, "ascii_as_pointer")
        assert text is None or text["confidence"] == "possible"
        assert rows[0] is fill


@pytest.mark.parametrize("case", ["malloc_returned_null", "malloc_returned_null_data"])
def test_null_at_a_limit_may_be_mallocs(deaths, case):
    rows = deaths[case, "live"]
    assert rows[0]["verdict"] in ("null_pointer", "null_plus_offset")
    limit = "RLIMIT_DATA" if case.endswith("data") else "RLIMIT_AS"
    assert limit in named(rows, "null_from_malloc")["summary"]
    # A core does not hold the limits.
    assert named(deaths[case, "core"], "null_from_malloc") is None
    assert named(deaths["plain_null", "live"], "null_from_malloc") is None


def test_a_pointer_from_before_realloc_is_a_possibility(deaths):
    for _, rows in rows_of(deaths, "realloc_moved_mapping"):
        moved = named(rows, "freed_mmapped_chunk")
        assert moved["confidence"] == "possible"
        assert "realloc has moved it" in moved["summary"]


@pytest.mark.parametrize("case", ["tsd_of_closed_library", "text_of_closed_library"])
def test_what_an_unloaded_library_left_behind_is_told(deaths, case):
    for _, rows in rows_of(deaths, case):
        assert rows[0]["verdict"] == "unloaded_code"
        assert rows[0]["confidence"] == "likely"
        assert "has been unloaded (dlclose)" in rows[0]["summary"]
        assert named(rows, "freed_chunk") is None


def test_who_asked_the_program_to_end_is_told_where_a_handler_aborts(deaths):
    for kind, rows in rows_of(deaths, "term_informed"):
        assert (rows[0]["verdict"], rows[0]["confidence"]) == ("external_signal", "certain"), kind
        assert " sent SIGTERM, and " in rows[0]["summary"]
    for kind, rows in rows_of(deaths, "abort_informed"):
        assert (rows[0]["verdict"], rows[0]["confidence"]) == ("external_signal", "certain"), kind
        assert " sent SIGABRT, and " in rows[0]["summary"]
    for _, rows in rows_of(deaths, "term_plain"):
        assert (rows[0]["verdict"], rows[0]["confidence"]) == ("external_signal", "likely")
    for _, rows in rows_of(deaths, "term_raised"):
        assert rows[0]["verdict"] == "program_abort"
        assert "the program sent itself " in rows[0]["summary"]
    for case in ("term_informed", "term_plain", "abort_informed"):
        assert all(named(rows, "program_abort") is None for _, rows in rows_of(deaths, case))
