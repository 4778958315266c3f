"""Samples held against a heap: what is alive, and what of the growth is whose."""

from __future__ import annotations

from dataclasses import replace

import numpy

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.recordings.stack_groups import sizes_in_use, stack_groups, unexplained_growth, wanted_sizes
from gdbheap.process.recording import Caller, Sample, Sampling

ALL = Sampling((), 10, 0.1)


class Sizes:
    """A heap whose blocks have these sizes."""

    def __init__(self, sizes):
        self.sizes = numpy.array(sizes, numpy.uint64)

    def blocks(self):
        return Blocks(self.sizes, self.sizes, self.sizes, self.sizes)


class OneSize:
    """A heap whose blocks in use are these, of one size: 0x40 bytes, for requests up to 0x38."""

    def __init__(self, mems):
        self.mems = frozenset(mems)

    def blocks(self):
        size = numpy.full(len(self.mems), 0x40)
        return Blocks(size, size, size, size)

    def size_of(self, request):
        return -(-(request + 8) // 0x10) * 0x10

    def requests_of(self, size):
        return range(size - 0x17, size - 7)

    def largest_size_of(self, request):
        return self.size_of(request) + 0x10

    def may_be_made_for(self, mem, request):
        return mem in self.mems and self.size_of(request) == 0x40


def sample(name, mem, place="", **more):
    return Sample(mem, 0x38, "malloc", 1, (Caller(name, "program", 0, place),), **more)


def grouped(samples, mems, before=None):
    view = OneSize(mems)
    groups = stack_groups(samples, view, view, before or {})
    return {group.stack[0].function: group for group in groups}, unexplained_growth(groups, view, before or {}, ALL)


def test_sizes_of_all_magnitudes_are_counted():
    huge = 1 << 46
    assert sizes_in_use(Sizes([0x20, huge, 0x20, 0x40, 1 << 20, huge])) == {0x20: 2, 0x40: 1, 1 << 20: 1, huge: 2}
    assert sizes_in_use(Sizes([])) == {}


def test_growth_is_of_those_whose_blocks_stay():
    kept = [0x1000 * place for place in range(1, 101)]
    groups, unexplained = grouped([sample("keeps", mem) for mem in kept[:4]], kept)
    assert (groups["keeps"].alive, groups["keeps"].grown, groups["keeps"].grown_bytes) == (4, 100, 100 * 0x40)
    assert not unexplained


def test_the_example_is_not_the_one_that_was_made_as_the_process_was_stopped():
    kept = [0x1000 * place for place in range(1, 5)]
    groups, _ = grouped([sample("keeps", mem) for mem in kept], kept)
    assert groups["keeps"].example in kept[:-1]


def test_a_block_that_was_seen_freed_is_not_the_one_that_is_there_now():
    kept = [0x1000 * place for place in range(1, 101)]
    groups, _ = grouped([sample("keeps", kept[0]), sample("throws", kept[1], was_freed=True)], kept)
    assert (groups["throws"].alive, groups["throws"].grown) == (0, 0)
    assert (groups["keeps"].alive, groups["keeps"].grown) == (1, 100)


def test_one_of_many_that_looks_alive_explains_no_growth():
    kept = [0x1000 * place for place in range(1, 101)]
    thrown = [sample("throws", 0x7000_0000 + 0x40 * place, was_freed=True) for place in range(6)]
    groups, unexplained = grouped([*thrown, sample("throws", kept[0])], kept)
    assert (groups["throws"].alive, groups["throws"].grown) == (1, None)
    assert unexplained == {0x40: 100}


def test_what_was_there_before_is_no_growth():
    kept = [0x1000 * place for place in range(1, 101)]
    groups, unexplained = grouped([sample("keeps", kept[0])], kept, {0x40: 90})
    assert groups["keeps"].grown == 10
    assert not unexplained


def test_two_lines_of_one_function_are_told_apart():
    kept = [0x1000 * place for place in range(1, 101)]
    thrown = [sample("request", 0x7000_0000 + 0x40 * place, "a.cc:14", was_freed=True) for place in range(90)]
    view = OneSize(kept)
    groups = stack_groups([*thrown, *(sample("request", mem, "a.cc:15") for mem in kept[:2])], view, view, {})
    assert [(group.stack[0].place, group.alive, group.grown) for group in groups] == [
        ("a.cc:15", 2, 100),
        ("a.cc:14", 0, 0),
    ]


def test_what_no_sample_explains_is_looked_for_alone():
    kept = [0x1000 * place for place in range(1, 101)]
    thrown = [sample("throws", 0x7000_0000 + 0x40 * place, was_freed=True) for place in range(90)]
    wants = wanted_sizes(thrown, OneSize(kept), {}, ALL)
    assert [size for size in range(200) if wants(size)] == list(range(41, 57))  # what a chunk of 0x40 serves
    assert wanted_sizes([*thrown, sample("keeps", kept[0])], OneSize(kept), {}, ALL) is None
    assert wanted_sizes(thrown, OneSize(kept), {0x40: 90}, ALL) is None  # too few
    assert wanted_sizes(thrown, OneSize(kept), {}, Sampling((), 10, 0.1, least=57)) is None
    assert wanted_sizes(thrown, OneSize(kept), {}, Sampling((), 10, 0.1, least=56)) is not None


def test_what_is_freed_after_longer_than_most_is_not_called_alive():
    """redis: a node of a list lives for as long as twenty requests take, and a key takes its place for good."""
    samples, mems, end = [], [], 150
    for place in range(75):
        mems += [0x100000 + 0x1000 * place]
        # The node that is made now is freed soon, and its block is the key's of 50 requests later.
        samples += [sample("node", 0x100000 + 0x1000 * (place + 50)), sample("key", mems[-1])]
    later = [0x100000 + 0x1000 * place for place in range(75, 200)]
    samples = [replace(each, followed=end - place) for place, each in enumerate(samples)]
    groups, _ = grouped(samples, mems + later)
    assert groups["node"].alive == 0 < groups["node"].judged
    assert groups["key"].alive == groups["key"].judged > 60
    assert (groups["node"].grown, groups["key"].grown) == (0, 200)


def test_growth_is_shared_by_the_calls_of_each_stack_not_by_how_many_could_be_judged():
    """Every second block of one stack is freed, and is its next one's but fourteen."""
    samples, kept = [], []
    for place in range(90):
        kept += [0x1000000 + 0x1000 * place, 0x2000000 + 0x1000 * (place % 30 if place % 2 else place)]
        samples += [sample("keeps", kept[-2]), sample("halves", kept[-1])]
    samples = [replace(each, followed=len(samples) - place) for place, each in enumerate(samples)]
    groups, _ = grouped(samples, set(kept))
    assert (groups["halves"].alive, groups["halves"].judged) == (30, 60)
    assert (groups["keeps"].grown, groups["halves"].grown) == (100, 50)


def test_a_block_whose_words_are_all_new_is_not_counted_beside_one_that_is_the_same():
    kept = [0x1000 * place for place in range(1, 101)]
    samples = [sample("throws", mem, is_rewritten=True) for mem in kept[:9]]
    groups, unexplained = grouped([*samples, *(sample("keeps", mem) for mem in kept[9:12])], kept)
    assert (groups["throws"].judged, groups["throws"].alive, groups["throws"].doubtful) == (0, 0, 9)
    assert (groups["throws"].grown, groups["keeps"].grown) == (None, 100)
    assert not unexplained


def test_buffers_that_are_rewritten_explain_the_growth_that_nothing_else_explains():
    kept = [0x1000 * place for place in range(1, 101)]
    groups, unexplained = grouped([sample("buffers", mem, is_rewritten=True) for mem in kept[:9]], kept)
    assert (groups["buffers"].alive, groups["buffers"].grown, groups["buffers"].doubtful) == (9, 100, 0)
    assert not unexplained


def test_a_block_with_what_was_too_little_to_split_off_is_not_unexplained():
    heap = OneSize(0x1000 * place for place in range(1, 101))
    groups, _ = grouped([sample("keeps", 0x1000)], heap.mems)

    def unexplained(size):
        return unexplained_growth([replace(groups["keeps"], alive_sizes=frozenset([size]))], heap, {}, ALL)

    assert (unexplained(0x40), unexplained(0x30), unexplained(0x20)) == ({}, {}, {0x40: 100})
