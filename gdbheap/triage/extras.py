"""What triage can use and does not need: packages of the optional extra gdbheap[fleet]."""

from __future__ import annotations

import importlib
from typing import Any

from gdbheap.errors import HeapError

_FOR = {
    "fsspec": "a core that is a URL",
    "dask": "--scheduler",
    "distributed": "--scheduler",
    "pyarrow": "--parquet",
    "pyarrow.parquet": "--parquet",
}


def extra(name: str) -> Any:
    """Return the package; HeapError, with what installs it, where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        packages = "dask distributed" if name == "distributed" else name
        raise HeapError(f"{_FOR[name]} needs {name}, which is not installed: pip install {packages}") from None
