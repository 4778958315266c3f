"""The costly loops, compiled where there was a compiler; numpy does the same without."""
