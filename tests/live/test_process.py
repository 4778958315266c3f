"""What is gathered from gdb at a stop: threads, registers, modules, mappings; and when it is gathered anew."""

from __future__ import annotations

import json
import re

import pytest
from programs import build

GATHER = "python from gdbheap import gdb_plugin, gdb_process; process = gdb_process.gather()"
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
    seen[thread.num] = [thread.ptid[1], thread.name, *(int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in ("sp", "pc"))]
print(seen == {t.number: [t.lwp, t.name, t.stack_pointer, t.program_counter] for t in process.threads}, len(seen))
"""

# The first word of a thread's control block is its own address (tcbhead_t's tcb).
SEE_POINTERS = """
print({gdb_process.read_word(t.thread_pointer) == t.thread_pointer for t in process.threads})
"""

COMPARE_MEMORY = """
inferior = gdb.selected_inferior()
readable = [v for v in process.address_space if v.readable and not v.path.startswith("[v")]
print(len(readable) > 5, {process.memory.read(v.start, 4096) == bytes(inferior.read_memory(v.start, 4096)) for v in readable})
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
from gdbheap import gdb_plugin

class Seen(gdb.Function):
    def __init__(self):
        super().__init__("seen")

    def invoke(self):
        gdb.execute("gdbheap", to_string=True)
        processes.append(gdb_plugin._target.process)
        return 0

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


def test_the_selected_thread_and_frame_stay_selected(gdb):
    before = ("frame", "print $_thread", "print $pc", "info threads")
    after = tuple(f"python gdb.execute({command!r})" for command in before)
    said = gdb(build("threads"), "break inspected", "run", "thread 3", "up", "up", *before, "gdbheap", *after)
    assert said["print $_thread"] == "$1 = 3\n"
    assert said["frame"].startswith("#2 ")
    without_number = [re.sub(r"^\$\d+", "$", said[command]) for command in (*before, *after)]
    assert without_number[:4] == without_number[4:]


@pytest.mark.parametrize("flags", BUILDS.values(), ids=BUILDS)
def test_modules_are_where_the_symbols_say(gdb, flags):
    program = build("mixed", *flags)
    entry = "info files"
    show = (
        "python import json; print(json.dumps([process.word, hex(process.main.load_base), process.main.path, process.main.file, "
        "process.main.build_id, [m.path for m in process.modules]]))"
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
    first, second = (f"python {'old' if i == 0 else 'new'} = gdb_plugin._target.process" for i in range(2))
    show = "python print(new is not old)"
    said = gdb(build("mixed"), *STOPPED, "gdbheap", first, change, "gdbheap --json", second, show)
    assert said[show] == f"{anew}\n"


def test_a_breakpoints_condition_never_sees_the_stop_before(gdb, script):
    function = script(SEEN_FUNCTION)
    show = "python print(len(processes) > 5, len(processes) == len(set(map(id, processes))))"
    said = gdb(build("mixed"), "break inspected", function, "break record if $seen()", "run", show)
    assert said[show] == "True True\n"
