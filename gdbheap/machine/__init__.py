"""What differs by machine: registers by role, sizes, address bits, traps, the kernel's signal frame."""
