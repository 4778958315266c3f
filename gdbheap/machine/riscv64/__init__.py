"""riscv64 (64-bit RISC-V)."""
