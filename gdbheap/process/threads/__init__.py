"""Where threads and their stacks are."""
