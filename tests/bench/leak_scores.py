"""Recall and precision of `heap leaks` for each kind of pointer, beside Valgrind's and LeakSanitizer's on the same
program (leaks_made.c).

python3 tests/bench/leak_scores.py [COUNT...]      (10000, 100000 and 1000000 blocks)
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.leak_oracles import gdbheap_doubts, lsan_kinds, valgrind_kinds  # noqa: E402
from support.made_leaks import CALLED_LOST, KINDS, LOST, Score, score  # noqa: E402

PATIENCE = 1800.0
WITH_DOUBTS = (*CALLED_LOST, "doubtful")


def main() -> None:
    for count in map(int, sys.argv[1:] or ("10000", "100000", "1000000")):
        flags = () if count == 10_000 else (f"-DCOUNT={count}",)
        scores = {
            "gdbheap": score(*gdbheap_doubts("leaks_made", *flags, patience=PATIENCE)),
            "Valgrind": score(*valgrind_kinds("leaks_made", *flags, patience=PATIENCE)),
            "LSan": score(*lsan_kinds("leaks_made", *flags, patience=PATIENCE), default="reachable"),
        }
        print_table(count, scores)


def print_table(count: int, scores: dict[str, Score]) -> None:
    """Print, for each kind of block, how many each tool calls lost (definitely or indirectly), and what that makes."""
    print(f"\n{count:,} blocks: called definitely or indirectly lost (possibly lost; doubtful)")
    print(f"{'kind':14}{'blocks':>9}" + "".join(f"{name:>26}" for name in scores))
    for kind in KINDS:
        blocks = sum(next(iter(scores.values())).verdicts.get(kind, {}).values())
        cells = [cell(each, kind) for each in scores.values()]
        print(f"{kind:14}{blocks:9,}" + "".join(f"{text:>26}" for text in cells) + ("  lost" if kind in LOST else ""))
    for name, called in (("precision", CALLED_LOST), ("with doubts", WITH_DOUBTS)):
        print(f"{name:23}" + "".join(f"{each.precision(called):26.4f}" for each in scores.values()))
    for name, called in (("recall", CALLED_LOST), ("with doubts", WITH_DOUBTS)):
        print(f"{name:23}" + "".join(f"{each.recall(*LOST, called=called):26.4f}" for each in scores.values()))


def cell(tool: Score, kind: str) -> str:
    """Return "12,345 (3; 7)" of a tool's verdicts."""
    possibly, doubtful = tool.lost({kind}, ("possibly",)), tool.lost({kind}, ("doubtful",))
    return f"{tool.lost({kind}):,} ({possibly:,}; {doubtful:,})"


if __name__ == "__main__":
    main()
