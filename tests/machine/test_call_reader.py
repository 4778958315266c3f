"""What a call was given, by the code before it: code as compilers write it, as gdb disassembles it, against what the
instructions do."""

from __future__ import annotations

import re

import pytest

from gdbheap.analysis.malloc_aborts.freed_expressions import freed_expressions
from gdbheap.machine.x86.code import CODE_64
from gdbheap.machine.x86.code_steps import follow
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.frame import Frame
from gdbheap.process.memory import ImageMemory
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Process

START, STACK, DATA, FREE, OTHER = 0x401000, 0x7FFE00001000, 0x404000, 0x7F0000001000, 0x402000
MALLOC = 0x7F0000002000
TAKES = re.compile("__libc_free")
# What memory holds: a struct whose second member is the pointer, a table of pointers, the stack's locals.
POINTER, STRUCT, TABLE = 0x4052A0, DATA + 0x10, DATA + 0x40
WORDS = {
    STRUCT + 8: POINTER,
    TABLE + 3 * 8: POINTER,
    STACK + 8: STRUCT,
    STACK + 0x10: 3,
    DATA: POINTER,
    STACK + 0x18: TABLE,
}


def process():
    """A process with these words, and zeros beside them."""
    pieces = {DATA: bytearray(0x100), STACK: bytearray(0x100)}
    for address, word in WORDS.items():
        base = DATA if address < STACK else STACK
        pieces[base][address - base : address - base + 8] = word.to_bytes(8, "little")
    memory = ImageMemory([(base, bytes(data)) for base, data in pieces.items()])
    return Process("core", X86_64, memory, AddressSpace(()), ())


def listed(start, lines):
    """Return code as gdb gives it, each instruction four bytes long."""
    return [(start + 4 * index, line) for index, line in enumerate(lines)]


def reader_of(lines, registers=None, functions=None, callers=()):
    """Return what reads the last of these lines, a call of free, and the frames; `callers` are (lines, registers) of
    the frames outside it."""
    codes = {START: listed(START, lines), **{start: listed(start, code) for start, code in (functions or {}).items()}}
    frames = [Frame(0, START + 4 * len(lines), STACK, registers=registers or {})]
    for level, (code, held) in enumerate(callers, 1):
        at = START + 0x10000 * level
        codes[at] = listed(at, code)
        frames.append(Frame(level, at + 4 * len(code), STACK, registers=held))

    def code_at(address):
        return next((code for code in codes.values() if code[0][0] <= address < code[-1][0] + 4), ())

    symbols = {FREE: NamedAddress("__libc_free", 0, "libc.so.6"), MALLOC: NamedAddress("malloc", 0, "libc.so.6")}
    return CODE_64.call_reader(process(), code_at, symbols.get, TAKES), frames


def first_argument(lines, registers=None, functions=None, callers=()):
    """Return what the last of these lines, a call of free, passes."""
    reader, frames = reader_of(lines, registers, functions, callers)
    return reader.first_argument(frames, 0)


CALL = f"call   {FREE:#x} <free>"
KNOWN = {
    "a register": (["mov %rbx,%rdi", CALL], {"rbx": POINTER}),
    "two loads, as -O0 has them": (
        [
            "push %rbp",
            "mov %rsp,%rbp",
            "sub $0x10,%rsp",
            "mov -0x8(%rbp),%rax",
            "mov 0x8(%rax),%rax",
            "mov %rax,%rdi",
            CALL,
        ],
        {"rbp": STACK + 0x10},
    ),
    "a member of what is kept elsewhere": (["push %rbx", "mov %rdi,%rbx", "mov 0x8(%rdi),%rdi", CALL], {"rbx": STRUCT}),
    "an element of a table": (
        [
            "mov 0x10(%rsp),%eax",
            "cltq",
            "lea 0x0(,%rax,8),%rdx",
            "mov 0x18(%rsp),%rax",
            "add %rdx,%rax",
            "mov (%rax),%rdi",
            CALL,
        ],
        {},
    ),
    "a scaled index": (["mov (%r12,%rbx,8),%rdi", CALL], {"r12": TABLE, "rbx": 3}),
    "a global": ([f"mov 0x2eb3(%rip),%rdi        # {DATA:#x} <kept>", CALL], {}),
    "an address in the code": ([f"lea 0x2eb3(%rip),%rdi        # {DATA:#x} <kept>", CALL], {}),
    "a number": ([f"mov ${POINTER:#x},%edi", CALL], {}),
    "what a call returned, kept": (
        ["call 0x401800 <make>", "mov %rax,%rbx", "lea 0x8(%rbx),%rdi", CALL],
        {"rbx": STRUCT},
    ),
    "a register spilled to the stack": (["mov %rdi,0x8(%rsp)", "mov 0x8(%rdi),%rdi", CALL], {}),
}
RESULTS = {"an address in the code": DATA, "what a call returned, kept": STRUCT + 8}


@pytest.mark.parametrize("name", KNOWN)
def test_the_argument_is_what_the_code_makes(name):
    lines, registers = KNOWN[name]
    assert first_argument(lines, registers) == RESULTS.get(name, POINTER)


UNKNOWN = {
    "a register that calls do not keep": (["mov %rax,%rdi", CALL], {}),
    "memory that was overwritten since": (["mov 0x8(%rbx),%rdi", "movq $0x0,0x8(%rbx)", CALL], {"rbx": STRUCT}),
    "two ways to the call": (
        ["mov 0x8(%rbx),%rdi", f"jmp {START + 12:#x} <f+12>", "mov 0x10(%rbx),%rdi", CALL],
        {"rbx": STRUCT},
    ),
    "a switch": (["mov 0x8(%rbx),%rdi", "jmp *%rdx", CALL], {"rbx": STRUCT}),
    "a condition": (["mov 0x8(%rbx),%rdi", "cmovne %rax,%rdi", CALL], {"rbx": STRUCT}),
    "another function": (["mov %rbx,%rdi", f"call {OTHER:#x} <clear>"], {"rbx": POINTER}),
    "no call": (["mov %rbx,%rdi", "nop"], {"rbx": POINTER}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_the_code_does_not_tell_is_not_guessed(name):
    lines, registers = UNKNOWN[name]
    assert first_argument(lines, registers) is None


GET = f"call   {MALLOC:#x} <malloc@plt>"
# What is passed is what malloc returned (by the address of its call), and so much more; rbx is 3 there.
RESULT_OF = {
    "the result": (["mov $0x64,%edi", GET, "mov %rax,%rdi", CALL], START + 4, (100, 0)),
    "a byte further": (["mov $0x64,%edi", GET, "lea 0x1(%rax),%rdi", CALL], START + 4, (100, 1)),
    "a word before": (["mov $0x64,%edi", GET, "sub $0x8,%rax", "mov %rax,%rdi", CALL], START + 4, (100, -8)),
    "as far as a register says": (["mov $0x8,%edi", GET, "lea (%rax,%rbx,2),%rdi", CALL], START + 4, (8, 6)),
    "if a comparison says so": (
        ["mov $0x64,%edi", GET, "xor %edx,%edx", "test %ebx,%ebx", "setg %dl", "lea (%rax,%rdx,1),%rdi", CALL],
        START + 4,
        (100, 1),
    ),
    "if another does not": (
        ["mov $0x64,%edi", GET, "cmp $0x3,%rbx", "setb %dl", "movzbl %dl,%edx", "add %rdx,%rax", "mov %rax,%rdi", CALL],
        START + 4,
        (100, 0),
    ),
    "more, by a jump that was not taken": (
        ["mov $0x64,%edi", GET, "test %ebx,%ebx", "jle 0x401014", "inc %rax", "mov %rax,%rdi", CALL],
        START + 4,
        (100, 1),
    ),
    "no more, by a jump that was taken": (
        ["mov $0x64,%edi", GET, "test %ebx,%ebx", "jg 0x401014", "inc %rax", "mov %rax,%rdi", CALL],
        START + 4,
        (100, 0),
    ),
    "either of two ways": (
        [
            *("mov $0x64,%edi", GET, "cmp $0x3,%ebx", "je 0x401018", "add $0x8,%rax", "jmp 0x40101c"),
            *("add $0x4,%rax", "mov %rax,%rdi", CALL),
        ],
        START + 4,
        (100, 4),
    ),
    "a way within another": (
        [
            *("mov $0x64,%edi", GET, "cmp $0x2,%ebx", "je 0x401020", "cmp $0x4,%r12d", "ja 0x401020"),
            *("add $0x8,%rax", "dec %rax", "mov %rax,%rdi", CALL),
        ],
        START + 4,
        (100, 7),
    ),
    "a choice": (
        ["mov $0x64,%edi", GET, "lea 0x8(%rax),%rdi", "test %ebx,%ebx", "cmove %rax,%rdi", CALL],
        START + 4,
        (100, 8),
    ),
    "a size that is kept": (["mov %rbx,%rdi", GET, "lea 0x1(%rax),%rdi", CALL], START + 4, (3, 1)),
    "a size that was kept until then": (
        ["mov %r12,%rdi", GET, "mov $0x3,%ebx", "mov %rbx,%r12", "lea 0x1(%rax),%rdi", CALL],
        START + 4,
        (None, 1),
    ),
    "the later of two": (["mov $0x8,%edi", GET, GET, "lea 0x1(%rax),%rdi", CALL], START + 8, (None, 1)),
}


@pytest.mark.parametrize("name", RESULT_OF)
def test_of_a_pointer_that_is_kept_nowhere_the_call_is_told_that_made_it(name):
    """free_misaligned_argc"""
    lines, place, (asked, added) = RESULT_OF[name]
    reader, frames = reader_of(lines, {"rbx": 3, "r12": 3})
    assert reader.first_argument(frames, 0) is None
    found = reader.passed_result(frames, 0)
    assert (found.function, found.place, found.arguments[0], found.added) == ("malloc", place, asked, added)


NO_RESULT = {
    "a way by what nobody knows": [GET, "test %ecx,%ecx", "jle 0x401010", "inc %rax", "mov %rax,%rdi", CALL],
    "a loop": [GET, "inc %rax", "cmp $0x20,%ecx", "jle 0x401004", "mov %rax,%rdi", CALL],
    "flags that are old": [GET, "test %ebx,%ebx", "inc %ecx", "cmovne %rcx,%rax", "mov %rax,%rdi", CALL],
    "a handler of exceptions": [GET, "call 0x700 <__cxa_throw@plt>", "mov %rax,%rdi", CALL],
    "two ways to it": [GET, "jne 0x40100c", "mov %rbx,%rax", "lea 0x1(%rax),%rdi", CALL],
    "so far as nobody knows": [GET, "lea (%rax,%rcx,1),%rdi", CALL],
    "flags of an addition": [
        GET,
        "test %ebx,%ebx",
        "add %rcx,%r8",
        "sete %dl",
        "movzbl %dl,%edx",
        "lea (%rax,%rdx,1),%rdi",
        CALL,
    ],
    "a register that is not its result": [GET, "lea 0x1(%rcx),%rdi", CALL],
    "another way to the callee": [GET, "mov %rax,%rdi", f"call {OTHER:#x} <clear>"],
}


@pytest.mark.parametrize("name", NO_RESULT)
def test_no_call_is_told_where_the_code_does_not_say(name):
    reader, frames = reader_of(NO_RESULT[name], {"rbx": 3})
    assert reader.passed_result(frames, 0) is None


def test_values_of_too_many_parts_are_dropped():
    code = listed(START, ["lea (%rax,%rax,1),%rax"] * 60 + ["mov %rax,%rdi", CALL])
    assert len(str(follow(code, 61)["rdi"])) < 10_000


def test_what_asks_for_the_program_counter_on_i386_is_no_kept_register():
    code = [
        "push   %ebx",
        "call   0x500 <__x86.get_pc_thunk.bx>",
        "add    $0x2fd8,%ebx",
        "call   0x600 <_ZdlPv@plt>",
    ]
    assert follow(listed(START, code), 3, 4)["rbx"] == ("number", START + 8 + 0x2FD8)
    code[1] = "call   0x500"
    assert "unknown" in str(follow(listed(START, code), 3, 4)["rbx"])


def test_a_function_that_left_by_a_jump_is_followed():
    leaves = {OTHER: ["mov 0x8(%rdi),%rdi", f"jmp {FREE:#x} <free>"]}
    lines = ["mov %rbx,%rdi", f"call {OTHER:#x} <clear>"]
    assert first_argument(lines, {"rbx": STRUCT}, leaves) == POINTER


def test_two_jumps_that_pass_different_things_tell_nothing():
    jump = f"jmp {FREE:#x} <free>"
    leaves = {
        OTHER: [
            "test %esi,%esi",
            f"je {OTHER + 16:#x} <clear+16>",
            "mov 0x8(%rdi),%rdi",
            jump,
            "mov 0x10(%rdi),%rdi",
            jump,
        ]
    }
    lines = ["mov %rbx,%rdi", f"call {OTHER:#x} <clear>"]
    assert first_argument(lines, {"rbx": STRUCT}, leaves) is None


def test_an_argument_that_was_handed_on_is_found_in_the_caller():
    lines = ["sub $0x8,%rsp", "mov 0x8(%rdi),%rdi", CALL]
    caller = (["mov %r13,%rdi", f"call {START:#x} <clear>"], {"r13": STRUCT})
    assert first_argument(lines, {}, callers=[caller]) == POINTER


SOURCES = {
    "free(o->value); o->value = 0;": ("o->value",),
    "  ::free ( (void *) table[i + 1].text );": ("(void *) table[i + 1].text",),
    "if (p) { free(p->a); free(p->b); }": ("p->a", "p->b"),
    "buffer = realloc(buffer, grow(size));": ("buffer",),
    "delete[] rows; delete row.first;": ("rows", "row.first"),
    "free(\n  node->next);": ("node->next",),
    "free(p++); free(q = r); delete (a, b);": ("(a, b)",),
    'free(strdup("(")); // free(comment)': (),
    "list->free(x); my_free(y); freed(z)": (),
    "free(x == y ? x : y)": ("x == y ? x : y",),
}


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_line_frees(source):
    assert freed_expressions(source) == SOURCES[source]
