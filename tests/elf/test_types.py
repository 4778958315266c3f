"""What the scanner reads of types and variables, against what the compiled program itself says: offsetof, sizeof, the
addresses in its symbol table."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.types.kept_catalogues import catalogue_of
from gdbheap.elf.types.scan import scan_files
from gdbheap.elf.types.sections import read_sections
from gdbheap.process.process import Module
from gdbheap.types.catalogue import MemberKind, Storage, TypeKind

SOURCE = r"""
#include <stddef.h>
#include <stdio.h>
struct opaque;
typedef struct node {
    struct node *next;
    char name[10];
    union { long number; void *data; };
    double matrix[2][3];
} node;
typedef struct { node *head; struct opaque *hidden; int (*call)(void); volatile const char *text; char tail[]; } list;
struct wide { char first; struct { short a; int b; } inner; };
list *lists[4];
static node *file_static;
static __thread node *own;
enum colour { RED } colour;
#define MEMBER(type, name) printf("%s %s %zu %zu\n", #type, #name, offsetof(type, name), sizeof(type))
#define TAGGED(tag, name) printf("%s %s %zu %zu\n", #tag, #name, offsetof(struct tag, name), sizeof(struct tag))
int main(void) {
    static node *kept;
    { static struct wide deep[3]; deep[1].first = 1; }
    MEMBER(node, next); MEMBER(node, name); MEMBER(node, matrix);
    MEMBER(list, head); MEMBER(list, hidden); MEMBER(list, call); MEMBER(list, text); MEMBER(list, tail);
    TAGGED(wide, first); TAGGED(wide, inner);
    kept = file_static = own = 0;
    return lists[0] != 0 || colour != RED;
}
"""
NOWHERE = DebugSearch(())
FLAGS = [
    "-O0",
    "-O2",
    "-gdwarf-4",
    "-gdwarf-5",
    "-flto",
    "-static-pie",
    "-gz",
    "-gz=zlib-gnu",
    "-m32",
    "-gdwarf-4 -fdebug-types-section",
    "-gdwarf-5 -fdebug-types-section",
    "-gdwarf-4 -gsplit-dwarf",
    "-gdwarf-5 -gsplit-dwarf",
    "-gdwarf-4 -gsplit-dwarf -fdebug-types-section",
    "-gdwarf-5 -gsplit-dwarf -fdebug-types-section",
]
# dwp is not in every binutils, and packs no DWARF 5.
PACKED = ["-gdwarf-4 -gsplit-dwarf packed", "-gdwarf-4 -gsplit-dwarf -fdebug-types-section packed"]


@pytest.fixture(scope="module", params=FLAGS + (PACKED if shutil.which("dwp") else []))
def program(request, tmp_path_factory):
    """A program's path, and what it says: the offset of each member, the size of its struct."""
    directory = tmp_path_factory.mktemp("types")
    (directory / "types.c").write_text(SOURCE)
    flags = [flag for flag in request.param.split() if flag != "packed"]
    for words in (["-c", "types.c"], ["types.o", "-o", "types"]):
        subprocess.run(["gcc", "-g", "-pthread", *flags, *words], check=True, cwd=directory)
    if "packed" in request.param:
        subprocess.run(["dwp", "-e", "types"], check=True, cwd=directory)
        (directory / "types.dwo").unlink()
    target = directory / "types"
    lines = subprocess.run([str(target)], check=True, capture_output=True, text=True).stdout.split("\n")
    return target, [line.split() for line in lines if line]


def only(catalogue, name, kinds=(TypeKind.STRUCT, TypeKind.UNION)):
    (found,) = [catalogue.types[each] for each in catalogue.by_name[name] if catalogue.types[each].kind in kinds]
    return found


def spelled(catalogue, number):
    """A type as C writes it, near enough."""
    if number < 0:
        return "void"
    each = catalogue.types[number]
    if each.kind == TypeKind.POINTER:
        return spelled(catalogue, each.target) + "*"
    if each.kind == TypeKind.ARRAY:
        return f"{spelled(catalogue, each.target)}[{each.count}]"
    return each.name or each.kind.name


def test_members_lie_where_the_program_says(program):
    path, told = program
    catalogue = scan_files([str(path)], NOWHERE)[0]
    assert catalogue.problems == ()
    for struct, member, offset, size in told:
        found = only(catalogue, struct)
        assert found.size == int(size), struct
        assert [each.offset for each in found.members if each.name == member] == [int(offset)], (struct, member)


def test_members_have_their_types(program):
    catalogue = scan_files([str(program[0])], NOWHERE)[0]
    node, names = only(catalogue, "node"), only(catalogue, "list")
    assert [(each.name, spelled(catalogue, each.type)) for each in node.members] == [
        ("next", "node*"),
        ("name", "char[10]"),
        ("", "UNION"),
        ("matrix", "double[3][2]"),
    ]
    assert [(each.name, spelled(catalogue, each.type)) for each in names.members] == [
        ("head", "node*"),
        ("hidden", "opaque*"),
        ("call", "FUNCTION*"),
        ("text", "char*"),
        ("tail", "char[-1]"),
    ]
    assert all(each.kind == MemberKind.FIELD for each in (*node.members, *names.members))


def test_variables_lie_where_the_symbol_table_says(program):
    path, _ = program
    catalogue = scan_files([str(path)], NOWHERE)[0]
    found = {each.name: each for each in catalogue.variables}
    lines = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout.split("\n")
    symbols = {words[2].split(".")[0]: int(words[0], 16) for words in map(str.split, lines) if len(words) == 3}
    for name, type_, function in [
        ("lists", "list*[4]", ""),
        ("file_static", "node*", ""),
        ("colour", "colour", ""),
        ("kept", "node*", "main"),
        ("deep", "wide[3]", "main"),
    ]:
        if name not in symbols:
            continue  # optimized out
        assert found[name].storage == Storage.STATIC
        assert (found[name].place, spelled(catalogue, found[name].type)) == (symbols[name], type_), name
        assert found[name].function == function
    if "own" in symbols:
        assert found["own"].storage == Storage.THREAD_LOCAL
        assert spelled(catalogue, found["own"].type) == "node*"


def test_a_stripped_file_is_read_by_its_debug_file(tmp_path):
    """Found by the build-id, and by the link in it."""
    (tmp_path / "types.c").write_text(SOURCE)
    commands = [
        "gcc -g -pthread -Wl,--build-id types.c -o types",
        "objcopy --only-keep-debug types types.debug",
        "cp types.debug linked.debug",
        "strip types",
    ]
    for command in commands:
        subprocess.run(command.split(), check=True, cwd=tmp_path)
    assert scan_files([str(tmp_path / "types")], NOWHERE)[0].types == ()
    build_id = read_sections(str(tmp_path / "types.debug")).build_id
    module = Module("/types", str(tmp_path / "types"), 0, build_id)
    place = tmp_path / "debug" / ".build-id" / build_id[:2]
    place.mkdir(parents=True)
    (tmp_path / "types.debug").rename(place / f"{build_id[2:]}.debug")
    assert only(catalogue_of(module, DebugSearch([str(tmp_path / "debug")])), "node").size
    subprocess.run(["objcopy", "--add-gnu-debuglink=linked.debug", "types"], check=True, cwd=tmp_path)
    assert only(catalogue_of(module, NOWHERE), "node").size
    (tmp_path / "linked.debug").write_bytes(b"of another program")
    assert catalogue_of(module, NOWHERE).types == ()


METHODS = """
#define KEEP(variable) __asm__ volatile("" ::"r"(&variable) : "memory")
namespace app {
struct Cache { int *get(int x); template <class T> T *make(T t); static Cache *only; };
Cache *Cache::only;
int *Cache::get(int x) { static int *kept; kept = new int(x); KEEP(kept); return kept; }
template <class T> T *Cache::make(T t) { static T *last; last = new T(t); KEEP(last); return last; }
struct In { int *get() { static int *inside; inside = new int; KEEP(inside); return inside; } };
int *function() { static int *mine; mine = new int; KEEP(mine); return mine; }
}
int main() {
  app::Cache c;
  app::In i;
  app::Cache::only = &c;
  KEEP(app::Cache::only);
  return *c.get(3) + *c.make(4L) + *i.get() + *app::function();
}
"""


@pytest.mark.parametrize("flags", ["-O0", "-O2", "-O2 -flto", "-gdwarf-4"])
def test_variables_in_functions_name_their_function(tmp_path, flags):
    (tmp_path / "methods.cc").write_text(METHODS)
    subprocess.run(["g++", "-g", *flags.split(), "methods.cc", "-o", "methods"], check=True, cwd=tmp_path)
    found = scan_files([str(tmp_path / "methods")], NOWHERE)[0].variables
    assert {(each.name, each.function) for each in found} == {
        ("kept", "app::Cache::get"),
        ("last", "app::Cache::make<long>"),
        ("inside", "app::In::get"),
        ("mine", "app::function"),
        ("app::Cache::only", ""),
    }


SCOPED = """
namespace app {
template <class T> struct Signal { struct Slot { Slot *next; T *who; }; Slot *first; };
class Widget { struct Inner { long a, b; }; Inner *inner; Signal<int> signal; public: long id; };
}
app::Widget widget;
app::Signal<int>::Slot slot;
int main() { return widget.id != 0 || slot.next; }
"""


@pytest.mark.parametrize("flags", ["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gsplit-dwarf"])
def test_structs_in_units_of_their_own_have_their_whole_names(tmp_path, flags):
    (tmp_path / "scoped.cc").write_text(SCOPED)
    words = ["g++", "-g", *flags.split(), "-fdebug-types-section", "scoped.cc", "-o", "scoped"]
    subprocess.run(words, check=True, cwd=tmp_path)
    catalogue = scan_files([str(tmp_path / "scoped")], NOWHERE)[0]
    sizes = {each.name: each.size for each in catalogue.types if each.kind is TypeKind.STRUCT}
    assert sizes == {
        "app::Signal<int>": 8,
        "app::Signal<int>::Slot": 16,
        "app::Widget": 24,
        "app::Widget::Inner": 16,
    }
