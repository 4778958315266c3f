"""`source` this file in gdb: it loads gdbheap. It never touches the network and changes none of gdb's settings."""


def _load():
    import os
    import sys

    here = os.path.dirname(os.path.realpath(__file__))
    installed = os.path.exists(os.path.join(here, "gdb_plugin.py"))  # inside the package, where pip puts this file
    root = os.path.dirname(here) if installed else here
    sys.path.insert(0, root)
    try:
        from gdbheap import gdb_plugin, packages
    finally:
        sys.path.remove(root)
    own = packages.directory_name()
    if own not in sys.path:
        sys.path.append(own)
    gdb_plugin.register_all()


_load()
del _load
