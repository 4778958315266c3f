"""heap rss against the kernel's own count, and against what malloc_trim then really returns."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from support.gdb_runs import ask, kernel_core
from support.programs import build, running
from support.real_programs import waiting

PAGE = 4096
VERDICTS = {
    "LIVE": "live_growth",
    "RETENTION": "retention",
    "SMALL": "retention",
    "FRAGMENTATION": "fragmentation",
    "ARENAS": "too_many_arenas",
    "NOT_MALLOC": "not_malloc",
    "TOP_KEPT": "retention",
    "HUGE_PAGES": "live_growth",
    "MAIN_KEPT": "retention",
}


def before_and_after_trim(mode: str, tmp_path, *flags: str) -> tuple[dict, dict]:
    """Return the totals of `heap rss` before malloc_trim(0) and after."""

    first = tmp_path / "first.json"
    get_there = ("break inspected", "run", f"heap rss --json --output {first}", "continue")
    answers = ask([str(build("resident", f"-DMODE={mode}", *flags))], ("heap rss",), get_there=get_there)
    return json.loads(first.read_text())["totals"], answers["heap rss"]["totals"]


@pytest.mark.parametrize("mode", VERDICTS)
def test_the_verdict_names_the_reason_the_parts_add_up_to_the_kernels_count_and_malloc_trim_returns_what_was_said(
    mode, tmp_path
):
    before, after = before_and_after_trim(mode, tmp_path)
    assert before["verdict"] == VERDICTS[mode]
    for totals in (before, after):
        assert totals["resident"] == totals["kernel_rss"]
    # Between the stops malloc_trim's own code and data may be touched.
    returned = before["resident"] - after["resident"]
    assert abs(before["trimmable"] - returned) <= 4 * PAGE, (before, after)
    assert after["trimmable"] <= 4 * PAGE
    if mode in ("RETENTION", "SMALL", "ARENAS"):
        assert returned > 4 << 20
        # Free memory between blocks: a threshold would not reach it.
        assert before["by_trim_threshold"] < 1 << 20
    assert (before["kept_by_thread_arenas"] > 20 << 20) == (mode == "TOP_KEPT")
    assert (before["trim_threshold"] > 20 << 20) == (mode in ("TOP_KEPT", "MAIN_KEPT"))
    assert (before["culprits"] is not None) == (mode in ("RETENTION", "SMALL", "FRAGMENTATION"))


def test_malloc_trim_returns_what_was_said_of_all_threads_arenas_and_of_holes_of_every_kind():
    """By the kernel's count."""
    answers = ask([str(build("trimmed"))], ("heap rss",), get_there=("break inspected", "run"), then=("continue",))
    returned = int(re.search(r"^returned (\d+)$", answers.text, re.MULTILINE)[1])
    assert returned > 4 << 20
    assert abs(answers["heap rss"]["totals"]["trimmable"] - returned) <= 4 * PAGE


@pytest.mark.parametrize("mode", ["MAIN_KEPT", "RETENTION"])
def test_a_trim_threshold_returns_what_was_said(mode, tmp_path):
    before, after = before_and_after_trim(mode, tmp_path, "-DBY_THRESHOLD")
    returned = before["resident"] - after["resident"]
    # (The block that is freed for it takes a little of top, and gives it back.)
    assert abs(before["by_trim_threshold"] - returned) <= 4 * PAGE + 100_000 * (mode == "RETENTION"), (before, after)
    assert (returned > 40 << 20) == (mode == "MAIN_KEPT")


def test_the_blocks_that_keep_free_memory_apart_are_named_with_their_holder(gdb):
    command = "heap rss --json"
    said = gdb(build("resident", "-DMODE=FRAGMENTATION"), "break inspected", "run", "heap rss", command)
    culprits = json.loads(said[command])["totals"]["culprits"]
    # Every other of 33,554 blocks of 1,500 bytes.
    assert (culprits["size"], culprits["holder"]) == (1520, "blocks")
    assert 16_000 < culprits["size_blocks"] <= culprits["blocks"] < 17_200
    assert culprits["bytes"] == pytest.approx(24 << 20, rel=0.05)
    assert culprits["spread"] == pytest.approx(48 << 20, rel=0.05)
    assert re.search(
        r"^16,\d+ live blocks \(2. MiB, mostly of 0x5f0 bytes: 16,\d+, .*\) are spread over 4. MiB$",
        said["heap rss"],
        re.MULTILINE,
    ), said["heap rss"]
    assert (
        f"the block at {culprits['example']}, held by blocks: `heap owners {culprits['example']}`" in said["heap rss"]
    )


KEPT = (
    r"^verdict: retention: .* MiB are free and resident; .* MiB are the tops of threads' arenas; malloc_trim could "
    r"return 0 B\n(?:.*\n)+"
    r"try: free\(\) keeps the top of a thread's arena as long as it is smaller than trim_threshold, 40 MiB here "
    r"\(128 KiB by default: .*\), "
    r"and malloc_trim\(\) leaves it: a fixed threshold \(GLIBC_TUNABLES=glibc.malloc.trim_threshold=131072, or "
    r"M_TRIM_THRESHOLD\) gives it back\n"
)


def test_a_top_that_a_raised_threshold_keeps_is_no_fragmentation(gdb):
    said = gdb(build("resident", "-DMODE=TOP_KEPT"), "break inspected", "run", "heap rss")["heap rss"]
    assert re.search(KEPT, said), said


COUNT_HUGE = (
    "python sizes = [each.split() for each in open(f'/proc/{gdb.selected_inferior().pid}/smaps') if "
    "each.startswith('AnonHugePages:')]",
    "python print(sum(int(each[1]) << 10 for each in sizes))",
)


def test_what_lies_in_huge_pages_is_told_in_all_and_by_mapping(gdb):
    """(Where the system has none, both are 0.)"""
    commands = ("heap rss --json", "vmmap --json", *COUNT_HUGE)
    said = gdb(build("resident", "-DMODE=HUGE_PAGES"), "break inspected", "run", *commands)
    counted = int(said[COUNT_HUGE[-1]])
    assert json.loads(said["heap rss --json"])["totals"]["huge"] == counted
    assert sum(row["huge"] for row in json.loads(said["vmmap --json"])["rows"] if row["huge"]) == counted


# Of reports/resident_option's kind.
def test_the_largest_mappings_are_named_where_memory_is_not_mallocs(gdb):
    said = gdb(build("resident", "-DMODE=NOT_MALLOC"), "break inspected", "run", "heap rss", "heap rss --json")
    largest = json.loads(said["heap rss --json"])["totals"]["largest"]
    assert [each["resident"] for each in largest] == sorted((each["resident"] for each in largest), reverse=True)
    assert largest[0]["resident"] >= 48 << 20
    assert f"{largest[0]['start']}-{largest[0]['end']} {largest[0]['what']}" in said["heap rss"]
    assert "--resident" not in said["heap rss"]


def test_threads_that_nobody_joined_are_counted_live_and_in_a_core(tmp_path):
    core = tmp_path / "core"
    program = str(build("ended_threads"))
    there = ("break inspected", "run < /dev/null")
    live = ask([program], ("heap rss",), get_there=there, then=(f"generate-core-file {core}",))
    dead = ask([program, str(core)], ("heap rss",))
    assert [each["heap rss"]["totals"]["unjoined_threads"] for each in (live, dead)] == [5, 5]
    assert live["heap rss"]["totals"]["unjoined_bytes"] >= 5 << 20


def test_allocators_on_top_of_malloc_are_named_with_the_switch_that_is_not_set_yet(tmp_path):
    with waiting("python3", tmp_path) as program:
        said = ask(["-p", str(program.pid)], ("heap rss",))["heap rss"]
    assert said["totals"]["embedded_allocators"] == ["pymalloc"]


@pytest.mark.parametrize("mode", ["RETENTION", "FRAGMENTATION", "NOT_MALLOC", "TOP_KEPT"])
def test_a_core_is_judged_by_what_it_has(mode, tmp_path):
    core = tmp_path / "core"
    program = str(build("resident", f"-DMODE={mode}"))
    ask([program], (), get_there=("break inspected", "run", f"generate-core-file {core}"))
    totals = ask([program, str(core)], ("heap rss",))["heap rss"]["totals"]
    assert (totals["verdict"], totals["resident"], totals["trimmable"]) == (VERDICTS[mode], None, None)


def test_a_core_tells_no_residency_and_is_judged_by_what_was_written(tmp_path):
    core = tmp_path / "core"
    program = str(build("resident", "-DMODE=LIVE"))
    ask([program], (), get_there=("break inspected", "run", f"generate-core-file {core}"))
    answers = ask([program, str(core)], ("heap rss",))
    totals = answers["heap rss"]["totals"]
    assert (totals["verdict"], totals["resident"], totals["kernel_rss"]) == ("live_growth", None, None)
    # (A core does not grow.)
    assert answers["heap rss"]["next"] == ["heap retained", "heap leaks"]
    rows = {row["part"]: row for row in answers["heap rss"]["rows"]}
    assert rows["in_use"]["resident"] is None
    assert rows["in_use"]["size"] > 48 << 20
    assert 0.9 * rows["in_use"]["size"] < rows["in_use"]["in_core"] <= rows["in_use"]["size"]


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_of_a_core_what_was_written_is_known(flags, tmp_path):
    program = build("untouched", *flags)
    with running(program, directory=tmp_path) as process:
        live = ask(["-p", str(process.pid)], ("heap rss",))["heap rss"]
        core = kernel_core(process, tmp_path)
    dead = ask([str(program), str(core)], ("heap rss",))["heap rss"]
    were, are = ({row["part"]: row for row in answer["rows"]} for answer in (live, dead))
    assert are["anonymous"]["size"] >= 1 << 20 and are["module_data"]["size"] >= 1 << 20
    for part in ("in_use", "anonymous", "module_data", "stacks"):
        assert were[part]["in_core"] is None and are[part]["resident"] is None
        assert 0 <= are[part]["in_core"] <= were[part]["resident"]
    assert are["in_use"]["in_core"] == were["in_use"]["resident"]


def test_jemalloc_in_mallocs_place_is_named_with_what_glibc_still_has(tmp_path):
    with waiting("redis-server", tmp_path) as program:
        said = ask(["-p", str(program.pid)], ("heap rss",))["heap rss"]
    assert said["totals"]["other_allocators"] == ["jemalloc"]
    assert said["totals"]["verdict"] == "not_malloc"
    assert any("libjemalloc.so.2 defines malloc" in note for note in said["notes"])
    assert "jemalloc in this process: glibc holds only 0 % of the anonymous memory here" in said["notes"]


@pytest.mark.parametrize(
    ("file", "defines", "name"),
    [
        ("libjemalloc.so.2", "mallctl", "jemalloc"),
        ("libtcmalloc_minimal.so.4", "tc_malloc", "tcmalloc"),
        ("libmimalloc.so.2", "mi_malloc", "mimalloc"),
    ],
)
def test_another_allocator_is_named_live_and_in_a_core(file, defines, name, tmp_path):
    library, core = tmp_path / file, tmp_path / "core"
    source = f"void *{defines}(void) {{ return 0; }}"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=source, text=True, check=True)
    program = str(build("resident", "-DMODE=NOT_MALLOC"))
    there = (f"set environment LD_PRELOAD {library}", "break inspected", "run")
    live = ask([program], ("heap rss",), get_there=there, then=(f"generate-core-file {core}",))["heap rss"]
    dead = ask([program, str(core)], ("heap rss",))["heap rss"]
    for said, share in (
        (live, "glibc holds only 0 % of the anonymous memory here"),
        (
            dead,
            "glibc has mapped only 0 % of the anonymous memory here (what of it was resident is not known)",
        ),
    ):
        assert said["totals"]["other_allocators"] == [name]
        assert [note for note in said["notes"] if name in note] == [
            f"{name} in this process: {share}",
        ]
