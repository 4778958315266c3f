"""The word before every command of gdbheap's, which it has whatever other plugins are loaded."""

PREFIX = "gdbheap"
