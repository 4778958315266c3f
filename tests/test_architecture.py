"""The arrows of the house: which room may import which, and who alone may import what is heavy or belongs to gdb."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gdbheap.commands import COMMANDS, MODULES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gdbheap"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What each room may import beside itself. Every room may import errors, lazy and counted; only inside_gdb sees all but analysis.
BASE = {"", "counted", "errors", "lazy"}
ARROWS = {
    "counted": set(),
    "errors": set(),
    "lazy": set(),
    "packages": set(),
    "model": set(),
    "process": BASE,
    "malloc": BASE | {"process"},
    "analysis": BASE | {"malloc", "model", "process"},
    "elf": BASE | {"malloc", "process"},
    "report": BASE | {"malloc"},
    "launch": BASE | {"elf", "packages", "process"},
    "commands": BASE | {"analysis", "malloc", "model", "packages", "process", "report"},
    "__main__": BASE | {"commands", "launch", "packages", "report"},
    "inside_gdb": BASE | {"commands", "elf", "malloc", "packages", "process", "report"},
}

# Who alone may import these: paths from gdbheap/, a directory for all in it.
OWNERS = {
    "gdb": {"inside_gdb"},
    "elftools": {"elf"},
    "pygments": {"report/text.py"},
    "numpy": {"lazy.py"},
}


def room_of(path: Path) -> str:
    """The first part below gdbheap/: a directory or a module ("" for the package itself)."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first[:-3] if first.endswith(".py") else first


def imports_of(path: Path, typing_too: bool = True) -> set[str]:
    """The dotted names that a file imports; without `typing_too`, not those under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if not typing_too and id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the room"
            if node.module == "gdbheap":
                names |= {f"gdbheap.{alias.name}" for alias in node.names}
            else:
                names.add(node.module or "")
    return names


def rooms_imported(path: Path) -> set[str]:
    ours = [name.split(".") for name in imports_of(path) if name.split(".")[0] == "gdbheap"]
    return {parts[1] if len(parts) > 1 and not parts[1].startswith("__") else "" for parts in ours}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_along_the_arrows(path):
    room = room_of(path)
    assert rooms_imported(path) - {room} <= ARROWS.get(room, BASE | {"packages"})


def test_no_file_imports_itself_by_way_of_others():
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SOURCES}
    left = {name: imports_of(path) & set(files) for name, path in files.items()}
    # Take away what imports nothing that is left, until nothing changes: a circle remains.
    while ground := [name for name, imported in left.items() if not imported & set(left)]:
        for name in ground:
            del left[name]
    assert left == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_heavy_libraries_and_gdb_have_one_door_each(path):
    place = path.relative_to(PACKAGE)
    names = {name.split(".")[0] for name in imports_of(path, typing_too=False)}
    for library, owners in OWNERS.items():
        if library in names:
            assert str(place) in owners or place.parts[0] in owners, f"{place} imports {library}"


def test_each_command_module_is_listed_once_and_each_command_has_its_own_name():
    files = [path.stem for path in (PACKAGE / "commands").glob("*.py") if defines_command(path)]
    assert sorted(MODULES) == sorted(files)
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)


def defines_command(path: Path) -> bool:
    return any(
        isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["COMMAND"]
        for node in ast.parse(path.read_text()).body
    )


def test_gdb_init_is_a_door_and_no_more():
    names = imports_of(ROOT / "gdb_init.py")
    assert names == {"os", "sys", "gdbheap.inside_gdb", "gdbheap.packages"}


def test_the_modules_that_help_tests_have_names_of_their_own():
    names = [
        path.stem for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith(("test_", "conftest", "__"))
    ]
    assert sorted(names) == sorted(set(names))
