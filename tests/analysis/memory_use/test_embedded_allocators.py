"""Allocators that serve small objects out of malloc's larger blocks, by a process's files, symbols and environment."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gdbheap.analysis.memory_use.embedded_allocators import embedded_allocators

GLIB = "/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0.7400.6"
CASES = {
    "GLib with slices": ([GLIB], (), {"glib_minor_version": 74}, {}, ["GSlice"]),
    "its last release with them": ([GLIB], (), {"glib_minor_version": 75}, {}, ["GSlice"]),
    "its first release without": ([GLIB], (), {"glib_minor_version": 76}, {}, []),
    "a release that is not known": ([GLIB], (), {}, {}, ["GSlice"]),
    "linked in": (["/opt/program"], ("g_slice_alloc",), {"glib_minor_version": 70}, {}, ["GSlice"]),
    "switched off": ([GLIB], (), {"glib_minor_version": 74}, {"G_SLICE": "always-malloc"}, []),
    "switched off, and told more": ([GLIB], (), {}, {"G_SLICE": "debug-blocks,always-malloc"}, []),
    "told something else": ([GLIB], (), {}, {"G_SLICE": "debug-blocks"}, ["GSlice"]),
    "another library of GLib's": (["/usr/lib/libgobject-2.0.so.0"], (), {}, {}, []),
    "beside Python's": ([GLIB, "/usr/lib/libpython3.11.so.1.0"], (), {}, {}, ["GSlice", "pymalloc"]),
    "beside Python's, which is off": ([GLIB, "/usr/lib/libpython3.so"], (), {}, {"PYTHONMALLOC": "malloc"}, ["GSlice"]),
}


@pytest.mark.parametrize("case", CASES)
def test_slices_are_told_where_glib_has_them(case):
    files, symbols, values, environment, expected = CASES[case]
    process = SimpleNamespace(modules=[SimpleNamespace(path=path) for path in files])
    assert embedded_allocators(process, lambda name: name in symbols, values.get, environment) == expected
