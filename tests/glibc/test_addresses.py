"""Addresses read like a tuple of ints."""

from __future__ import annotations

import numpy as np

from gdbheap.glibc.addresses import Addresses

NUMBERS = (0x10, 0xFFFF_FFFF_FFFF_FFF0, 0x30)


def test_addresses_read_like_a_tuple_of_ints():
    addresses = Addresses(np.array(NUMBERS, np.uint64))
    assert addresses == NUMBERS == addresses and addresses == list(NUMBERS) == list(Addresses(NUMBERS))
    assert addresses != NUMBERS[:2] and addresses != (0x10, 0x20, 0x30) and addresses != "abc"
    assert (len(addresses), addresses[1], addresses[-1]) == (3, NUMBERS[1], 0x30)
    assert type(addresses[0]) is int and type(next(iter(addresses))) is int
    assert addresses[::-1] == NUMBERS[::-1] and addresses[1:] == NUMBERS[1:]
    assert 0x30 in addresses and 0x20 not in addresses and -1 not in addresses and 1 << 64 not in addresses
    assert not Addresses(()) and np.array(addresses, np.int64)[1] == -16
    assert np.asarray(addresses) is addresses.array and np.array(addresses) is not addresses.array
