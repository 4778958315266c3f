"""What a block is: its contents in words, classes by their type info."""
