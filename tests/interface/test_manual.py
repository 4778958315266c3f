"""The help text, whole."""

from __future__ import annotations

from gdbheap.commands import all_commands
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.manual import manual


def test_the_whole_text():
    command = Command(
        name="heap things",
        summary="Show things.",
        run=all_commands()[0].run,
        description="A thing is what it is.",
        arguments=(
            Argument("ADDRESS", "expression", "The thing's address.", required=True),
            Argument("--state", "choice", "Only these states.", choices=("in_use", "top")),
            Argument("--size", "range", "Only these sizes."),
        ),
        examples=(("heap things ptr", "the thing that ptr points into"),),
    )
    assert (
        manual(command)
        == """\
Show things.

Usage: heap things ADDRESS [--state NAME,...] [--size MIN-MAX] [--json]
    [--json-lines] [--output FILE]

A thing is what it is.

Arguments:
  ADDRESS           The thing's address. (a gdb expression)
  --state NAME,...  Only these states. (one of in_use, top)
  --size MIN-MAX    Only these sizes. (bytes: MIN-MAX, MIN-, -MAX or one size)
  --json            Answer in JSON, with every row (or as many as --count says).
  --json-lines      The same with one row per line; everything else is on the
                    last line.
  --output FILE     Write the answer to this file (-: standard output) instead
                    of the terminal.

Examples:
  heap things ptr
      the thing that ptr points into"""
    )


def test_every_command_says_what_it_does_and_shows_how():
    for command in all_commands():
        assert command.summary.endswith("."), command.name
        assert "\n" not in command.summary, command.name
        assert command.examples, command.name
        assert all(line.startswith(command.name) for line, _ in command.examples), command.name
        keys = [argument.key for argument in command.arguments]
        assert len(set(keys)) == len(keys), command.name
