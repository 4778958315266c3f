"""A heap kept for later: what two snapshots differ by, and the file that holds one."""
