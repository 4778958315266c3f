"""A front end that needs no gdb: commands on a core, read from its file and those of its modules."""
