"""x86-64 and i386: what an instruction does to memory, a call's argument, the kernel's signal frame."""
