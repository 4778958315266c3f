"""`source` this file in gdb: it loads gdbheap. It never touches the network and changes none of gdb's settings."""


def _load():
    import os
    import sys

    # Not __file__: while a script of Python's runs `source`, gdb leaves it at that script's own.
    here = os.path.dirname(os.path.realpath(sys._getframe().f_code.co_filename))
    installed = os.path.isdir(os.path.join(here, "inside_gdb"))  # inside the package, where pip puts this file
    root = os.path.dirname(here) if installed else here
    sys.path.insert(0, root)
    try:
        from gdbheap import packages
        from gdbheap.inside_gdb import plugin
    finally:
        sys.path.remove(root)
    packages.use()
    plugin.register_all()


_load()
del _load
