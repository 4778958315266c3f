"""Which code made the blocks that are there: calls that were sampled, held against the heap at the end."""
