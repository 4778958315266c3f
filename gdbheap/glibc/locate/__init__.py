"""Finding malloc without debug symbols' help where it must be: libc, main_arena, mp_, tcaches, and the layout of
them all."""
