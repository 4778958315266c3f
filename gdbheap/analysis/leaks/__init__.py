"""What is lost: the verdict on each block, the heuristics and doubts behind it, and the groups that are shown."""
