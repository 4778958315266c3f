"""What is gathered from gdb at a stop: threads, registers, modules, mappings; and when it is gathered anew."""

from __future__ import annotations

import json
import re

import pytest

from support.programs import build, running

GATHER = "python from gdbheap.inside_gdb import answering, process as gdb_process; process = gdb_process.gather()"
STOPPED = ("break inspected", "run", GATHER)
BUILDS = {
    "plain": (),
    "no-pie": ("-no-pie",),
    "static": ("-static",),
    "static-pie": ("-static-pie",),
    "i386": ("-m32",),
}


SEE_THREADS = """
seen = {}
for thread in gdb.selected_inferior().threads():
    thread.switch()
    seen[thread.num] = [thread.ptid[1], thread.name,
    *(int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in ("sp", "pc"))]
print(seen == {t.number: [t.lwp, t.name, t.stack_pointer, t.program_counter] for t in process.threads}, len(seen))
"""

# The first word of a thread's control block is its own address (tcbhead_t's tcb).
SEE_POINTERS = """
print({gdb_process.read_word(t.thread_pointer) == t.thread_pointer for t in process.threads})
"""

# A guard page inside a mapping (glibc 2.42 and later makes them) is read by neither.
COMPARE_MEMORY = """
from gdbheap.errors import MemoryFault

def page(read):
    try:
        return bytes(read())
    except (MemoryFault, gdb.MemoryError):
        return None

inferior = gdb.selected_inferior()
starts = [v.start for v in process.address_space if v.readable and not v.path.startswith("[v")]
same = {page(lambda: process.memory.read(at, 4096)) == page(lambda: inferior.read_memory(at, 4096)) for at in starts}
print(len(starts) > 5, same)
"""

READ_BEYOND = """
from gdbheap.errors import MemoryFault
for address in (0, process.address_space.vmas[-1].end, 2 ** 63, 2 ** 64 - 8, 2 ** 70):
    try:
        print("read", process.memory.read(address, 8))
    except MemoryFault as fault:
        print(fault.address == address, fault.size)
"""

SEEN_FUNCTION = """
from gdbheap.inside_gdb import answering

class Seen(gdb.Function):
    def __init__(self):
        super().__init__("seen")

    def invoke(self):
        gdb.execute("gdbheap", to_string=True)
        processes.append(answering.TARGET.process)
        return len(processes) == 20

processes = []
Seen()
"""


@pytest.fixture
def script(tmp_path):
    """Return the gdb command that runs these lines of Python (in gdb's __main__)."""

    def write(text):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        return f"source {path}"

    return write


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_every_thread_with_its_registers(gdb, script, flags):
    threads, pointers = script(SEE_THREADS), script(SEE_POINTERS)
    said = gdb(build("threads", *flags), *STOPPED, threads, pointers)
    assert said[threads] == "True 5\n"
    assert said[pointers] == "{True}\n"


@pytest.mark.parametrize("thread", [1, 3, 5])  # the first, one between, the last
def test_the_selected_thread_and_frame_stay_selected(gdb, thread):
    before = ("frame", "print $_thread", "print $pc", "info threads")
    after = tuple(f"python gdb.execute({command!r})" for command in before)
    said = gdb(build("threads"), "break inspected", "run", f"thread {thread}", "up", "up", *before, "gdbheap", *after)
    assert said["print $_thread"] == f"$1 = {thread}\n"
    assert said["frame"].startswith("#2 ")
    without_number = [re.sub(r"^\$\d+", "$", said[command]) for command in (*before, *after)]
    assert without_number[:4] == without_number[4:]


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_modules_are_where_the_symbols_say(gdb, flags):
    program = build("mixed", *flags)
    entry = "info files"
    show = (
        "python import json; print(json.dumps([process.pointer_size, hex(process.main.load_base), process.main.path, "
        "process.main.file, process.main.build_id, [m.path for m in process.modules]]))"
    )
    ids = "python print(gdb.objfiles()[0].build_id)"
    said = gdb(program, *STOPPED, show, entry, ids)
    word, base, path, file, build_id, modules = json.loads(said[show])
    assert word == (4 if "-m32" in flags else 8)
    assert path == file == str(program)
    assert str(build_id or None) == said[ids].strip()
    e_entry = int.from_bytes(program.read_bytes()[24 : 24 + word], "little")
    assert int(base, 16) + e_entry == int(re.search("Entry point: (.*)", said[entry])[1], 16)
    dynamic = not any("static" in flag for flag in flags)
    assert any(re.search(r"/libc[.-]", each) for each in modules) == dynamic


def test_memory_is_what_gdb_reads(gdb, script):
    compare, beyond = script(COMPARE_MEMORY), script(READ_BEYOND)
    said = gdb(build("mixed"), *STOPPED, compare, beyond)
    assert said[compare] == "True {True}\n"
    assert said[beyond] == "True 8\n" * 5


def summary(said):
    """What the process is, by the words of bare `gdbheap`."""
    return {row["what"]: row["found"] for row in json.loads(said["gdbheap --json"])["rows"]}


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_a_core_is_read_from_its_file(gdb, script, tmp_path, flags):
    program = build("threads", *flags)
    threads = script(SEE_THREADS.replace("thread.name", "None").replace("t.name", "None"))
    gdb(program, "break inspected", "run", f"generate-core-file {tmp_path / 'core'}")
    said = gdb(program, f"core-file {tmp_path / 'core'}", "gdbheap --json", GATHER, threads)
    assert summary(said)["process"] == f"core, {32 if flags else 64} bits, 5 threads"
    assert summary(said)["program"] == str(program)
    assert said[threads].endswith("True 5\n")


def test_a_core_is_read_without_its_program(gdb, tmp_path):
    program = build("mixed")
    gdb(program, "break inspected", "run", f"generate-core-file {tmp_path / 'core'}")
    said = gdb(None, f"core-file {tmp_path / 'core'}", "gdbheap --json")
    assert summary(said)["program"] == str(program)


def test_a_core_that_follows_another_is_read_anew(gdb, tmp_path):
    first, second = (build(name, "-static") for name in ("mixed", "mmapped"))
    for program in (first, second):
        gdb(program, "break inspected", "run", f"generate-core-file {tmp_path / program.name}")
    cores = [f"core-file {tmp_path / program.name}" for program in (first, second)]
    said = gdb(None, cores[0], "gdbheap", cores[1], "gdbheap --json")
    assert summary(said)["program"] == str(second)


def test_a_remote_target_is_read_through_gdb(gdb, script):
    program = build("threads")
    threads, memory = script(SEE_THREADS), script(COMPARE_MEMORY)
    connect = f"target remote | gdbserver - {program}"
    said = gdb(program, connect, "break inspected", "continue", "gdbheap --json", GATHER, threads, memory)
    assert summary(said)["process"] == "remote, 64 bits, 5 threads"
    assert summary(said)["program"] == str(program)
    assert said[threads] == "True 5\n"
    assert said[memory] == "True {True}\n"


def test_an_attached_process_is_read(gdb):
    with running(build("threads")) as program:
        said = gdb(None, f"attach {program.pid}", "gdbheap --json", "detach", "gdbheap")
    assert summary(said)["process"] == f"live process {program.pid}, 64 bits, 5 threads"
    assert "process  none: there is no process" in said["gdbheap"]


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ("print 1", False),
        ("info threads", False),
        ("up", False),
        ("set var event_count = 1", True),
        ("set var $rax = 1", True),
        ("stepi", True),
        ("print event_count = 2", True),
        ("print (int)getpid()", True),
    ],
)
def test_what_is_known_is_kept_until_the_process_may_have_changed(gdb, change, anew):
    first, second = (f"python {'old' if i == 0 else 'new'} = answering.TARGET.process" for i in range(2))
    show = "python print(new is not old)"
    said = gdb(build("mixed"), *STOPPED, "gdbheap", first, change, "gdbheap --json", second, show)
    assert said[show] == f"{anew}\n"


def test_a_breakpoints_condition_never_sees_the_stop_before(gdb, script):
    function = script(SEEN_FUNCTION)
    show = "python print(len(processes), len(set(map(id, processes))))"
    said = gdb(build("mixed"), "break inspected", function, "break record if $seen()", "run", show)
    assert said[show] == "20 20\n"


def test_a_running_process_is_one_line(gdb):
    said = gdb(build("before_malloc"), "break inspected", "run &", "gdbheap --json", "print $chunk_size(0)")
    assert "the process is running: stop it first" in summary(said)["process"]


def test_threads_that_run_on_are_named_and_nothing_is_kept(gdb):
    first, second = (f"python {name} = answering.TARGET.process" for name in ("old", "new"))
    show = "python print(new is not old)"
    stops = ("set non-stop on", "break inspected", "run", "python from gdbheap.inside_gdb import answering")
    said = gdb(build("threads"), *stops, "gdbheap", first, "gdbheap --json", second, show)
    assert summary(said)["note"] == "threads that run on, and may change what is shown: 3, 4, 5, 6"
    assert said[show] == "True\n"


def test_the_chunk_of_a_pointer(gdb):
    pointer = "events[0].pointer"
    chunk, size = f"print $chunk({pointer}) == (char *){pointer} - 16", f"print $chunk_size({pointer})"
    header = f"print *((unsigned long *){pointer} - 1) & ~7"
    said = gdb(build("mixed"), *STOPPED, header, chunk, size)
    assert said[chunk] == "$2 = 1\n"
    assert said[size].split(" = ")[1] == said[header].split(" = ")[1]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("$chunk_size(0)", "cannot read 8 bytes at 0xfffffffffffffff8"),
        ("$chunk_size(events[0])", "$chunk_size: its argument is a struct event, not an address"),
        ("$chunk()", "$chunk: it takes one pointer, not 0"),
    ],
)
def test_a_wrong_pointer_is_one_line(gdb, call, expected):
    said = gdb(build("mixed"), *STOPPED, f"print {call}")
    assert said[f"print {call}"] == f"{expected}\n"


def test_the_state_of_a_pointer_in_a_condition(gdb):
    stop = 'break free if $_streq($heap_state($rdi), "in_use")'
    before, after, stack = "print $heap_state($rdi)", "print $heap_state($freed)", "print $heap_state($sp)"
    remember = "set $freed = $rdi"
    said = gdb(build("mixed"), stop, "run", before, stack, remember, "delete", "finish", after)
    assert said[before] == '$1 = "in_use"\n'
    assert said[stack] == '$2 = "none"\n'
    assert said[after] in (f'$3 = "{state}"\n' for state in ("tcache", "fastbin", "unsorted", "top"))


# What the kernel shows of the function's first byte, and what gdbheap and gdb read there.
SEE_CODE = """
from gdbheap.inside_gdb import answering, process as gdb_process
where = int(gdb.parse_and_eval("(unsigned long)&inspected"))
memory, inferior = answering.TARGET.process.memory, gdb.selected_inferior()
raw = open(f"/proc/{inferior.pid}/mem", "rb")
raw.seek(where & -4096)
raw = raw.read(4096)
whole = bytearray(3 * 4096)
memory.read_into((where & -4096) - 4096, memoryview(whole))
read = [memory.read(where, 1)[0], memory.read(where & -4096, 4096)[where % 4096], whole[4096 + where % 4096]]
print(raw[where % 4096] == 0xCC, [each == inferior.read_memory(where, 1)[0][0] != 0xCC for each in read])
"""


def test_breakpoints_that_gdb_leaves_in_memory_are_not_read(gdb, script):
    see = script(SEE_CODE)
    always = ("set breakpoint always-inserted on", "tbreak main", "run", "gdbheap", "break inspected")
    said = gdb(
        build("mixed"),
        *always,
        "python answering = __import__('gdbheap.inside_gdb.answering').inside_gdb.answering; answering.TARGET.begin()",
        see,
    )
    assert said[see] == "True [True, True, True]\n", said.text
