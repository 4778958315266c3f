"""What a heap of glibc's is made of: its chunks by arena, state, size and place."""
