"""Every line that gdbheap ever tells a user to type: out of its sources, its help, the answers kept in
fixtures/faults, and the README."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gdbheap.commands import all_commands
from support.gdb_runs import ROOT

PACKAGE = ROOT / "gdbheap"
ADDRESS = "0x7ffff7d00010"
_TYPED = re.compile(r"`([a-z][^`\n]*)`")
# In backticks, but no command line of gdb's: a shell's, C++, a value of a setting, a file.
_OTHERS = re.compile(r"python3 |ulimit |gdbheap (?:run|attach|core|doctor|setup|diff)\b|gdbheap/|throw;|unlimited$")


def suggestions() -> dict[str, str]:
    """Return each line, and where it is from."""
    found: dict[str, str] = {}
    for where, line in (*_from_sources(), *_from_help(), *_from_answers(), *_from_readme()):
        if not _OTHERS.match(line):
            found.setdefault(re.sub(r"\b(?:N|NUMBER)\b", "1", line.strip()), where)
    return found


def _from_sources() -> Iterator[tuple[str, str]]:
    names = {command.name for command in all_commands()}  # a command is spoken of, and not all of a line
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        where = str(path.relative_to(ROOT))
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) not in documents | pieces:
                yield from ((where, line) for line in _TYPED.findall(_text(node)) if line not in names)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Verdict":
                yield from ((where, line) for line in _steps(node))


def _steps(verdict: ast.Call) -> Iterator[str]:
    """Yield the lines of a verdict's `next`, as far as they stand in the call itself."""
    steps = [*verdict.args[5:6], *(each.value for each in verdict.keywords if each.arg == "next")]
    for node in (each for step in steps if isinstance(step, ast.Tuple) for each in step.elts):
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield _text(node)


def _text(node: ast.AST) -> str:
    """Return a string as it may come out: an address in each place that is written as one, else a number; "" for
    what is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    text = ""
    for place, part in enumerate(node.values):
        if isinstance(part, ast.FormattedValue):
            spec = _text(part.format_spec) if part.format_spec is not None else ""
            text += (
                f"{int(ADDRESS, 16) + 16 * place:#x}"
                if "x" in spec
                else '"1"'
                if ast.unparse(part.value).startswith("_quoted")
                else "1"
            )
        else:
            text += _text(part)
    return text


def _from_help() -> Iterator[tuple[str, str]]:
    for command in all_commands():
        yield from ((f"help {command.name}", line) for line, _ in command.examples)


def _from_answers() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "fixtures" / "faults").glob("*.txt")):
        for steps in re.findall(r"^  next (.*)$", path.read_text(), re.M):
            for line in re.split(r" \| (?!tail)", steps):
                yield path.name, re.sub(r"\{[^}]*\}|\bN\b", ADDRESS, line)


def _from_readme() -> Iterator[tuple[str, str]]:
    text = (ROOT / "README.md").read_text()
    for line in re.findall(r"^ +(?:next|catch|try)  +(.*)$", text, re.M):
        yield "README.md", line
    spoken_of = {command.name for command in all_commands()}
    names = "|".join(sorted({name.split()[0] for name in spoken_of}))
    for line in _TYPED.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        if re.match(rf"(?:{names})\b", line) and line not in spoken_of:
            yield "README.md", line.replace(", ...", "")
