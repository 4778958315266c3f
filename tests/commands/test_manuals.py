"""The help texts that gdb is given at its start are those of the commands: `python3 -m tests.commands.test_manuals`
writes them again."""

from __future__ import annotations

from pathlib import Path

from gdbheap import commands
from gdbheap.interface.manual import manual
from gdbheap.interface.prefix import PREFIX
from gdbheap.interface.spelling import AS_NAMED, Spelling

KEPT = Path(commands.__file__).with_name("manuals.txt")


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
    advice = "after a change of a command's help: PYTHONPATH=.:tests python3 -m tests.commands.test_manuals"
    assert commands.kept_manuals() == made(), advice


def test_a_module_is_named_after_its_command():
    assert [commands.name_of(module) for module in commands.MODULES] == [
        command.name for command in commands.all_commands()
    ]


if __name__ == "__main__":
    KEPT.write_text("\n\n".join(f"=== {name}\n{text}" for name, text in made().items()) + "\n")
