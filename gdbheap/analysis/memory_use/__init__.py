"""Where the memory of a process goes: by kind of mapping and part of the heap, and what could be given back."""
