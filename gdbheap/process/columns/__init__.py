"""Many words of memory at once, as numpy columns."""
