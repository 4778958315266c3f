"""Allocators that programs bring along on top of malloc, or beside it: what they hold is one large block, or none,
to malloc. Known by the files and the symbols of a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdbheap.lazy import regex
from gdbheap.process.process import Process

# Name, what its file is called, and a function that a program which has it linked in exports.
_KNOWN = (
    ("GSlice", regex(r"libglib-2\.0\.so"), "g_slice_alloc"),
    ("pymalloc", regex(r"libpython3"), "PyObject_Malloc"),
    ("zend", regex(r"libphp|mod_php"), "_emalloc"),
    ("APR pools", regex(r"libapr-1\.so"), "apr_pool_create_ex"),
    ("JVM", regex(r"libjvm\.so"), "JNI_CreateJavaVM"),
)
# Of these releases on GLib's slices are malloc's blocks.
_NO_SLICES = 76
# Set in the environment, this leaves all to malloc already.
_SWITCHED_OFF: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "GSlice": ("G_SLICE", lambda value: "always-malloc" in value),
    "pymalloc": ("PYTHONMALLOC", lambda value: value.startswith("malloc")),
    "zend": ("USE_ZEND_ALLOC", lambda value: value == "0"),
}


def embedded_allocators(
    process: Process,
    is_defined: Callable[[str], bool],
    value_of: Callable[[str], int | None],
    environment: Mapping[str, str],
) -> list[str]:
    """Return the names of those found and not switched off by the `environment` that the process was started with;
    `is_defined(symbol)` says whether a module defines it, `value_of(symbol)` what an int of that name holds."""
    files = [module.path.rpartition("/")[2] for module in process.modules]
    found = []
    for name, pattern, symbol in _KNOWN:
        variable, is_off = _SWITCHED_OFF.get(name, ("", bool))
        if is_off(environment.get(variable, "")):
            continue
        if any(pattern.match(file) for file in files) or is_defined(symbol):
            found.append(name)
    if "GSlice" in found and (value_of("glib_minor_version") or 0) >= _NO_SLICES:
        found.remove("GSlice")
    return found
