"""The arrows of the house: which room may import which, and who alone may import what is heavy or belongs to gdb."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from pathlib import Path

import pytest

from gdbheap.commands import MODULES, all_commands
from gdbheap.session.debugger import Debugger
from gdbheap.without_gdb.reader import Reader
from support.machine_rules import FORMATS, PAGES, bits, decisions, in_files, machines_own, named_registers, pages

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gdbheap"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# What each room may import beside itself and BASE. A sub-room ("analysis.leaks") has arrows of its own, and a name
# without a dot stands for the room with all below it, but for "process", "glibc", "elf" and "analysis", which stand for
# their own files alone.
BASE = {"", "counted", "errors", "files", "lazy"}
PROCESS = {"process", "process.columns", "process.images", "process.live", "process.threads"}
GLIBC = {"glibc", "glibc.walk", "glibc.repair", "glibc.locate"}
GROUND = BASE | PROCESS | GLIBC | {"allocators", "machine"}
# What asks about blocks knows no allocator: it sees a heap as allocators/heap.py has it.
NEUTRAL = BASE | PROCESS | {"allocators", "machine"}
POINTERS = NEUTRAL | {"analysis.pointers", "analysis.objects"}
MAPPINGS = POINTERS | {"analysis.facts", "analysis.mappings"}
ADDRESSES = GROUND | MAPPINGS | {"analysis.addresses"}
ANALYSIS = {
    f"analysis.{name}"
    for name in [
        "abort_texts",
        "addresses",
        "call_stacks",
        "crashes",
        "facts",
        "invariants",
        "leaks",
        "malloc_aborts",
        "mappings",
        "chunk_use",
        "memory_use",
        "objects",
        "pointers",
        "prediction",
        "retained",
        "recordings",
        "snapshots",
        "suspects",
        "types",
    ]
}
ARROWS = {
    "counted": set(),
    "errors": set(),
    "files": set(),
    "lazy": set(),
    "packages": set(),
    "model": set(),
    # A process knows its machine as a value; what a machine's own code sees of a process are protocols.
    "machine": BASE,
    "process": BASE | PROCESS | {"machine"},
    # Loops in C, for whoever goes through millions of words.
    "kernel": BASE | {"packages"},
    "process.columns": BASE | {"kernel", "process"},
    "process.images": BASE | {"process"},
    "process.live": BASE | {"kernel", "process", "machine"},
    "process.threads": BASE | {"process", "process.columns", "process.images"},
    "allocators": BASE | PROCESS,
    "glibc": BASE | PROCESS | GLIBC | {"allocators", "machine"},
    "glibc.walk": BASE | PROCESS | {"glibc", "glibc.repair", "kernel"},
    "glibc.repair": BASE | PROCESS | {"glibc", "glibc.walk"},
    "glibc.locate": BASE | PROCESS | {"glibc", "machine"},
    "elf": BASE | PROCESS | {"machine"},
    "elf.types": BASE | PROCESS | {"elf", "types"},
    "elf.unwind": BASE | PROCESS | {"elf", "elf.types"},
    "elf.code": BASE | PROCESS | {"elf", "elf.types", "elf.unwind", "types"},
    "analysis.abort_texts": GROUND,
    "analysis.call_stacks": GROUND,
    # What all of analysis states its findings in.
    "analysis.facts": GROUND,
    "analysis.pointers": NEUTRAL | {"kernel"},
    "analysis.objects": NEUTRAL | {"analysis.pointers", "kernel", "types"},
    "analysis.mappings": POINTERS | {"analysis.facts", "model"},
    "analysis.addresses": GROUND | MAPPINGS,
    "analysis.leaks": POINTERS | {"analysis.types", "kernel", "types"},
    "analysis.types": POINTERS | {"kernel", "types"},
    "analysis.retained": POINTERS | {"analysis.types", "types"},
    "analysis.chunk_use": GROUND,
    "analysis.memory_use": MAPPINGS,
    "analysis.snapshots": POINTERS,
    "analysis.recordings": NEUTRAL,
    "analysis.prediction": GROUND | {"analysis.call_stacks", "analysis.facts", "model"},
    "analysis.invariants": GROUND | {"analysis.abort_texts", "analysis.call_stacks", "analysis.facts"},
    "analysis.suspects": GROUND | {"analysis.facts", "analysis.invariants", "analysis.pointers"},
    "analysis.malloc_aborts": GROUND
    | MAPPINGS
    | {"analysis.abort_texts", "analysis.call_stacks", "analysis.invariants", "analysis.suspects"},
    "analysis.crashes": ADDRESSES
    | {
        "analysis.abort_texts",
        "analysis.call_stacks",
        "analysis.invariants",
        "analysis.malloc_aborts",
        "analysis.suspects",
    },
    "report": BASE | {"process"},
    "pictures": GROUND
    | {
        "analysis.mappings",
        "analysis.chunk_use",
        "analysis.memory_use",
        "analysis.retained",
        "interface",
        "report",
        "session",
        "tables",
        "types",
    },
    "types": BASE,
    "sentences": GROUND | ANALYSIS | {"model", "report", "types"},
    "session": GROUND | ANALYSIS | {"elf", "elf.types", "report", "sentences", "types"},
    "interface": GROUND | {"report", "session", "types"},
    "tables": GROUND | ANALYSIS | {"interface", "report", "sentences", "session", "types"},
    "commands": GROUND
    | ANALYSIS
    | {"interface", "model", "packages", "pictures", "report", "sentences", "session", "tables", "types"},
    "launch": BASE | PROCESS | {"bundle", "elf", "kernel", "packages", "report"},
    "__main__": BASE | {"bundle", "commands", "interface", "launch", "packages", "report", "triage", "without_gdb"},
    "without_gdb": GROUND
    | {"bundle", "commands", "elf", "elf.code", "elf.unwind", "interface", "packages", "report", "session", "types"},
    "bundle": BASE | {"report"},
    "triage": GROUND
    | {
        "analysis.call_stacks",
        "bundle",
        "commands",
        "interface",
        "packages",
        "pictures",
        "report",
        "sentences",
        "session",
        "without_gdb",
    },
    "inside_gdb": GROUND | {"commands", "elf", "elf.code", "interface", "packages", "report", "session", "types"},
}

# Who alone may import these: paths from gdbheap/, a directory for all in it.
OWNERS = {
    "gdb": {"inside_gdb"},
    "elftools": {"elf"},
    "pygments": {"report/paint.py"},
    "numpy": {"lazy.py"},
}


def room_of(path: Path) -> str:
    """The room below gdbheap/ that a file is in: "glibc.walk", "errors"; "" for the package itself."""
    return room_named(path.relative_to(PACKAGE).with_suffix("").parts)


def room_named(parts: tuple[str, ...]) -> str:
    """The room of a module by the parts of its name below gdbheap."""
    if not parts or parts[0] == "__init__":
        return ""
    inner = (
        len(parts) > 1
        and parts[0] in ("analysis", "elf", "glibc", "process")
        and (PACKAGE / parts[0] / parts[1]).is_dir()
    )
    return ".".join(parts[:2]) if inner else parts[0]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path: Path, typing_too: bool = True) -> set[str]:
    """The dotted names that a file imports; without `typing_too`, not those under `if TYPE_CHECKING`."""
    tree = tree_of(path)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
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
    ours = [name.split(".")[1:] for name in imports_of(path) if name.split(".")[0] == "gdbheap"]
    return {room_named(tuple(part for part in parts if not part.startswith("__"))) for parts in ours}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_along_the_arrows(path):
    room = room_of(path)
    assert rooms_imported(path) - {room} <= ARROWS.get(room, BASE | {"packages"})


def test_what_differs_by_machine_stands_in_its_room_alone():
    """No register's name, no decision by the size of a pointer, no bits of addresses, no size of a page elsewhere; and
    a machine's own room is known to machine/ alone. support/machine_rules.py says what counts."""
    assert in_files(named_registers) == {}
    assert in_files(decisions).keys() == FORMATS.keys()
    assert in_files(bits) == {}
    assert in_files(pages).keys() == PAGES
    assert in_files(machines_own) == {}


CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
_FENCE = re.compile(r"(```picture\n)(.*?)(```)", re.DOTALL)


def picture() -> str:
    """Draw the rooms: a line for each with what it holds, and the rooms that its files import."""
    rooms = sorted({room_of(path) for path in SOURCES} - {""} - {path.stem for path in PACKAGE.glob("*.py")})
    lines = []
    for room in rooms:
        own = [path for path in SOURCES if room_of(path) == room]
        imported = set().union(*map(rooms_imported, own)) - {room} - BASE
        docstring = ast.get_docstring(ast.parse((PACKAGE / room.replace(".", "/") / "__init__.py").read_text())) or ""
        what = " ".join(docstring.split("\n\n")[0].split())
        lines += textwrap.wrap(f"{room.replace('.', '/') + '/':24}  {what}", 110, subsequent_indent=" " * 26)
        arrows = f"-> {' '.join(sorted(imported))}" if imported else ""
        lines += textwrap.wrap(arrows, 110, initial_indent=" " * 28, subsequent_indent=" " * 31)
    return "\n".join(lines) + "\n"


def test_contributing_shows_the_house_as_it_is():
    match = _FENCE.search(CONTRIBUTING.read_text())
    assert match is not None
    assert match[2] == picture(), "python3 -m tests.test_architecture draws it again"


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


# What opens a file by its name, as it is called; every other way of Python's to one ends in these.
OPENING = {
    *("open", "io.open", "os.open", "codecs.open", "FileIO", "io.FileIO", "os.mkfifo", "gzip.open", "zipfile.ZipFile"),
    *("read_text", "read_bytes", "write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "TemporaryFile"),
    *("getline", "getlines", "fromfile", "memmap", "loadtxt", "load_from_path", "copyfile", "copy2", "copytree"),
}


@pytest.mark.parametrize("path", [*SOURCES, ROOT / "gdb_init.py"], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_opened_by_one_door(path):
    """Names come from the target: a device, a pipe, a link. gdbheap/files.py knows what may be opened and how;
    nobody else opens."""
    if path == PACKAGE / "files.py":
        return
    calls = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    opening = {ast.unparse(call) for call in calls} & OPENING
    opening |= {call.attr for call in calls if isinstance(call, ast.Attribute)} & (OPENING - {"open"})
    opening |= {ast.unparse(call) for call in calls if isinstance(call, ast.Attribute) and call.attr == "open"}
    assert not opening


def test_what_a_user_typed_is_evaluated_in_one_place():
    # launch/doctor.py asks a gdb that has no process.
    places = {str(path.relative_to(PACKAGE)) for path in SOURCES if "parse_and_eval" in path.read_text()}
    assert places == {"inside_gdb/expressions.py", "launch/doctor.py"}


def test_commands_hold_a_file_for_each_command_and_nothing_else():
    """What a command needs beside its file has a room: rows tables/, English sentences/, drawings pictures/, what is
    computed once per stop session/, all else analysis/."""
    files = {path.stem: path for path in (PACKAGE / "commands").glob("*.py") if path.stem != "__init__"}
    assert sorted(files) == sorted(MODULES)
    assert [name for name, path in files.items() if not defines_command(path)] == []
    names = [command.name for command in all_commands()]
    assert len(set(names)) == len(names)


def test_deleting_a_command_is_deleting_its_file():
    """Nobody imports a command: who answers with one asks for it by name. (`python3 -m gdbheap diff` is one itself.)"""
    for path in SOURCES:
        modules = {f"gdbheap.commands.{name}" for name in MODULES} & imports_of(path)
        assert modules <= ({"gdbheap.commands.heap_diff"} if path.name == "__main__.py" else set()), path
        names = {
            alias.name
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.ImportFrom) and node.module == "gdbheap.commands"
            for alias in node.names
        }
        assert names & set(MODULES) == set(), path


def test_columns_are_fields_of_rows():
    """A row is a dataclass, whose fields say how their columns look: nobody else makes a column."""
    makers = {
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Column"
    }
    assert {name for name in makers if not name.startswith("report/")} == set()


def defines_command(path: Path) -> bool:
    return any(
        isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["COMMAND"]
        for node in tree_of(path).body
    )


def test_gdb_init_is_a_door_and_no_more():
    names = imports_of(ROOT / "gdb_init.py")
    assert names == {"os", "sys", "gdbheap.inside_gdb", "gdbheap.packages"}


def test_no_two_public_classes_share_a_name():
    """A name in a traceback, a signature or a review means one thing in the whole house."""
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_the_modules_that_help_tests_have_names_of_their_own():
    names = [
        path.stem for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith(("test_", "conftest", "__"))
    ]
    assert sorted(names) == sorted(set(names))


def test_what_reads_cores_is_a_whole_debugger():
    """What a target may ask for and it has not shows here."""
    asked = {name for name, value in vars(Debugger).items() if not name.startswith("_") and callable(value)}
    assert asked <= {name for name in vars(Reader) if not name.startswith("_")}


def test_what_is_there_once_is_asked_of_a_sort():
    """numpy's unique(), where it is asked for the values alone, keeps a table of what it met (of a million, 25 times a
    sort's time) and imports masked arrays: process/columns/distinct.py is asked. Its other answers are sorts."""
    asking = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.unique" and not node.keywords
    ]
    assert asking == []


if __name__ == "__main__":
    CONTRIBUTING.write_text(_FENCE.sub(lambda match: match[1] + picture() + match[3], CONTRIBUTING.read_text()))
