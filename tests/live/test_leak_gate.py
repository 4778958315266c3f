"""`python3 -m gdbheap leaks PROGRAM` on a program that leaks one block and ends in every way there is."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections import Counter

import pytest

from support.gdb_runs import ROOT, ask
from support.programs import PATIENCE, build

# What the program's source says: a leaked block of 1,000 bytes is a chunk of 1,008.
TEXT = "leaked on purpos"


def program():
    """Return the program; before glibc 2.34 dlopen() is in a library of its own."""
    return build("ways_out", "-Wl,--no-as-needed,-ldl")


def gate(*words, **keywords):
    """Return the answer, the exit status, and what the program wrote: (standard output, standard error)."""
    return run_gate([], [str(program()), *words], **keywords)


def run_gate(options, words, given="", environment=None):
    result = subprocess.run(
        [sys.executable, "-m", "gdbheap", "leaks", "--json", *options, *words],
        input=given,
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        check=False,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    text, brace, answer = result.stderr.partition('{"schema"')
    assert brace, result.stderr
    return json.loads(brace + answer), result.returncode, (result.stdout, text)


def ends(answer):
    return [each["end"] for each in answer["totals"]["processes"]]


def leaks(answer):
    return [(row["count"], row["text"]) for row in answer["rows"] if row["chunk_size"] > 1000]


# Of each way: how many blocks are known to have leaked (None: it is not known), and the end.
WAYS = {
    "none": (0, {"kind": "exit", "status": 0}),
    "return": (1, {"kind": "exit", "status": 0}),
    "exit": (1, {"kind": "exit", "status": 3}),
    "_exit": (1, {"kind": "exit", "status": 4}),
    "quick_exit": (1, {"kind": "exit", "status": 5}),
    "raw": (None, {"kind": "exit", "status": 6}),
    "abort": (1, {"kind": "signal", "signal": "SIGABRT"}),
    "segv": (1, {"kind": "signal", "signal": "SIGSEGV"}),
    "term": (1, {"kind": "signal", "signal": "SIGTERM"}),
    "trap": (1, {"kind": "signal", "signal": "SIGTRAP"}),
    "traps": (1, {"kind": "signal", "signal": "SIGTRAP"}),
    "alarm": (1, {"kind": "signal", "signal": "SIGALRM"}),
    "killed": (None, {"kind": "signal", "signal": "SIGKILL"}),
    "handled": (1, {"kind": "exit", "status": 7}),
    "thread": (1, {"kind": "exit", "status": 8}),
    "main_thread": (1, {"kind": "exit", "status": 0}),
    "failed_exec": (1, {"kind": "exit", "status": 9}),
    "system": (1, {"kind": "exit", "status": 12}),
    "detached": (1, {"kind": "exit", "status": 13}),
}


def test_each_way_out_is_told_with_what_leaked_before_it():
    """All in one run, as children of a shell: gdb starts once."""
    name = program().name
    lines = "\n".join(f"'{program()}' {way}" for way in WAYS)
    answer, status, _ = run_gate(["--follow-children"], ["sh", "-c", f"{lines}\n:"])
    assert (status, answer["totals"]["error"]) == (1, None)
    counts = Counter({pid: sum(row["count"] for row in rows) for pid, rows in by_process(answer).items()})
    found = [
        (None if each["trouble"] else counts[each["pid"]], each["end"])
        for each in answer["totals"]["processes"]
        if os.path.basename(each["program"]) == name and each["end"]["kind"] != "exec"
    ]
    assert sorted(found, key=str) == sorted(WAYS.values(), key=str)
    assert not answer["totals"]["is_complete"]


def by_process(answer):
    """Return the leaked blocks of 1,000 bytes and more by process."""
    found: dict[int, list[dict[str, object]]] = {}
    for row in answer["rows"]:
        if row["chunk_size"] > 1000 and row["text"] == TEXT:
            found.setdefault(row["pid"], []).append(row)
    return found


@pytest.mark.parametrize("way", ["exit", "segv", "trap", "raw", "main_thread"])
def test_the_same_where_it_is_the_only_process(way):
    count, end = WAYS[way]
    answer, status, _ = gate(way)
    assert status == {1: 1, None: 2}[count]
    assert ends(answer) == [end]
    assert leaks(answer) == ([(1, TEXT)] if count else [])
    assert answer["totals"]["is_complete"] == (count is not None)


def test_what_leaks_before_exec_is_told_and_the_new_program_is_watched():
    answer, status, (output, _) = gate("exec")
    assert status == 1
    assert [each["kind"] for each in ends(answer)] == ["exec", "exit"]
    assert leaks(answer) == [(1, TEXT)]
    assert "word: after exec\n" in output


def test_children_are_watched_where_that_is_asked_for():
    answer, status, _ = run_gate(["--follow-children"], [str(program()), "fork"])
    assert status == 1
    assert sorted(each["status"] for each in ends(answer)) == [10, 11]
    assert sum(count for count, _ in leaks(answer)) == 3  # the child's own, and the one that it has from its parent
    alone, _, _ = gate("fork")
    assert ends(alone) == [{"kind": "exit", "status": 11}]
    assert leaks(alone) == [(1, TEXT)]


def test_children_that_exec_and_those_of_vfork():
    answer, status, _ = run_gate(["--follow-children"], [str(program()), "children"])
    assert status == 1
    assert answer["totals"]["is_complete"]
    told: dict[int, list[object]] = {}
    for each in answer["totals"]["processes"]:
        end = each["end"].get("status", each["end"]["kind"])
        told.setdefault(each["pid"], []).append((end, "of vfork") if each["of_vfork"] else end)
    main, *children = sorted(told)
    # What posix_spawn cannot run, and what it can; vfork; fork.
    expected = [[(127, "of vfork")], [("exec", "of vfork"), 3], [(21, "of vfork")], ["exec", 3]]
    assert [told[each] for each in children] == expected
    assert told[main] == [22]
    lost = [sum(row["count"] for row in answer["rows"] if row["pid"] == pid) for pid in children]
    # The spawned program's one; and of the forked child its own and its parent's, which end with exec, and the new one.
    assert lost == [0, 1, 0, 3]


def test_past_libc_the_system_call_is_seen_where_that_is_asked_for():
    answer, status, _ = run_gate(["--system-calls"], [str(program()), "raw"])
    assert (status, ends(answer)) == (1, [{"kind": "exit", "status": 6}])
    assert leaks(answer) == [(1, TEXT)]


def test_a_program_with_libc_linked_in_and_no_symbols(tmp_path):
    source, linked = tmp_path / "linked.c", tmp_path / "linked"
    source.write_text("#include <stdlib.h>\nint main(void) { return malloc(1000) == malloc(2000); }\n")
    words = ["gcc", "-fno-builtin", "-static", "-s", str(source), "-o", str(linked)]
    subprocess.run(words, check=True, timeout=PATIENCE)
    answer, status, _ = run_gate([], [str(linked)])
    assert (status, ends(answer)) == (1, [{"kind": "exit", "status": 0}])
    assert [row["count"] for row in answer["rows"] if row["chunk_size"] == 1008] == [1]


def test_a_malloc_that_is_not_glibcs_is_no_program_without_leaks(tmp_path):
    source = tmp_path / "own.c"
    source.write_text(
        "#include <stddef.h>\nstatic char room[1 << 16];\nstatic size_t used;\n"
        "void *malloc(size_t size) { used += (size + 31) & ~15; return room + used - size / 16 * 16 - 16; }\n"
        "void free(void *block) { (void)block; }\n"
        "void *calloc(size_t count, size_t size) { return malloc(count * size); }\n"
        "void *realloc(void *block, size_t size) { (void)block; return malloc(size); }\n"
        "int main(void) { return malloc(100) == NULL; }\n"
    )
    own = tmp_path / "own"
    subprocess.run(["gcc", "-fno-builtin", str(source), "-o", str(own)], check=True, timeout=PATIENCE)
    answer, status, _ = run_gate([], [str(own)])
    assert status == 2
    assert not answer["totals"]["is_complete"]
    assert "own) defines malloc" in answer["totals"]["processes"][0]["trouble"]


def test_the_programs_words_streams_and_environment_are_its_own():
    words = ["two words", "new\nline", "it's", "$HOME `date`", ""]
    _, _, (output, errors) = run_gate([], [str(program()), "none", *words], given="a\nb\n")
    assert output == "".join(f"word: {word}\n" for word in words) + "input: a\ninput: b\n"
    assert errors == "errors\n"
    shown = run_gate([], ["/usr/bin/env"], environment={"SHELL": "/bin/odd", "COLUMNS": "77"})[2][0].splitlines()
    assert "SHELL=/bin/odd" in shown
    assert "COLUMNS=77" in shown
    assert not any(line.startswith("LINES=") for line in shown)


def test_a_plugin_that_leaks_and_is_closed(tmp_path):
    source = tmp_path / "plugin.c"
    source.write_text(
        "#include <stdlib.h>\n#include <string.h>\nvoid plugin(void)\n{\n"
        '    char *volatile block = malloc(1000);\n    strcpy(block, "leaked on purpose");\n    block = 0;\n}\n'
    )
    library = tmp_path / "plugin.so"
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True, timeout=PATIENCE)
    answer, status, _ = gate("plugin", str(library))
    assert status == 1
    assert ends(answer) == [{"kind": "exit", "status": 14}]
    assert leaks(answer) == [(1, TEXT)]


def test_a_second_libc_whose_malloc_is_in_use_is_no_program_without_leaks(tmp_path):
    plugin, library, source, made = (tmp_path / each for each in ("plug.c", "plug.so", "second.c", "second"))
    plugin.write_text("#include <stdlib.h>\nvoid *volatile kept;\nvoid work(void) { kept = malloc(1000); }\n")
    source.write_text(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdlib.h>\nstatic void *volatile kept;\n"
        "int main(int count, char **words)\n{\n    kept = malloc(count);\n"
        '    ((void (*)(void))dlsym(dlmopen(LM_ID_NEWLM, words[1], RTLD_NOW), "work"))();\n    return 3;\n}\n'
    )
    for words in (["-shared", "-fPIC", plugin, "-o", library], [source, "-o", made, "-ldl"]):
        subprocess.run(["gcc", "-fno-builtin", *map(str, words)], check=True, timeout=PATIENCE)
    answer, status, _ = run_gate([], [str(made), str(library)])
    assert (status, ends(answer)) == (2, [{"kind": "exit", "status": 3}])
    assert "malloc of a second libc" in answer["totals"]["processes"][0]["trouble"]


def test_what_is_suppressed_is_no_leak(tmp_path):
    known = tmp_path / "known"
    known.write_text("{\n on purpose\n gdbheap:Leak\n text: leaked on*\n}\nleak:some_function\n")
    answer, status, _ = run_gate(["--suppressions", str(known)], [str(program()), "exit"])
    assert status == 0
    assert [row["suppressed_by"] for row in answer["rows"]] == ["on purpose"]
    assert answer["totals"]["leaked_blocks"] == 0
    assert answer["totals"]["suppressions_not_applied"] == ["leak:some_function"]


PLACES = """\
#include <stdlib.h>
struct order { long id; void (*act)(void); };
static char *volatile cache;
static struct order *volatile lost;
static void act(void) {}
static void make(void)
{
    cache = (char *)malloc(500) + 100;
    lost = malloc(sizeof *lost);
    lost->id = 7;
    lost->act = act;
    lost = calloc(1, 3000);
    lost = NULL;
}
static void scrub(void)
{
    volatile char stack[4096];
    for (size_t i = 0; i < sizeof stack; i++)
        stack[i] = 0;
}
int main(void)
{
    make();
    scrub();
    return 0;
}
"""


def test_a_suppression_by_module_and_by_holder(tmp_path):
    source, made, known = tmp_path / "places.c", tmp_path / "places", tmp_path / "known"
    source.write_text(PLACES)
    subprocess.run(["gcc", "-g", "-fno-builtin", str(source), "-o", str(made)], check=True, timeout=PATIENCE)
    known.write_text(
        "{\n ours\n gdbheap:Leak\n kind: definite\n module: places\n size: 0x20\n}\n"
        "{\n cached\n gdbheap:Leak\n holder: cache\n}\n"
    )
    answer, status, _ = run_gate(["--suppressions", str(known)], [str(made)])
    assert status == 1
    found = {row["chunk_size"]: (row["suppressed_by"], row["module"], row["holder"]) for row in answer["rows"]}
    assert found == {0x20: ("ours", "places", None), 0x200: ("cached", None, "cache"), 0xBC0: (None, None, None)}
    assert answer["totals"]["leaked_blocks"] == 1


def test_what_is_lost_with_others_is_counted_once():
    words = ["perl", "-e", "my %h; $h{$_} = [1..3] for 1..50"]
    answer, _, _ = run_gate([], words)
    (process,) = answer["totals"]["processes"]
    kinds = ("definitely_lost", "indirectly_lost", "possibly_lost")
    assert answer["totals"]["leaked_blocks"] == sum(process["leaks"][f"{kind}_blocks"] for kind in kinds)


def test_what_is_to_end_us_ends_the_program_in_its_own_way(tmp_path):
    words = ["sh", "-c", 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done']
    file = tmp_path / "answer"
    command = [sys.executable, "-m", "gdbheap", "leaks", "--json", "--output", str(file), *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert ends(json.loads(file.read_text())) == [{"kind": "exit", "status": 5}]


def test_what_is_to_end_us_ends_a_daemon_whose_first_process_has_ended(tmp_path):
    words = [
        "sh",
        "-c",
        '(while kill -0 $$; do :; done; trap "exit 7" TERM; echo ready; while :; do :; done) 2>&- & exit 0',
    ]
    file = tmp_path / "answer"
    command = [sys.executable, "-m", "gdbheap", "leaks", "--follow-children", "--json", "--output", str(file), *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert {"kind": "exit", "status": 7} in ends(json.loads(file.read_text()))


MANY = """\
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    pid_t child = fork();
    if (child) {
        wait(NULL);
        return 3;
    }
    for (int i = 0; i < 200000; i++)
        *(void *volatile *)malloc(40) = NULL;
    printf("%d\\n", (int)getpid());
    fflush(stdout);
    return 0;
}
"""


def test_a_process_that_is_killed_while_gdb_looks_at_it_keeps_nobody_waiting(tmp_path):
    source, made, file = tmp_path / "many.c", tmp_path / "many", tmp_path / "answer"
    source.write_text(MANY)
    subprocess.run(["gcc", "-fno-builtin", str(source), "-o", str(made)], check=True, timeout=PATIENCE)
    command = [sys.executable, "-m", "gdbheap", "leaks", "--follow-children", "--json", "--output", str(file)]
    with subprocess.Popen([*command, str(made)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT) as running:
        child = int(running.stdout.readline())
        while "\nState:\tt" not in pathlib.Path(f"/proc/{child}/status").read_text():
            pass
        os.kill(child, signal.SIGKILL)
        running.communicate(timeout=PATIENCE)
    answer = json.loads(file.read_text())
    killed, parent = sorted(answer["totals"]["processes"], key=lambda each: each["pid"] != child)
    assert (parent["end"], answer["totals"]["error"]) == ({"kind": "exit", "status": 3}, None)
    if killed["end"] != {"kind": "exit", "status": 0}:  # on a busy machine it may have ended before
        assert killed["end"] == {"kind": "signal", "signal": "SIGKILL"}
        assert killed["trouble"]


def test_streams_that_are_closed_are_closed_for_the_program_too(tmp_path):
    file, probe = tmp_path / "answer", tmp_path / "probe"
    probe.write_text("import os\nos._exit(sum(os.path.exists(f'/proc/self/fd/{each}') for each in (0, 1, 2)))\n")
    command = f"{sys.executable} -m gdbheap leaks --json --output {file} {sys.executable} {probe} 0<&- 1>&- 2>&-"
    subprocess.run(command, shell=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert ends(json.loads(file.read_text())) == [{"kind": "exit", "status": 0}]


def test_an_answer_that_cannot_be_written_is_no_leak():
    command = [sys.executable, "-m", "gdbheap", "leaks", "--output", "/nowhere/at/all", "true"]
    assert subprocess.run(command, timeout=PATIENCE, check=False, cwd=ROOT, capture_output=True).returncode == 2


def test_the_kinds_that_count_can_be_chosen():
    _, status, _ = run_gate(["--errors-for-leak-kinds", "none"], [str(program()), "exit"])
    assert status == 0


def test_where_gdbs_python_lacks_a_package_the_program_is_not_run_and_setup_is_named(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['elftools'] = None\n")
    result = subprocess.run(
        [sys.executable, "-m", "gdbheap", "leaks", "echo", "it runs"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "pyelftools" in result.stderr
    assert "gdbheap setup" in result.stderr


def test_a_script_is_run_by_its_interpreter(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho script $1\nexit 5\n")
    script.chmod(0o755)
    answer, _, (output, _) = run_gate([], [str(script), "word"])
    assert output == "script word\n"
    assert ends(answer)[-1] == {"kind": "exit", "status": 5}


def test_after_the_end_heap_leaks_names_the_way():
    said = ask([str(program())], ["heap leaks"], get_there=["run return < /dev/null"])
    assert "python3 -m gdbheap leaks PROGRAM" in said.text


def test_what_cannot_be_run_is_trouble():
    result = subprocess.run(
        [sys.executable, "-m", "gdbheap", "leaks", "/nowhere/at/all"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert "/nowhere/at/all is not there" in result.stderr
