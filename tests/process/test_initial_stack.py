"""The stack that the kernel makes for a program's start, laid out by hand, and what a program may have done to it
since."""

from __future__ import annotations

import random
import struct

import pytest

from gdbheap.machine.machines import machine_of_size
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.images.auxv import AT_EXECFN, AT_RANDOM
from gdbheap.process.images.initial_stack import initial_stack
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

START, END = 0x7FF80000, 0x80000000
HEAP = 0x5000_0000


class Stack:
    """The image, with the places that were made; `pointers` are argv and envp, each with its NULL."""

    def __init__(self, pointer_size: int, arguments: list[bytes], environment: list[bytes]) -> None:
        self.pointer_size = pointer_size
        self.data = bytearray(END - START)
        at = END - pointer_size
        places = []
        for text in reversed([*arguments, *environment, b"/bin/x"]):
            at -= len(text) + 1
            self.put(at, text)
            places.insert(0, at)
        count = len(arguments)
        self.name = places[-1]
        self.auxv = {6: 4096, AT_RANDOM: at - 0x123, AT_EXECFN: self.name, 15: at - 0x110}
        self.pointers = [*places[:count], 0, *places[count:-1], 0]
        vector = [pointer_size for pair in self.auxv.items() for pointer_size in pair] + [0, 0]
        self.start = (self.auxv[AT_RANDOM] - (1 + len(self.pointers) + len(vector)) * pointer_size) & -16
        self.words = [count, *self.pointers, *vector]
        self.bounds = {
            "start_stack": self.start,
            "arg_start": places[0],
            "arg_end": places[count],
            "env_start": places[count],
            "env_end": self.name,
        }

    def put(self, address: int, data: bytes) -> None:
        self.data[address - START : address - START + len(data)] = data

    def told(self) -> dict[str, int]:
        words = [self.words[0], *self.pointers, *self.words[1 + len(self.pointers) :]]
        self.put(self.start, struct.pack(f"<{len(words)}{'Q' if self.pointer_size == 8 else 'I'}", *words))
        # What the program's own frames leave below.
        self.put(self.start - 64, bytes([7]) * 64)
        space = AddressSpace([VMA(START, END, "rw-p", path="[stack]")])
        process = Process(
            "core",
            machine_of_size(self.pointer_size),
            ImageMemory([(START, bytes(self.data))]),
            space,
            (),
            auxv=self.auxv,
        )
        return initial_stack(process)


ARGUMENTS, ENVIRONMENT = [b"./server", b"", b"--port=80"], [b"A=1", b"", b"HOME=/root"]


@pytest.fixture(params=[8, 4])
def stack(request):
    return Stack(request.param, ARGUMENTS, ENVIRONMENT)


@pytest.mark.parametrize("arguments", [[b"x"], ARGUMENTS, [b"a" * 300] * 900])
@pytest.mark.parametrize("environment", [[], ENVIRONMENT, [b"N=%d" % i for i in range(900)]])
def test_the_bounds_are_where_the_kernel_put_them(arguments, environment):
    for word in (8, 4):
        made = Stack(word, arguments, environment)
        assert made.told() == made.bounds


def test_a_variable_that_was_taken_out_does_not_move_the_bounds(stack):
    # unsetenv moves the pointers behind it up, their NULL too.
    stack.pointers[4:] = [*stack.pointers[5:], 0]
    assert stack.told() == stack.bounds


def test_a_variable_that_was_set_anew_lies_elsewhere(stack):
    stack.pointers[4] = HEAP
    assert stack.told() == stack.bounds


def test_arguments_in_another_order(stack):
    stack.pointers[1], stack.pointers[2] = stack.pointers[2], stack.pointers[1]
    assert stack.told() == stack.bounds


def test_a_title_written_over_the_texts_leaves_the_pointers(stack):
    size = stack.name - stack.bounds["arg_start"]
    stack.put(stack.bounds["arg_start"], b"server: waiting".ljust(size, b"\0"))
    assert stack.told() == stack.bounds


def test_a_title_over_the_texts_of_an_environment_that_was_moved(stack):
    size = stack.name - stack.bounds["arg_start"]
    stack.put(stack.bounds["arg_start"], b"server: waiting".ljust(size, b"\0"))
    stack.pointers[4:7] = [HEAP, HEAP + 8, HEAP + 16]
    assert stack.told() == {name: stack.bounds[name] for name in ("start_stack", "arg_start", "env_end")}


def test_arguments_that_were_all_replaced_are_not_guessed(stack):
    stack.pointers[:3] = [HEAP, HEAP + 8, HEAP + 16]
    assert stack.told() == {name: stack.bounds[name] for name in ("start_stack", "env_end")}


def test_anything_in_the_stack_is_read_to_an_end(stack):
    choose = random.Random(20261121)
    for _ in range(300):
        place = choose.randrange(stack.start - 64, END - 8)
        stack.put(place, bytes(choose.choices(range(256), k=choose.choice((1, 8, 64)))))
        stack.told()


def test_without_an_auxiliary_vector_or_a_stack_nothing_is_told(stack):
    stack.auxv = {}
    assert stack.told() == {}
