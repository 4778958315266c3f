"""What Tab offers after a command's name."""

from __future__ import annotations

import re

from gdbheap.interface.arguments import all_arguments, split_words
from gdbheap.interface.command import Argument, Command

# Answers that gdb completes itself; a type is one of its symbols.
EXPRESSION = "expression"
PATH = "path"
SYMBOL = "symbol"


def current_word(text: str) -> str:
    """Return the word under the cursor, which stands at the end of `text`: "" after a blank."""
    words = split_words(text)
    return words[-1].text if words and words[-1].end == len(text) else ""


def complete(command: Command, text: str) -> list[str] | str:
    """Return the candidates for the word under the cursor (whole words), or EXPRESSION, PATH or SYMBOL."""
    current = current_word(text)
    before = [word.text for word in split_words(text[: len(text) - len(current)])]
    arguments = all_arguments(command)
    calls = next((each for each in arguments if each.kind == "calls"), None)
    if calls is not None and not current.startswith("-"):
        return _calls(calls, text, current)
    options = {each.name: each for each in arguments if each.name.startswith("--")}
    name, equals, value = current.partition("=")
    if equals and name in options:
        found = _values(options[name], value)
        return found if isinstance(found, str) else [f"{name}={each}" for each in found]
    if before and before[-1] in options and options[before[-1]].kind != "flag":
        return _values(options[before[-1]], current)
    if current.startswith("-"):
        used = {word.partition("=")[0] for word in before}
        typed = list(options) if current.startswith("--") or current == "-" else [each[1:] for each in options]
        return [each for each in typed if each.startswith(current) and not {each, f"-{each}"} & used]
    return _positional(command, before, options, current)


def _positional(command: Command, before: list[str], options: dict[str, Argument], current: str) -> list[str] | str:
    places = [each for each in command.arguments if not each.name.startswith("--")]
    filled = 0
    skip = False
    for word in before:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in options:
            skip = options[name].kind != "flag" and not equals
        else:
            filled += 1
    if not places:
        return [] if current else list(options)
    return _values(places[min(filled, len(places) - 1)], current)


def _calls(argument: Argument, text: str, current: str) -> list[str] | str:
    """Where a call begins its functions are wanted, behind that an expression."""
    match = re.search(r"(?:^|;|(?:^|\s)['\"])\s*(\w*)$", re.sub(r"--\w+\s*", "", text))
    if match is None:
        return EXPRESSION
    begun = current[: len(current) - len(match[1])]
    return [begun + each for each in argument.choices if each.startswith(match[1])]


def _values(argument: Argument, value: str) -> list[str] | str:
    if argument.kind == "choice":
        done, comma, last = value.rpartition(",")
        return [f"{done}{comma}{each}" for each in argument.choices if each.startswith(last)]
    if argument.kind == "path" or (argument.kind == "snapshot" and "/" in value):
        return PATH
    if argument.kind == "type":
        return SYMBOL
    if argument.kind == "snapshot":
        from gdbheap.session.snapshot_store import named_snapshots  # brings the heap's readers: at gdb's first Tab

        return [each for each in named_snapshots() if each.startswith(value)]
    if argument.kind in ("expression", "object", "size"):
        return EXPRESSION
    # Text that may be a name or an expression: the names while one fits.
    return [each for each in argument.choices if each.startswith(value)] or (EXPRESSION if argument.choices else [])
