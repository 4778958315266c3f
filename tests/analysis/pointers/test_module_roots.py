"""A module's data end where its segment does, whatever the program has made of their pages."""

from gdbheap.analysis.pointers.roots import DATA, MAPPING, find_roots
from gdbheap.process.address_space import VMA
from support.made_process import PROGRAM, VMAS, made_process


class NoHeap:
    def own_ranges(self):
        return ()

    def unread_ranges(self):
        return ()

    def piece_at(self, address):
        return None


def roots_of(vmas):
    return {each.start: (each.end, each.kind, each.name) for each in find_roots(made_process(vmas), NoHeap()).ranges}


def test_bss_behind_data_made_read_only_is_the_modules():
    # As mariadbd does: the last page of .data is closed to writes, .bss goes on behind it (to 0x407f00).
    at = next(index for index, vma in enumerate(VMAS) if vma.start == 0x404000)
    closed = (
        VMA(0x404000, 0x405000, "rw-p", 0x4000, "fe:00", 7, PROGRAM),
        VMA(0x405000, 0x406000, "r--p", 0x5000, "fe:00", 7, PROGRAM),
    )
    found = roots_of((*VMAS[:at], *closed, *VMAS[at + 1 :]))
    assert found[0x406000] == (0x408000, DATA, PROGRAM)


def test_memory_behind_a_read_only_mapping_of_no_module_is_no_data():
    other = (VMA(0x9000000, 0x9001000, "r--p", 0, "fe:00", 9, "/data/a file"), VMA(0x9001000, 0x9003000, "rw-p"))
    assert roots_of((*VMAS[:6], *other, *VMAS[6:]))[0x9001000] == (0x9003000, MAPPING, "")
