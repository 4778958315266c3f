"""A command's words: options start with `--`; what remains is kept as it was typed, for gdb to evaluate.

An option may be typed with one dash, as gdb's own are. Blanks separate words, but not within quotes or brackets. The
last positional argument takes the rest of the line, so that `heap chunk (char *)p + 8` needs no quotes. A lone `--`
ends the options.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass, regex

JSON = Argument("--json", "flag", "Answer in JSON, with every row (or as many as --count says).")
JSON_LINES = Argument("--json-lines", "flag", "The same with one row per line; everything else is on the last line.")
OUTPUT = Argument("--output", "path", "Write the answer to this file (-: standard output) instead of the terminal.")
COMMON = (JSON, JSON_LINES, OUTPUT)

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = regex(r"(0x[0-9a-f]+|\d+) ?(?:([kmgt])(?:i?b)?)?", re.IGNORECASE)
_NUMBER = regex(r"0x[0-9a-f]+|\d+", re.IGNORECASE)
_ONE_WORD = ("choice", "count", "range", "path", "snapshot", "name", "type", "word")

Evaluate = Callable[[str], int]


@dataclass(frozen=True)
class Word:
    """A word and where it lies in the line, [start, end)."""

    text: str
    start: int
    end: int

    @property
    def is_option(self) -> bool:
        """Whether it reads as an option: `--` and a letter."""
        return re.match(r"--[A-Za-z]", self.text) is not None


def split_words(line: str) -> list[Word]:
    """Return the words of a line. An open quote or bracket runs to the end of the line (gdb then says what is wrong
    with it)."""
    words = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        end = _word_end(line, at)
        words.append(Word(line[at:end], at, end))
        at = end
    return words


def all_arguments(command: Command) -> tuple[Argument, ...]:
    """Return the command's arguments and, behind them, those of COMMON that it has not under the same name itself."""
    own = {each.name for each in command.arguments}
    return command.arguments + tuple(each for each in COMMON if each.name not in own)


def answer_file(command: Command, arguments: Mapping[str, Any]) -> str | None:
    """Return the file that the answer goes to; None where it goes to the terminal, or the command has an --output of
    its own."""
    path: str | None = arguments["output"] if OUTPUT in all_arguments(command) else None
    return path


def parse(command: Command, line: str, evaluate: Evaluate) -> dict[str, Any]:
    """Return the value of every argument by its key, those of COMMON included; UsageError names the word that is off.

    `evaluate` turns a gdb expression into an unsigned int (and raises UsageError).
    """
    arguments = all_arguments(command)
    values: dict[str, Any] = {each.key: False if each.kind == "flag" else each.default for each in arguments}
    options = {each.name: each for each in arguments if each.name.startswith("--")}
    positionals = [each for each in command.arguments if not each.name.startswith("--")]
    given, rest = _take_options(_full_name(command), line, options)
    given.update(_take_positionals(rest, positionals))
    for argument in arguments:
        if argument.name in given:
            values[argument.key] = _convert(argument, given[argument.name], evaluate)
        elif argument.required:
            how = f" (as in `{command.examples[0][0]}`)" if command.examples else ""
            raise UsageError(f"{argument.name} is missing: {argument.help}{how}")
    values[JSON.key] = values[JSON.key] or values[JSON_LINES.key]
    return values


def wants_json(line: str) -> bool:
    """Whether a command's line asks for JSON, however wrong the rest of it is."""
    words = [word.text for word in split_words(line)]
    given = words[: words.index("--")] if "--" in words else words
    return any(word in (name, name[1:]) for word in given for name in (JSON.name, JSON_LINES.name))


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" for the known name that is nearest, or "" where none is near."""
    import difflib  # only for those who mistype: it would cost every start of gdb some milliseconds

    names = list(known)
    near = difflib.get_close_matches(word, names, 1) or [each for each in names if each.startswith(word)][:1]
    return f"; did you mean {near[0]}?" if near else ""


def _full_name(command: Command) -> str:
    """Return the name that is gdbheap's whatever other plugins are loaded."""
    return command.name if command.name.startswith("gdbheap") else f"gdbheap {command.name}"


def _word_end(line: str, at: int) -> int:
    closers: list[str] = []
    quote = ""
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in _BRACKETS:
            closers.append(_BRACKETS[char])
        elif closers and char == closers[-1]:
            closers.pop()
        elif char.isspace() and not closers:
            return at
        at += 1
    return len(line)


def _take_options(command: str, line: str, options: dict[str, Argument]) -> tuple[dict[str, str], str]:
    """Return the text of each option given ("" for a flag), and the line with the options blanked out."""
    given: dict[str, str] = {}
    words = split_words(line)
    rest = line
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word.text == "--":
            return given, _blank(rest, word.start, word.end)
        name, equals, value = word.text.partition("=")
        if f"-{name}" in options:  # as gdb's own commands have them
            name = f"-{name}"
        elif not word.is_option:
            continue
        if name not in options:
            raise UsageError(f"there is no option {name}{suggest(name, options) or f'; see `help {command}`'}")
        if name in given:
            raise UsageError(f"{name} is given twice")
        end = word.end
        if options[name].kind == "flag":
            if equals:
                raise UsageError(f"{name} takes no value")
        elif not equals:
            if index == len(words) or words[index].is_option or f"-{words[index].text}" in options:
                raise UsageError(f"{name} needs a value: {options[name].help}")
            value, end = words[index].text, words[index].end
            index += 1
        given[name] = value
        rest = _blank(rest, word.start, end)
    return given, rest


def _blank(line: str, start: int, end: int) -> str:
    return line[:start] + " " * (end - start) + line[end:]


def _take_positionals(rest: str, positionals: Sequence[Argument]) -> dict[str, str]:
    given: dict[str, str] = {}
    for index, argument in enumerate(positionals):
        rest = rest.strip()
        if not rest:
            return given
        takes_all = index == len(positionals) - 1 and argument.kind not in _ONE_WORD
        end = len(rest) if takes_all else _word_end(rest, 0)
        given[argument.name] = rest[:end]
        rest = rest[end:]
    if rest.strip():
        raise UsageError(f"unexpected argument {rest.strip()!r}")
    return given


def _convert(argument: Argument, text: str, evaluate: Evaluate) -> Any:
    if argument.kind == "flag":
        return True
    if argument.kind == "expression":
        return evaluate(text)
    if argument.kind == "object":
        return evaluate(text), text
    if argument.kind == "size":
        return read_size(text, evaluate)
    if argument.kind == "range":
        return _range(argument, text, evaluate)
    if argument.kind == "count":
        if not _NUMBER.fullmatch(text):
            raise UsageError(f"{argument.name} takes a number, not {text!r}")
        return int(text, 0) if text.lower().startswith("0x") else int(text)
    if argument.kind == "choice":
        return tuple(_choice(argument, word) for word in text.split(","))
    if argument.kind in ("path", "snapshot"):
        return os.path.expanduser(_unquote(text))
    if argument.kind in ("name", "type", "word"):
        return _unquote(text)
    if argument.kind == "calls":
        return _unquote(text) if _word_end(text, 0) == len(text) else text
    return text


def read_size(text: str, evaluate: Evaluate) -> int:
    """Return a size in bytes: a number with or without a unit ("0x30", "2k", "1 MiB"), or a gdb expression."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return evaluate(text)
    digits, unit = match.groups()
    return int(digits, 16 if digits.lower().startswith("0x") else 10) * _UNITS[(unit or "").lower()]


def _range(argument: Argument, text: str, evaluate: Evaluate) -> tuple[int | None, int | None]:
    """Return (least, most), both included: of MIN-MAX, MIN-, -MAX, or one size."""
    least, dash, most = text.partition("-")
    if not dash:
        size = read_size(text, evaluate)
        return size, size
    if "-" in most or not (least or most):
        raise UsageError(f"{argument.name} takes MIN-MAX, MIN-, -MAX or one size, not {text!r}")
    low = read_size(least, evaluate) if least else None
    high = read_size(most, evaluate) if most else None
    if low is not None and high is not None and low > high:
        raise UsageError(f"{argument.name} {text}: the first size is above the second")
    return low, high


def _choice(argument: Argument, word: str) -> str:
    name = word.strip().lower().replace("-", "_")
    if name not in argument.choices:
        near = suggest(name, argument.choices) or f"; it takes {', '.join(argument.choices)}"
        raise UsageError(f"{argument.name} does not know {word.strip()!r}{near}")
    return name


def as_word(text: str) -> str:
    """Return a name or path as it is typed for a command: in quotes where it has to be."""
    if re.fullmatch(r"[^\s\"'()\[\]{}\\-][^\s\"'()\[\]{}\\]*", text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
