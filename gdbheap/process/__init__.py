"""A stopped process, as values."""
