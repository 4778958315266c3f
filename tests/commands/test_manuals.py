"""The help texts that gdb is given at its start, and the page of them, are those of the commands: `python3 -m
tests.commands.test_manuals` writes them again."""

from __future__ import annotations

from pathlib import Path

from gdbheap import commands
from gdbheap.interface.manual import manual
from gdbheap.interface.prefix import PREFIX
from gdbheap.interface.spelling import AS_NAMED, Spelling

KEPT = Path(commands.__file__).with_name("manuals.txt")
PAGE = Path(commands.__file__).parents[1] / "docs" / "commands.md"
ADVICE = "after a change of a command's help: PYTHONPATH=.:tests python3 -m tests.commands.test_manuals"
LEAD = """# Every command

What `help` says of each inside gdb. Every one completes its arguments, and takes `--json` and `--output FILE`; behind
`gdbheap` (`gdbheap heap chunks`) each works beside whoever else has its name.
"""


def made():
    """Return every text out of the commands themselves: under a command's own name and, where it is another, behind
    `gdbheap`."""
    every = commands.all_commands()
    behind = Spelling(frozenset(command.name.split()[0] for command in every) - {PREFIX})
    texts = {}
    for command in every:
        texts[command.name] = manual(command, AS_NAMED)
        if command.name != PREFIX:
            texts[f"{PREFIX} {command.name}"] = manual(command, behind)
    return texts


def test_the_kept_texts_are_those_of_the_commands():
    assert commands.kept_manuals() == made(), ADVICE


def page():
    """Return the page of all commands."""
    sections = (
        f"## {name}\n\n```\n{text}\n```\n" for name, text in made().items() if not name.startswith(f"{PREFIX} ")
    )
    return "\n".join([LEAD, *sections])


def test_the_page_of_commands_is_made_of_them():
    assert PAGE.read_text() == page(), ADVICE


def test_a_module_is_named_after_its_command():
    assert [commands.name_of(module) for module in commands.MODULES] == [
        command.name for command in commands.all_commands()
    ]


if __name__ == "__main__":
    KEPT.write_text("\n\n".join(f"=== {name}\n{text}" for name, text in made().items()) + "\n")
    PAGE.write_text(page())
