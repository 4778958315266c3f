"""Many cores at once: each is read in a bounded process of its own and becomes a row; rows of one cause are a group."""
