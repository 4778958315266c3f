"""A small library that looks like libc to those who read its symbols and structs, built by the system's own gcc."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = """
#include <stddef.h>
typedef unsigned long word;
struct malloc_state { int mutex; int flags; union { void *top; word as_word; }; void *bins[254]; unsigned binmap[4];
const volatile char pad[0]; };
struct tcache_perthread_struct { unsigned short counts[64]; struct tcache_entry *entries[2][32]; };
typedef struct _heap_info { struct malloc_state *ar_ptr; struct _heap_info *prev; char rest[]; } heap_info;
static struct malloc_state main_arena = { .mutex = 1 };
static __thread struct tcache_perthread_struct *volatile tcache;
static __thread struct malloc_state *volatile thread_arena;
const char banner[] = "GNU C Library (Nobody's) stable release version 2.99.\\n"
"malloc(): unaligned fastbin chunk detected";
__attribute__((noinline)) void *_int_malloc(struct malloc_state *arena, word size) {
  static heap_info *heap;
  return heap && tcache ? (void *)tcache->entries[0][size] : thread_arena ? (void *)arena : &main_arena;
}
void *reused_arena(void) {
  static void *next_to_use;
  next_to_use = next_to_use ? 0 : &main_arena;
  return &next_to_use;
}
void *malloc(word size) { return _int_malloc(&main_arena, size); }
"""


def run(*command: object) -> None:
    subprocess.run([str(each) for each in command], check=True, timeout=240)


def build(directory: Path, *flags: str, name: str = "libc.so.6") -> Path:
    """Return the library, built with debug info of its own."""
    source = directory / "malloc.c"
    source.write_text(SOURCE)
    library = directory / name
    run("gcc", "-g", "-O1", "-shared", "-fPIC", "-Wl,--build-id", *flags, source, "-o", library)
    return library


def split(library: Path, debug_file: Path, link: bool = True) -> None:
    """Move the debug info and .symtab of a library into a file of their own, and leave (or not) a .gnu_debuglink to
    it."""
    debug_file.parent.mkdir(parents=True, exist_ok=True)
    run("objcopy", "--only-keep-debug", library, debug_file)
    run("strip", "--strip-all", library)
    if link:
        run("objcopy", f"--add-gnu-debuglink={debug_file}", library)


# What dwz leaves of a library's debug info (DWARF 4): its unit imports one that has moved to another file...
IMPORTING = """
.text
_int_malloc: ret
.data
.type main_arena, @object
main_arena: .quad 0
.size main_arena, 8
.section .debug_abbrev
.uleb128 1, 0x11; .byte 1; .uleb128 0x03, 0x08, 0, 0  # DW_TAG_compile_unit: DW_AT_name DW_FORM_string
.uleb128 2, 0x3d; .byte 0; .uleb128 0x18, 0x1f20, 0, 0  # DW_TAG_imported_unit: DW_AT_import DW_FORM_GNU_ref_alt
.byte 0
.section .debug_info
.long 2f - 1f
1: .value 4; .long 0; .byte 8
.uleb128 1; .string "malloc.c"
.uleb128 2; .long 11
.byte 0
2:
.section .gnu_debugaltlink
.string "common.dwz"
.fill 20, 1, 0x5a
"""
# ... and that file.
IMPORTED = """
.section .debug_abbrev
.uleb128 1, 0x3c; .byte 1; .uleb128 0, 0  # DW_TAG_partial_unit
.uleb128 2, 0x13; .byte 1; .uleb128 0x03, 0x08, 0x0b, 0x0b, 0, 0  # DW_TAG_structure_type: name, byte_size
.uleb128 3, 0x0d; .byte 0; .uleb128 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0  # DW_TAG_member: name, type, location
.uleb128 4, 0x24; .byte 0; .uleb128 0x0b, 0x0b, 0, 0  # DW_TAG_base_type: byte_size
.byte 0
.section .debug_info
0: .long 2f - 1f
1: .value 4; .long 0; .byte 8
.uleb128 1
.uleb128 2; .string "malloc_state"; .byte 8
.uleb128 3; .string "flags"; .long 3f - 0b; .byte 4
.byte 0
3: .uleb128 4; .byte 4
.byte 0
2:
"""


def build_dwz_pair(directory: Path) -> Path:
    """Return a library whose struct malloc_state is in a file beside it, common.dwz."""
    for name, source in (("libc.so.6", IMPORTING), ("common.dwz", IMPORTED)):
        (directory / "source.s").write_text(source)
        build_id = "0x" + "5a" * 20 if name == "common.dwz" else "sha1"
        run("gcc", "-shared", "-nostdlib", f"-Wl,--build-id={build_id}", directory / "source.s", "-o", directory / name)
    return directory / "libc.so.6"
