"""Finding: a broken invariant with all that `heap check` knows of it."""

from __future__ import annotations

from gdbheap.analysis.facts.aborts import FieldIsWrong, FoundBroken
from gdbheap.analysis.invariants.followed import Followed
from gdbheap.analysis.invariants.listed_wrongly import Listed
from gdbheap.glibc.invariant import Invariant
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault, Message


@dataclass(frozen=True)
class Must(Fact):
    """What a field must hold: `rule`, or the one word `value` (a number: in decimals), with `more` behind it; `example`
    where it is one of several. None of them: it is not known."""

    kind = "must"
    rule: Fact | None = None
    value: int | None = None
    example: int | None = None
    is_number: bool = False
    more: Fact | None = None


def exactly(value: int, more: Fact | None = None) -> Must:
    """Return that it must be this word; `more` is said behind it."""
    return Must(value=value, more=more)


def number(value: int, more: Fact | None = None) -> Must:
    """Return that it must be this number; `more` is said behind it."""
    return Must(value=value, is_number=True, more=more)


@dataclass(frozen=True)
class WrongField:
    """A field by its name, at `where`, which holds `held` (None: not one word)."""

    name: str
    where: int
    held: int | None


@dataclass(frozen=True)
class Violation:
    """Which invariant is broken, and how that shows.

    `message` is what it is called. `must` is what the field must hold, `why`
    how that is known. `call` tells which call trips over it, and how. `suspects` are chunks whose size field may be
    the wrong one instead.
    """

    invariant: Invariant
    message: Message
    must: Must
    call: Fact | None = None
    why: Fact | None = None
    suspects: tuple[int, ...] = ()

    def says(self, text: str) -> bool:
        """Whether malloc may die of it with this text."""
        return text in self.message.texts

    def at(self, address: int, field: WrongField, arena: int | None = None, thread: int | None = None) -> Finding:
        """Return the Finding of this violation in a field of the chunk (or arena, ...) at the address."""
        return Finding(
            self.invariant,
            self.message,
            self.must,
            self.call,
            self.why,
            self.suspects,
            address,
            field.name,
            field.where,
            field.held,
            arena,
            thread,
        )


@dataclass(frozen=True)
class Finding(Violation):
    """A violation in its place.

    `address` is the chunk (or arena, tcache, heap_info) concerned. `field` is the wrong field's name ("": it is not to
    be seen any more, and `why` says all), `where` its address, `held` what it holds (None: not one word). `arena` is
    the index of the arena it belongs to, `thread` the lwp whose tcache it is in (None: neither). `transient` where a
    call that is under way may have caused it. `listed` is how a list came to a block that it must not hold, where
    free itself wrote the link to it. `followed` is the field that was overwritten, where malloc has followed it since.
    """

    address: int = 0
    field: str = ""
    where: int = 0
    held: int | None = None
    arena: int | None = None
    thread: int | None = None
    transient: bool = False
    listed: Listed | None = None
    followed: Followed | None = None

    @property
    def detail(self) -> FieldIsWrong:
        """What the field holds, what it must hold, and why."""
        return FieldIsWrong(self.field, self.where, self.held, self.must, self.why)

    @property
    def fault(self) -> Fault:
        """The finding as a broken invariant among others."""
        return Fault(self.address, self.message, self.detail, self.invariant, self.why)

    @property
    def fact(self) -> FoundBroken:
        """The finding as a fact."""
        return FoundBroken(self.invariant, self.message, self.address, self.detail)
