"""Who may have written what is broken, and how to catch it next time."""
