"""Outside gdb: start it with the plugin, set up what it needs, say what is missing. Standard library only."""
