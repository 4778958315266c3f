"""A process of this machine, as /proc shows it: maps, pages, memory, limits."""
