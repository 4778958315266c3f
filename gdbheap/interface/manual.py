"""A command's help text, made from its Command: gdb's `help` and `apropos` read it, and so does the README."""

from __future__ import annotations

from textwrap import fill

from gdbheap.interface.arguments import all_arguments
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.spelling import AS_NAMED, Spelling

_WIDTH = 80
# How far in what an example shows stands.
_IN = " " * 6

_VALUE = {
    "expression": "a gdb expression",
    "object": "a gdb expression",
    "size": "bytes: a gdb expression, or a number with k, M or G",
    "range": "bytes: MIN-MAX, MIN-, -MAX or one size",
    "count": "a number",
}


def manual(command: Command, spelling: Spelling = AS_NAMED) -> str:
    """Return the text: summary, usage, description, arguments with units, examples; commands in it as `spelling` has
    them."""
    parts = [command.summary, f"Usage: {usage(command, spelling)}"]
    description = spelling.sentence(command.description)
    parts += [fill(paragraph, _WIDTH) for paragraph in description.split("\n") if paragraph]
    parts.append(_arguments(all_arguments(command)))
    if command.examples:
        shown = (
            (line, fill(shows, _WIDTH, initial_indent=_IN, subsequent_indent=_IN)) for line, shows in command.examples
        )
        examples = (f"  {spelling.line(line)}\n{shows}" for line, shows in shown)
        parts.append("Examples:\n" + "\n".join(examples))
    return "\n\n".join(parts)


def usage(command: Command, spelling: Spelling = AS_NAMED) -> str:
    """Return what shows all that may follow the name: one line, or more for a command of many words."""
    words = [spelling.line(command.name)]
    for each in all_arguments(command):
        # Blanks within one argument's brackets are no place to break the line.
        words.append((_spelled(each) if each.required else f"[{_spelled(each)}]").replace(" ", "\0"))
    return fill(" ".join(words), _WIDTH - len("Usage: "), subsequent_indent=" " * 4, break_on_hyphens=False).replace(
        "\0", " "
    )


def _spelled(argument: Argument) -> str:
    if not argument.name.startswith("--") or argument.kind == "flag":
        return argument.name
    return f"{argument.name} {_placeholder(argument)}"


def _placeholder(argument: Argument) -> str:
    return {
        "path": "FILE",
        "choice": "NAME,...",
        "count": "N",
        "range": "MIN-MAX",
        "size": "BYTES",
        "name": "NAME",
        "type": "TYPE",
    }.get(argument.kind, "EXPRESSION" if argument.kind == "expression" else "TEXT")


def _arguments(arguments: tuple[Argument, ...]) -> str:
    width = max(len(_spelled(each)) for each in arguments)
    lines = []
    for each in arguments:
        value = f"one of {', '.join(each.choices)}" if each.kind == "choice" else _VALUE.get(each.kind, "")
        text = each.help + (f" ({value})" if value else "")
        head = f"  {_spelled(each):<{width}}  "
        lines.append(fill(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
    return "Arguments:\n" + "\n".join(lines)
