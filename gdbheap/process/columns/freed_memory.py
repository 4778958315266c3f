"""What becomes of the memory that numpy frees, in this very process: columns of millions of numbers come and go, and
each is given back to the kernel at once, which then clears the pages of the next. That takes longer than all that is
done with them. So as long as a large heap is worked on, malloc keeps what is freed; then it gives it back.
"""

from __future__ import annotations

# Columns of fewer numbers are not given back at once.
_MANY = 1 << 17
# malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# What glibc's own thresholds grow to once a program has freed a column of so many bytes.
_LARGEST = 32 << 20
_MOST_MAPPINGS = 65536

# Whether what is freed is kept.
_kept: list[bool] = []


def keep_freed(count: int) -> None:
    """Have malloc keep what is freed, if columns of so many numbers are to be worked on."""
    if count >= _MANY and not _kept and _set((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        _kept.append(True)


def give_back() -> None:
    """Have malloc give back what it kept, and do as ever from now on."""
    if not _kept:
        return
    _kept.clear()
    _set((_TRIM_THRESHOLD, 2 * _LARGEST), (_MMAP_THRESHOLD, _LARGEST), (_MMAP_MAX, _MOST_MAPPINGS))
    import ctypes

    ctypes.CDLL(None).malloc_trim(0)


def _set(*values: tuple[int, int]) -> bool:
    """Tell glibc's malloc; return whether there is one."""
    try:
        import ctypes  # slow to import, and a small Python may have none

        library = ctypes.CDLL(None)
        mallopt, _ = library.mallopt, library.malloc_trim
    except (ImportError, OSError, AttributeError):
        return False
    return all(mallopt(*each) for each in values)
