"""Every invariant of the allocator held against a heap; who broke it; what an abort inside malloc was about."""
