"""What tests share: made processes, programs to build, gdb runs, oracles."""
