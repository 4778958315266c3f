"""The commands' bare names (`heap`, `vmmap`) beside other plugins: which are gdbheap's, and when they are listed.

pwndbg ends gdb where a name that it wants is in `help all` as it is loaded; GEF takes any name without a word. So
that gdbheap may be loaded before either, its bare names work at once but are not listed until gdb's first prompt
(gdb lists no command that is deprecated), and at each prompt it is looked at whose they are.
"""

from __future__ import annotations

import gdb

from gdbheap.inside_gdb.text import output_of, write
from gdbheap.interface.prefix import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gdbheap.interface.spelling import Spelling


class BareNames:
    """All first words of commands."""

    def __init__(self) -> None:
        self._summaries: dict[str, str] = {}
        self._left: set[str] = set()
        self._are_listed = False
        self.are_being_hidden = False

    def leave(self, name: str) -> None:
        """Note a name that another has already."""
        self._left.add(name)

    def take(self, name: str, summary: str) -> None:
        """Note a name that is gdbheap's now; its help begins with the summary."""
        self._summaries[name] = summary

    def hide(self) -> None:
        """Have gdb not list the names until its first prompt."""
        self.are_being_hidden = True
        try:
            for name in self._summaries:
                gdb.execute(f"maintenance deprecate {name}", to_string=True)
                gdb.execute(name, to_string=True)  # gdb warns of a deprecated command once: not to the user
        finally:
            self.are_being_hidden = False
        # gdb calls it without the argument that its types claim.
        gdb.events.before_prompt.connect(lambda *_: self._at_prompt())

    def spelling(self) -> Spelling:
        """Return how commands must be spelled now."""
        from gdbheap.interface.spelling import Spelling  # kept out of gdb's start

        return Spelling(frozenset(self._left | {name for name in self._summaries if not self._is_ours(name)}))

    def _at_prompt(self, _event: None = None) -> None:
        lost = sorted(name for name in self._summaries if not self._is_ours(name))
        for name in lost:
            del self._summaries[name]
            self._left.add(name)
        if not self._are_listed:
            self._are_listed = True
            for name in self._summaries:
                gdb.execute(f"maintenance undeprecate {name}", to_string=True)
        if lost:
            instead = ", ".join(f"{PREFIX} {name}" for name in lost)
            write(f"gdbheap: another plugin has since taken {', '.join(lost)}; type {instead}\n")

    def _is_ours(self, name: str) -> bool:
        try:
            return output_of(f"help {name}").startswith(self._summaries[name])
        except gdb.error:
            return False


NAMES = BareNames()
