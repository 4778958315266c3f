"""What an address's number alone tells: near NULL."""

from __future__ import annotations

# vm.mmap_min_addr, as distributions set it: nothing is mapped below.
NULL_ZONE = 0x10000
