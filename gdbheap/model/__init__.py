"""The pure model of the allocator and of the address space: the tests' oracle. It imports nothing of the readers."""
