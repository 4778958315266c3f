"""Where the memory of a process goes: by state of chunk and kind of mapping, and what could be given back."""
