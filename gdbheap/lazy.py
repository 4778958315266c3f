"""numpy, loaded at its first use: importing it costs more than all the rest of gdbheap at gdb's start.

Every module that needs numpy writes `from gdbheap.lazy import np`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["np"]


class _LazyModule:
    """A module's attributes, each fetched (and the module imported) when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


if TYPE_CHECKING:
    import numpy as np
else:
    np = _LazyModule("numpy")
