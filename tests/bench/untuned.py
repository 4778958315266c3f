"""A C program that nobody tuned anything for: thirty structs with members drawn by lot, and as many objects of them as
one asks for, some lost."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

_STRUCTS = 30
_MAIN = r"""
int main(int argc, char **argv) {
  size_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
  for (int i = 0; i < STRUCTS; i++)
    pools[i].object = calloc(count / STRUCTS + 1, sizeof(void *));
  for (size_t i = 0; i < count; i++) {
    int kind = (int)(drawn() % STRUCTS);
    void *made = makers[kind]();
    if (drawn() % 50 && pools[kind].used < count / STRUCTS)
      pools[kind].object[pools[kind].used++] = made;
  }
  inspected();
  return 0;
}
"""


def source(seed: int = 1) -> str:
    """Return the program's text."""
    lot = random.Random(seed)
    lines = [
        "#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>",
        f"enum {{ STRUCTS = {_STRUCTS} }};",
        "static uint64_t drawn(void) { static uint64_t state = 1; state = state * 6364136223846793005u + "
        "1442695040888963407u; return state >> 33; }",
        "static struct pool { void **object; size_t used; } pools[STRUCTS];",
        "static void *any(int kind) { struct pool *of = &pools[kind]; return of->used && drawn() % 8 ? "
        "of->object[drawn() % of->used] : NULL; }",
        '__attribute__((noinline)) void inspected(void) { __asm__ volatile(""); }',
    ]
    makers = []
    for number in range(_STRUCTS):
        members, filled = _members(lot, number)
        kind = f"struct kind{number}"
        lines.append(f"{kind} {{ {' '.join(members)} }}; static {kind} *table{number};")
        lines.append(
            f"static void *make{number}(void) {{ {kind} *made = calloc(1, sizeof *made); {' '.join(filled)} "
            f"if (drawn() % 1000 == 0) table{number} = made; return made; }}"
        )
        makers.append(f"make{number}")
    lines.append(f"static void *(*const makers[])(void) = {{{', '.join(makers)}}};")
    return "\n".join(lines) + _MAIN


def build(directory: Path, seed: int = 1) -> Path:
    """Return the program, compiled in the directory."""
    path, program = directory / "untuned.c", directory / "untuned"
    path.write_text(source(seed))
    subprocess.run(["cc", "-g", "-O1", str(path), "-o", str(program)], check=True)
    return program


def _members(lot: random.Random, number: int) -> tuple[list[str], list[str]]:
    """Return a struct's members, and what fills them."""
    members, filled = [f"struct kind{number} *next;"], [f"made->next = any({number});"]
    for at in range(lot.randint(1, 9)):
        other, name = lot.randrange(_STRUCTS), f"m{at}"
        kind = lot.choice(("void", "void", "known", "known", "text", "number", "number", "bytes", "small"))
        if kind == "void":
            members.append(f"void *{name};")
            filled.append(f"made->{name} = any({other});")
        elif kind == "known":
            members.append(f"struct kind{other} *{name};")
            filled.append(f"made->{name} = any({other});")
        elif kind == "text":
            members.append(f"char *{name};")
            filled.append(f'if (drawn() % 4 == 0) made->{name} = strdup("text number {at}" + drawn() % 6);')
        elif kind == "bytes":
            members.append(f"unsigned char {name}[{lot.randint(3, 40)}];")
        else:
            members.append(f"{'long' if kind == 'number' else 'short'} {name};")
            filled.append(f"made->{name} = (short)drawn();")
    return members, filled
