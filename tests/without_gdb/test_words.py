"""Names of functions and texts of instructions as gdb writes them."""

from __future__ import annotations

import pytest

from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.named_address import NamedAddress
from gdbheap.without_gdb.demangle import without_parameters
from gdbheap.without_gdb.instructions import Instructions


@pytest.mark.parametrize(
    ("demangled", "name"),
    [
        ("main", "main"),
        ("work(int)", "work"),
        ("int work<int>(char*) const", "work<int>"),
        ("A::~A()", "A::~A"),
        ("A::operator()(int)", "A::operator()"),
        ("A::operator bool() const", "A::operator bool"),
        ("A::operator<(A const&) const", "A::operator<"),
        ("operator new(unsigned long)", "operator new"),
        ("std::ostream& std::operator<< <char>(std::ostream&, char)", "std::operator<< <char>"),
        ("f(int)::{lambda()#1}::operator()() const", "f(int)::{lambda()#1}::operator()"),
        ("(anonymous namespace)::g(int)", "(anonymous namespace)::g"),
        ("std::map<int, long>::at(int const&)", "std::map<int, long>::at"),
    ],
)
def test_names_of_frames(demangled, name):
    assert without_parameters(demangled) == name


class _Code:
    """A process that is nothing but code at 0x1000."""

    def __init__(self, code: bytes) -> None:
        self.machine, self.memory, self._code = X86_64, self, code

    def read(self, address: int, size: int) -> bytes:
        return self._code[address - 0x1000 :][:size]


# What `gdb -ex 'disassemble'` (13.1) says of these bytes.
AS_GDB = (
    ("48 c7 43 08 01 00 00 00", "movq   $0x1,0x8(%rbx)"),
    ("48 8b 45 f8", "mov    -0x8(%rbp),%rax"),
    ("8b 04 8a", "mov    (%rdx,%rcx,4),%eax"),
    ("ff d0", "call   *%rax"),
    ("c3", "ret"),
    ("55", "push   %rbp"),
    ("c9", "leave"),
    ("c8 af 8d 57", "enter  $0x8daf,$0x57"),
    ("c8 10 00 d7", "enter  $0x10,$0xd7"),
    ("c2 f0 ff", "ret    $0xfff0"),
    ("0f b6 00", "movzbl (%rax),%eax"),
    ("48 63 d0", "movslq %eax,%rdx"),
    ("83 38 2a", "cmpl   $0x2a,(%rax)"),
    ("48 83 c0 0a", "add    $0xa,%rax"),
    ("f3 48 a5", "rep movsq %ds:(%rsi),%es:(%rdi)"),
    ("e8 fb 00 00 00", "call   0x1100 <target>"),
    ("48 8b 05 fa 00 00 00", "mov    0xfa(%rip),%rax        # 0x1101 <target+1>"),
    ("48 3d 00 f0 ff ff", "cmp    $0xfffffffffffff000,%rax"),
    ("83 f8 ff", "cmp    $0xffffffff,%eax"),
    ("c7 00 ff ff ff ff", "movl   $0xffffffff,(%rax)"),
    ("e4 60", "in     $0x60,%al"),
    ("06", "(bad)"),
)


@pytest.mark.parametrize(("code", "text"), AS_GDB)
def test_instructions(code, text):
    named = {0x1100: NamedAddress("target", 0, "p"), 0x1101: NamedAddress("target", 1, "p")}.get
    process = _Code(bytes.fromhex(code))
    assert Instructions(process, named).at(0x1000, 1) == [text]  # type: ignore[arg-type]
