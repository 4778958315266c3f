"""malloc keeps what numpy frees as long as a large heap is worked on, and then gives it back: in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import numpy as np
from gdbheap.process.columns.freed_memory import give_back, keep_freed

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

def after_columns():
    held = [np.ones(8 << 20) for _ in range(3)]  # 64 MiB each, and something behind them that stays
    last.append(np.ones(1 << 10))
    held.clear()
    return resident() - before

last, before = [], resident()
seen = [after_columns()]
keep_freed(1 << 10)
seen.append(after_columns())
for _ in range(2):
    keep_freed(1 << 20)
    seen.append(after_columns())
    give_back()
    give_back()
    seen.append(resident() - before)
print([each > 150 for each in seen])
"""


def test_freed_columns_are_kept_until_the_answer_is_given():
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[False, False, True, False, True, False]\n"
