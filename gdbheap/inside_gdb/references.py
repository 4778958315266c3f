"""C++'s references, as gdb's types have them."""

from __future__ import annotations

import gdb

REFERENCES = (gdb.TYPE_CODE_REF, getattr(gdb, "TYPE_CODE_RVALUE_REF", gdb.TYPE_CODE_REF))
