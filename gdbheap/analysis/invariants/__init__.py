"""Every invariant of the allocator held against a heap."""
