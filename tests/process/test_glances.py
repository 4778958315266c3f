"""Places in a process's memory, read at once: in this process's own."""

from __future__ import annotations

import ctypes
import os

from gdbheap.inside_gdb.glances import Glances


def test_a_glance_is_of_all_places_as_they_are_now():
    room = ctypes.create_string_buffer(b"one, two, three", 64)
    at = ctypes.addressof(room)
    glances = Glances(os.getpid(), [(at, 3), (at + 10, 5), (at + 5, 3)])
    assert bytes(glances.now()) == b"onethreetwo"
    room[0] = b"O"
    assert bytes(glances.now()) == b"Onethreetwo"


def test_where_one_place_is_not_mapped_there_is_no_glance():
    room = ctypes.create_string_buffer(8)
    assert not len(Glances(os.getpid(), [(ctypes.addressof(room), 8), (16, 8)]).now())
    assert not len(Glances(os.getpid(), []).now())
