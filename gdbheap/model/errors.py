"""How a call can end other than by returning: what the modelled process would die of, and what a trace's text gets
wrong."""

from __future__ import annotations


class ModelError(Exception):
    """The base of all that stops the model."""


class Abort(ModelError):
    """malloc found its heap broken and aborts: `message` in its own words. For an assertion (`assertion` true) the
    message is the asserted expression."""

    def __init__(self, message: str, assertion: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.assertion = assertion


class Segv(ModelError):
    """malloc reads or writes at `address`, where nothing (accessible) is mapped: the process dies of SIGSEGV."""

    def __init__(self, address: int) -> None:
        super().__init__(f"SIGSEGV at {address:#x}")
        self.address = address


class Endless(ModelError):
    """A walk along a list of the heap does not end: the process would hang."""


class Unknown(ModelError):
    """What happens next cannot be told: it rests on something that is not known, or is not malloc's to say (a length
    that wraps, given to memset). The text says on what."""


def known(value: int | None, what: str) -> int:
    """Return `value`; raise Unknown in the name of `what` where it is None."""
    if value is None:
        raise Unknown(f"{what} is not known")
    return value


class TraceError(ModelError):
    """A trace says what cannot be: `text` is line `number` (from 1), `position` the column (from 0) of what is wrong
    in it. As text it shows the line with a caret under the place."""

    def __init__(self, reason: str, number: int, text: str, position: int) -> None:
        super().__init__(f"line {number}: {reason}\n  {text}\n  {' ' * position}^")
        self.reason = reason
        self.number = number
        self.text = text
        self.position = position
