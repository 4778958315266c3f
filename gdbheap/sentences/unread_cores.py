"""Why a core does not show what it should."""

from __future__ import annotations

from gdbheap.errors import LibcNotShown
from gdbheap.process.process import Process
from gdbheap.sentences.facts.said import said_all


def with_remarks(error: LibcNotShown, process: Process) -> LibcNotShown:
    """Return the error with what is known of the core, as its reason."""
    reasons = said_all(process.notes) or ("it is from before libc was loaded, or what tells has been left out",)
    return LibcNotShown(f"{error}: {'; '.join(reasons)}")
