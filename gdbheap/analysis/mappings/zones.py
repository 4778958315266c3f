"""What an address's number alone tells: near NULL, not canonical, the kernel's half (x86-64 with four-level page tables, 48 bits)."""

from __future__ import annotations

# vm.mmap_min_addr, as distributions set it: nothing is mapped below.
NULL_ZONE = 0x10000
# The page of old system calls, at the same place in every process.
VSYSCALL = 0xFFFFFFFFFF600000
_USER_END = 1 << 47
_KERNEL_START = (1 << 64) - (1 << 47)


def is_canonical(address: int, pointer_size: int) -> bool:
    """Whether the address can exist at all."""
    return pointer_size == 4 or address < _USER_END or address >= _KERNEL_START


def is_kernels(address: int, pointer_size: int) -> bool:
    """Whether the address is in the kernel's half. A 32-bit process on a 64-bit kernel has nearly all 4 GiB to itself."""
    return pointer_size == 8 and address >= _KERNEL_START
