"""What a ledger says the chunks must be, and what gdbheap's JSON says they are, in the same words, so that a test
can compare wholes."""

from __future__ import annotations

from typing import Any

from support.gdb_runs import Answers
from support.ledger import Ledger, predicted_free_lists

# address of the chunk -> (size, state)
Chunks = dict[int, tuple[int, str]]

NO_PROCESS = "there is no process: run a program, attach to one, or load a core"
_ASIDE = ("thread_number", "preview")


def shown(answer: dict[str, Any]) -> Chunks:
    """Return the rows of `heap chunks --json`."""
    return {int(row["address"], 16): (row["size"], row["state"]) for row in answer["rows"]}


def rows_of(answers: Answers) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every answer, those of `heap bins` by owner, without gdb's numbers of threads (those of a core
    are in another order) and without previews (which name what symbols there are)."""
    found = {
        command: [{name: cell for name, cell in row.items() if name not in _ASIDE} for row in answer["rows"]]
        for command, answer in answers.json.items()
    }
    for bins in (found[command] for command in found if command == "heap bins"):
        bins.sort(key=lambda row: (row["thread"] or 0, row["arena"] or "", row["index"]))
    return found


def live_chunks(ledger: Ledger, pointer_size: int) -> Chunks:
    """Return every block in use: the program's and those that the system took in its name."""
    return {p - 2 * pointer_size: (block.size, "in_use") for p, block in {**ledger.live, **ledger.system}.items()}


def story_of_many_sizes(ledger: Ledger, pointer_size: int) -> Chunks:
    """Return every chunk of fixtures/programs/many_sizes.c that is in use or in a list, as its ledger tells them."""
    lists = predicted_free_lists(ledger, pointer_size)
    chunks = live_chunks(ledger, pointer_size)
    for (_, size), pointers in lists.tcache.items():
        chunks.update({pointer - 2 * pointer_size: (size, "tcache") for pointer in pointers})
    for size, pointers in lists.fastbins.items():
        chunks.update({pointer - 2 * pointer_size: (size, "fastbin") for pointer in pointers})
    merged = [pointer for pointer, block in lists.rest.items() if block.part == "merged"]
    for pointer, block in lists.rest.items():
        size = block.size
        if block.part != "merged":
            chunks[pointer - 2 * pointer_size] = (size, _bin_kind(ledger, block.part, size, pointer_size))
    size = sum(lists.rest[pointer].size for pointer in merged)
    chunks[min(merged) - 2 * pointer_size] = (size, _bin_kind(ledger, "merged", size, pointer_size))
    return chunks


def _bin_kind(ledger: Ledger, part: str, size: int, pointer_size: int) -> str:
    small = size < (0x400 if pointer_size == 8 else 0x3F0)
    if part in ("unsorted", "fast") and not (small and ledger.glibc >= (2, 41)):
        return "unsorted"
    return "small" if small else "large"
