from __future__ import annotations

import random
import struct
from dataclasses import replace

import pytest

from gdbheap.elf.core_file import open_core
from gdbheap.elf.elf_facts import ElfFacts
from gdbheap.elf.modules import segments_of
from gdbheap.errors import HeapError, MemoryFault
from gdbheap.machine.machines import KNOWN
from gdbheap.process.address_space import VMA
from gdbheap.process.remarks import CoreTruncated, NoThreads, OtherMachine, SegmentsUnread, UnreadByGdb
from gdbheap.sentences.facts.said import said
from support.made_core import Load, make_core, make_elf, note, nt_file, prstatus32, prstatus64

PAGE = 4096


@pytest.fixture
def core(tmp_path):
    """Return a function that writes a core and opens it."""

    def write(data: bytes):
        path = tmp_path / "core"
        path.write_bytes(data)
        return open_core(str(path))

    return write


def auxv(**values: int) -> bytes:
    kinds = {"phdr": 3, "entry": 9, "random": 25, "vdso": 33}
    return note(6, b"".join(struct.pack("<QQ", kinds[k], v) for k, v in values.items()) + bytes(16))


def test_memory_reads_across_adjacent_segments_and_not_across_a_gap(core):
    memory = core(make_core([Load(0x1000, b"a" * PAGE), Load(0x2000, b"b" * PAGE), Load(0x4000, b"c" * PAGE)])).memory
    assert memory.read(0x1FFE, 4) == b"aabb"
    buffer = bytearray(2 * PAGE)
    memory.read_into(0x1000, memoryview(buffer))
    assert bytes(buffer) == b"a" * PAGE + b"b" * PAGE
    for address, size in (
        (0x2FFF, 2),
        (0xFFF, 1),
        (0xFFF, 2),
        (0x3000, 1),
        (0x4FFF, 2),
        (1 << 64, 1),
        (0x2FFF, 0x1002),
    ):
        with pytest.raises(MemoryFault) as caught:
            memory.read(address, size)
        assert (caught.value.address, caught.value.size) == (address, size)
    assert memory.read(0x9000, 0) == b""


def test_what_was_not_dumped_is_a_fault_and_still_a_mapping(core):
    opened = core(make_core([Load(0x1000, b"a" * PAGE), Load(0x10000, b"", 1 << 40, flags=0)]))
    with pytest.raises(MemoryFault):
        opened.memory.read(0x10000, 1)
    with pytest.raises(MemoryFault):
        opened.memory.read(0x10000, 1 << 40)
    assert opened.address_space.find(0x20000) == VMA(0x10000, 0x10000 + (1 << 40), "---?")
    assert opened.missing == () and opened.notes == (NoThreads(),)


def files_note(*entries) -> bytes:
    return note(0x46494C45, nt_file(entries or [(0x10000, 0x11000, 0, "/bin/prog")]))


UNTOUCHED = Load(0x20000, b"", 1 << 40)


def test_writable_memory_of_no_file_that_is_not_in_a_kernels_core_was_never_written(core):
    opened = core(make_core([Load(0x1000, b"s" * PAGE), UNTOUCHED], files_note()))
    assert opened.memory.read(0x20000, 16) == bytes(16)
    assert opened.unwritten == opened.process().assumed_zeros == ((0x20000, 0x20000 + (1 << 40)),)
    assert list(opened.memory.data_spans(0x20000, 0x20000 + (1 << 40))) == []
    with pytest.raises(MemoryFault):
        opened.memory.read(0x20000 + (1 << 40) - 1, 2)


@pytest.mark.parametrize(
    ("loads", "notes"),
    [
        ([Load(0x1000, b"s" * PAGE), UNTOUCHED], b""),  # without NT_FILE, it may be a file's
        ([Load(0x1000, b"s" * PAGE), UNTOUCHED], files_note((0x20000, 0x21000, 0, "/dev/shm/x"))),
        ([Load(0x1000, b"s" * PAGE), UNTOUCHED], note(0x46494C45, nt_file([(0x1, 0x2, 0, "/x")], 1))),  # gdb's
        ([Load(0x1000, b"", PAGE), UNTOUCHED], files_note()),  # a filter has left all of it out
        ([Load(0x1000, b"s" * PAGE), Load(0x20000, b"", PAGE, flags=4)], files_note()),  # the kernel's own ([vvar])
    ],
    ids=["no files", "of a file", "by gdb", "filtered", "read-only"],
)
def test_what_else_is_not_in_a_core_is_missing(core, loads, notes):
    opened = core(make_core(loads, notes))
    assert opened.unwritten == ()
    with pytest.raises(MemoryFault):
        opened.memory.read(0x20000, 1)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("control_block", "missing"),
    [(bytes(24), ((0x1000 + MIB, 0x1000 + 3 * MIB),)), (struct.pack("<3Q", 0x1000 + 2 * MIB, 1, 0x1000 + 2 * MIB), ())],
    ids=["zeros", "itself"],
)
def test_from_where_gdb_could_not_read_a_threads_stack_on_its_zeros_are_missing(core, control_block, missing):
    data = b"a" * MIB + bytes(MIB) + control_block.ljust(MIB, b"\0")
    notes = note(0x46494C45, nt_file([], 1)) + note(1, prstatus64(7, fs_base=0x1000 + 2 * MIB, rsp=0x2000))
    opened = core(make_core([Load(0x1000, data), Load(0x900000, bytes(2 * MIB))], notes))
    assert opened.missing == missing
    assert opened.memory.read(0x1000, MIB) == b"a" * MIB
    assert opened.memory.read(0x900000, 2 * MIB) == bytes(2 * MIB)
    assert [each.missing for each in opened.notes if isinstance(each, UnreadByGdb)] == [2 * MIB] * bool(missing)


def test_a_thread_whose_pointer_is_not_known_shows_it_by_its_stack(core):
    notes = note(0x46494C45, nt_file([], 1, 4), b"CORE") + note(1, prstatus32(7, 0x8048000, 0x2000, gs=0))
    opened = core(make_core([Load(0x1000, bytes(2 * PAGE))], notes, pointer_size=4))
    assert opened.missing == ((0x1000, 0x3000),)


def test_threads_have_their_registers(core):
    notes = note(1, prstatus64(7, rip=0x1234, rsp=0x7FFF0010, fs_base=0x7F00, rax=2**64 - 1)) + note(
        1, prstatus64(8, rip=1, rsp=2, fs_base=3)
    )
    first, second = core(make_core([Load(0x1000, b"x")], notes)).threads
    assert (first.number, first.lwp, first.program_counter, first.stack_pointer) == (1, 7, 0x1234, 0x7FFF0010)
    assert (first.thread_pointer, first.registers["rax"], first.registers["rbx"]) == (0x7F00, 2**64 - 1, 0)
    assert (second.number, second.lwp, second.thread_pointer) == (2, 8, 3)


def test_i386_threads_have_their_thread_pointer_from_the_selected_descriptor(core):
    descriptors = struct.pack("<8I", 6, 0xAAAA, 0xFFFFF, 0x51, 12, 0xF7EE4540, 0xFFFFF, 0x51)
    notes = (
        note(1, prstatus32(7, 0x8048000, 0xFFFF0000, gs=0x63))
        + note(0x200, descriptors, b"LINUX")
        + note(1, prstatus32(8, 0x8048001, 0xFFFF1000, gs=0x63))
    )
    opened = core(make_core([Load(0x1000, b"x")], notes, pointer_size=4))
    assert (opened.machine, opened.pointer_size) == ("i386", 4)
    assert [thread.thread_pointer for thread in opened.threads] == [0xF7EE4540, None]
    assert opened.threads[0].registers["gs"] == 0x63


def test_the_signal_belongs_to_the_thread_before_it(core):
    info = struct.pack("<iiiiQ", 11, 0, 1, 0, 0xDEAD) + bytes(104)
    sent = struct.pack("<iiiiii", 6, 0, -6, 0, 4242, 0) + bytes(104)
    notes = note(1, prstatus64(7)) + note(0x53494749, info) + note(1, prstatus64(8)) + note(0x53494749, sent)
    signals = core(make_core([Load(0x1000, b"x")], notes)).signals
    assert (signals[7].signal, signals[7].code, signals[7].address, signals[7].sender) == (11, 1, 0xDEAD, None)
    assert (signals[8].signal, signals[8].code, signals[8].address, signals[8].sender) == (6, -6, None, 4242)


def test_a_signal_for_a_protection_key_names_the_key(core):
    info = struct.pack("<iiiiQQI", 11, 0, 4, 0, 0x7000, 0, 9) + bytes(92)
    signals = core(make_core([Load(0x1000, b"x")], note(1, prstatus64(7)) + note(0x53494749, info))).signals
    assert (signals[7].address, signals[7].protection_key) == (0x7000, 9)


def test_command_line_is_read(core):
    body = bytes(40) + b"server".ljust(16, b"\0") + b"./server --port 80 ".ljust(80, b"\0")
    opened = core(make_core([Load(0x1000, b"x")], note(3, body)))
    assert (opened.command, opened.arguments) == ("server", "./server --port 80")


@pytest.mark.parametrize("page", [4096, 1])
def test_file_names_and_offsets_come_from_nt_file(core, page):
    notes = note(0x46494C45, nt_file([(0x1000, 0x3000, 0x5000, "/lib/x y.so")], page))
    opened = core(make_core([Load(0x1000, b"x" * PAGE, flags=4), Load(0x2000, b"y" * PAGE), Load(0x3000, b"z")], notes))
    assert list(opened.address_space) == [
        VMA(0x1000, 0x2000, "r--?", 0x5000, path="/lib/x y.so"),
        VMA(0x2000, 0x3000, "rw-?", 0x6000, path="/lib/x y.so"),
        VMA(0x3000, 0x3001, "rw-?"),
    ]
    assert opened.by_gdb == (page == 1)


def test_vdso_stack_and_heap_are_named_and_marked_as_inferred(core):
    notes = note(0x46494C45, nt_file([(0x10000, 0x12000, 0, "/bin/prog")])) + auxv(
        phdr=0x10040, random=0x7FFF0010, vdso=0x70000000
    )
    loads = [
        Load(0x10000, b"e" * PAGE, flags=5),
        Load(0x11000, b"d" * PAGE),
        Load(0x12000, b"b" * PAGE),
        Load(0x20000, b"h" * PAGE),
        Load(0x21000, b"o" * PAGE),
        Load(0x70000000, b"v" * PAGE, flags=5),
        Load(0x7FFF0000, b"s" * PAGE),
    ]
    space = core(make_core(loads, notes)).address_space
    paths = {vma.start: vma.path for vma in space}
    assert paths == {
        0x10000: "/bin/prog",
        0x11000: "/bin/prog",
        0x12000: "",
        0x20000: "[heap]",
        0x21000: "",
        0x70000000: "[vdso]",
        0x7FFF0000: "[stack]",
    }
    assert space.inferred == {0x20000, 0x70000000, 0x7FFF0000}


def test_no_heap_is_inferred_for_a_program_among_the_mappings(core):
    """A static PIE: the kernel puts its brk elsewhere, and what stands apart above it is another mapping."""
    notes = note(0x46494C45, nt_file([(0x6FF10000, 0x6FF12000, 0, "/bin/prog")])) + auxv(
        phdr=0x6FF10040, random=0x7FFF0010, vdso=0x70000000
    )
    loads = [
        Load(0x6FF10000, b"e" * PAGE, flags=5),
        Load(0x6FF11000, b"d" * PAGE),
        Load(0x6FF20000, b"m" * PAGE),
        Load(0x70000000, b"v" * PAGE, flags=5),
        Load(0x7FFF0000, b"s" * PAGE),
    ]
    assert "[heap]" not in {vma.path for vma in core(make_core(loads, notes)).address_space}


def test_no_heap_is_inferred_where_there_may_be_none(core):
    notes = note(0x46494C45, nt_file([(0x10000, 0x11000, 0, "/bin/prog")])) + auxv(phdr=0x10040)
    space = core(make_core([Load(0x10000, b"e" * PAGE), Load(0x7F0000000000, b"m" * PAGE)], notes)).address_space
    assert [vma.path for vma in space] == ["/bin/prog", ""]
    assert space.inferred == frozenset()


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "lib.so"
    path.write_bytes(make_elf(b"\x01" * 20, b"program text"))
    return path


def library_core(path, build_id: bytes, **more) -> bytes:
    elf = make_elf(build_id, b"program text")
    notes = note(0x46494C45, nt_file([(0x10000, 0x13000, 0, str(path))], **more))
    loads = [
        Load(0x10000, elf[:PAGE], flags=4),
        Load(0x11000, b"", PAGE, flags=5),
        Load(0x12000, b"", PAGE, flags=6),
        Load(0x20000, b"heap"),
    ]
    return make_core(loads, notes)


def test_undumped_text_is_read_from_the_file_with_the_same_build_id(core, library):
    memory = core(library_core(library, b"\x01" * 20)).memory
    assert memory.read(0x11000, 12) == b"program text"
    assert memory.read(0x10FFE, 4) == b"\0\0pr"
    assert len(memory.read(0x11000, PAGE)) == PAGE
    assert memory.elf_facts(str(library)).build_id == "01" * 20
    assert memory.read(0x12000, 1) == bytes(1)  # writable and never written: the file's own


def test_undumped_text_of_another_build_is_a_fault(core, library):
    memory = core(library_core(library, b"\x02" * 20)).memory
    assert memory.read(0x10000, 4) == b"\x7fELF"
    with pytest.raises(MemoryFault):
        memory.read(0x11000, 12)


def test_undumped_text_of_a_file_that_is_gone_is_a_fault(core, library):
    data = library_core(library, b"\x01" * 20)
    library.unlink()
    with pytest.raises(MemoryFault):
        core(data).memory.read(0x11000, 12)


def test_a_file_shorter_than_its_mapping_is_a_fault(core, library):
    data = library_core(library, b"\x01" * 20)
    library.write_bytes(library.read_bytes()[:0x1800])
    memory = core(data).memory
    assert len(memory.read(0x11000, 0x800)) == 0x800
    with pytest.raises(MemoryFault):
        memory.read(0x11000, PAGE)


def test_a_core_without_written_memory_takes_nothing_from_files(core, library):
    notes = note(0x46494C45, nt_file([(0x10000, 0x13000, 0, str(library))]))
    elf = library.read_bytes()
    loads = [Load(0x10000, elf[:PAGE], flags=4), Load(0x11000, b"", PAGE, flags=5), Load(0x20000, b"", PAGE)]
    with pytest.raises(MemoryFault):
        core(make_core(loads, notes)).memory.read(0x11000, 1)


def test_mappings_that_gdb_left_out_have_the_permissions_of_their_file(core, library):
    notes = note(
        0x46494C45, nt_file([(0x10000, 0x11000, 0, str(library)), (0x11000, 0x12000, 0x1000, str(library))], 1)
    )
    opened = core(make_core([Load(0x10000, library.read_bytes()[:PAGE], flags=4), Load(0x20000, b"heap")], notes))
    assert [(vma.start, vma.permissions) for vma in opened.address_space] == [
        (0x10000, "r--?"),
        (0x11000, "r-x?"),
        (0x20000, "rw-?"),
    ]
    assert opened.memory.read(0x11000, 12) == b"program text"


def test_an_anonymous_read_only_segment_of_gdb_may_be_unreadable(core):
    notes = note(0x46494C45, nt_file([], 1))
    opened = core(make_core([Load(0x10000, bytes(PAGE), flags=4)], notes))
    assert [vma.permissions for vma in opened.address_space] == ["?--?"]
    assert not opened.address_space.vmas[0].readable


def test_modules_are_the_mapped_elf_files(core, library):
    opened = core(library_core(library, b"\x01" * 20))
    (module,) = opened.modules()
    assert (module.path, module.file, module.load_base, module.build_id) == (
        str(library),
        str(library),
        0x10000,
        "01" * 20,
    )


def test_a_module_has_no_segment_where_no_address_is():
    """Whatever its headers say."""
    facts = ElfFacts(loads=((0x10, 10, 20, 4), (2**64 - 0x10000, 1, 1, 4), (0x10, 10, 2**64, 4)))
    assert [(each.start, each.end) for each in segments_of(0x10000, facts)] == [(0x10010, 0x10024)]
    assert list(segments_of(-0x20, replace(facts, loads=facts.loads[:1]))) == []


def test_a_truncated_core_tells_what_is_missing_and_reads_the_rest(core):
    whole = make_core([Load(0x1000, b"a" * PAGE), Load(0x2000, b"b" * PAGE), Load(0x9000, b"c" * PAGE)])
    opened = core(whole[: -PAGE - 100])
    assert opened.missing == ((0x3000 - 100, 0x3000), (0x9000, 0xA000))
    assert opened.notes[-1] == CoreTruncated(PAGE + 100, 3 * PAGE, 2, 0x3000 - 100, 0xA000)
    assert said(opened.notes[-1]) == (
        "the core is truncated: 4,196 of 12,288 bytes of memory are missing, in 2 ranges between 0x2f9c and 0xa000"
    )
    assert opened.memory.read(0x1000, 2 * PAGE - 100) == b"a" * PAGE + b"b" * (PAGE - 100)
    for address in (0x3000 - 100, 0x9000):
        with pytest.raises(MemoryFault):
            opened.memory.read(address, 1)


def test_a_core_cut_off_within_its_headers_says_so(core):
    whole = make_core([Load(0x1000 * i, b"") for i in range(1, 100)] + [Load(0x900000, b"x")])
    with pytest.raises(HeapError) as caught:
        core(whole[: 64 + 56 + 20])
    assert str(caught.value).endswith("holds no memory: it is cut off")
    whole = make_core([Load(0x1000 * i, b"", PAGE) for i in range(1, 100)])
    opened = core(whole[: 64 + 56 * 10])
    assert len(opened.address_space) == 9
    assert SegmentsUnread(90, 100, cut_off=True) in opened.notes


def test_more_segments_than_a_halfword_counts(core):
    loads = [Load(0x1000 * i, b"") for i in range(1, 70_000)] + [Load(0x7F0000000000, b"last")]
    loads = [Load(load.start, load.data, load.size or 4) for load in loads]
    whole = make_core(loads, extended=True)
    opened = core(whole)
    assert len(opened.address_space) == 70_000
    assert opened.memory.read(0x7F0000000000, 4) == b"last"
    cut = core(whole[:-10])  # section 0, at the end, is what tells the number
    assert len(cut.address_space) == 70_000


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no core file (it does not begin as an ELF file does)"),
        (b"\x7fELF", "is no core file (it does not begin as an ELF file does)"),
        (b"MDMP" + bytes(100), "is a minidump (Breakpad's, Crashpad's): it holds registers, stacks"),
        (b"#!/bin/sh\n" * 100, "is no core file (it does not begin as an ELF file does)"),
        (make_elf(b"\x01" * 20), "is an ELF file but no core"),
        (make_core([]), "holds no memory: no PT_LOAD segment"),
        (make_core([Load(0x1000, b"x")])[:60], "ends within its header"),
        (make_core([Load(0x1000, b"x")])[:64], "holds no program headers"),
    ],
)
def test_what_is_no_core_is_one_line(core, data, words):
    with pytest.raises(HeapError) as caught:
        core(data)
    assert words in str(caught.value)


def test_no_such_file_and_a_directory_are_one_line(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(HeapError, match=r"^cannot read "):
            open_core(str(path))


def test_another_machine_has_memory_but_no_threads(core):
    opened = core(make_core([Load(0x1000, b"abcd")], note(1, prstatus64(7)), machine=258))
    assert opened.memory.read(0x1000, 4) == b"abcd"
    assert opened.threads == () and opened.machine == "LoongArch"
    (remark,) = opened.notes
    assert isinstance(remark, OtherMachine) and (remark.machine, remark.known) == ("LoongArch", KNOWN)
    assert core(make_core([Load(0x1000, b"abcd")], machine=4711)).machine == "ELF machine 4711 (64 bits)"
    assert core(make_core([Load(0x1000, b"abcd")], machine=62, pointer_size=4)).machine == "x32"


def test_segments_at_the_end_of_the_world(core):
    """They are read; no mapping ends where no address of 64 bits is."""
    opened = core(make_core([Load(2**64 - 8, b"12345678"), Load(2**64 - 3 * PAGE, b"", 2**64 - 1)]))
    memory = opened.memory
    assert [(vma.start, vma.end) for vma in opened.address_space] == [(2**64 - 3 * PAGE, 2**64 - 8)]
    assert memory.read(2**64 - 8, 8) == b"12345678"
    with pytest.raises(MemoryFault):
        memory.read(2**64 - 8, 9)


def test_hostile_bytes_anywhere_never_surprise(core):
    notes = (
        note(1, prstatus64(7, rip=1))
        + note(0x53494749, bytes(128))
        + note(3, bytes(136))
        + auxv(phdr=0x10040, random=0x20000, vdso=0x30000)
        + note(0x46494C45, nt_file([(0x10000, 0x12000, 0, "/bin/prog"), (0x40000, 0x41000, 0, "/lib/x")]))
    )
    loads = [
        Load(0x10000, make_elf(b"\x01" * 20)[:PAGE], flags=5),
        Load(0x20000, b"s" * 64),
        Load(0x30000, b"v", PAGE, 5),
    ]
    whole = make_core(loads, notes)
    seed = 20261121
    chance = random.Random(seed)
    for turn in range(1500):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(notes) + 400)
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        try:
            opened = core(bytes(data[: chance.choice((len(data), chance.randrange(len(data))))]))
            for vma in opened.address_space:
                opened.memory.read(vma.start, min(vma.size, 64))
            opened.process()
        except HeapError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}, turn {turn}") from error


def test_a_note_segment_of_zeros_ends(core):
    opened = core(make_core([Load(0x1000, b"x")], bytes(1 << 20)))
    assert opened.threads == ()
