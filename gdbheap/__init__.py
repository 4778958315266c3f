"""gdbheap: a heap debugger for C and C++ on Linux, inside gdb."""

__version__ = "0.1.0"
