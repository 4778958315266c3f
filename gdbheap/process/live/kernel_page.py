"""How large the pages are that this machine's kernel counts in: all its processes have the same."""

from __future__ import annotations

import os

KERNEL_PAGE = os.sysconf("SC_PAGE_SIZE")
