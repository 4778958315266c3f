"""What an answer in a shell leads to can be typed where it stands; and one without gdb says what it lacks."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.interface.shell_commands import one_shots, spelled_by, with_commands_spelled
from gdbheap.report.report import Column, Line, Next, Report, Table
from gdbheap.report.text import text_lines
from gdbheap.without_gdb.command_line import core_options, is_command
from gdbheap.without_gdb.missing_files import missing_files
from support.made_process import made_process

LEADS = ("heap leaks --why 0x1000", "heap retained server->all", "info locals", "shell ls -l page.html")
SESSION = ("continue", "catch throw")


def said(spell, leads=LEADS):
    rows = [Line((("dim", "  next     "), ("command", each))) for each in leads]
    rows.append(Line((("dim", "  catch    "), ("later", "watch *(long *)0x1000"))))
    table = Table((Column("verdict"),), [("x",)], [("x",), *rows])
    report = Report("fault", (table,), next=tuple(Next(each) for each in leads[1:]))
    return "".join(text_lines(with_commands_spelled(report, spell)))


def without_gdb(*words):
    options, _ = core_options("fault").parse_known_args(words)
    return said(spelled_by(options, is_command))


def test_each_command_is_one_of_the_shell_and_what_gdb_alone_has_is_left_out():
    assert without_gdb("--core", "a core", "--program", "bin/server", "--debug-dir", "d") == (
        "verdict\n"
        "x\n"
        "  next     python3 -m gdbheap heap leaks --why 0x1000 --core 'a core' --program bin/server --debug-dir d\n"
        "  next     python3 -m gdbheap heap retained 'server->all' --core 'a core' --program bin/server --debug-dir d\n"
        "  next     ls -l page.html\n"
        "  catch    watch *(long *)0x1000\n"
        "next: python3 -m gdbheap heap retained 'server->all' --core 'a core' --program bin/server --debug-dir d, "
        "ls -l page.html\n"
    )
    assert "heap leaks --why 0x1000 --pid 12\n" in without_gdb("--pid", "12")


def test_where_gdb_answers_and_ends_each_command_starts_it_again():
    assert said(one_shots(["--gdb", "my gdb", "core", "a core"]), (*LEADS, *SESSION)) == (
        "verdict\n"
        "x\n"
        "  next     python3 -m gdbheap --gdb 'my gdb' core 'a core' --do 'heap leaks --why 0x1000'\n"
        "  next     python3 -m gdbheap --gdb 'my gdb' core 'a core' --do 'heap retained server->all'\n"
        "  next     python3 -m gdbheap --gdb 'my gdb' core 'a core' --do 'info locals'\n"
        "  next     ls -l page.html\n"
        "  catch    watch *(long *)0x1000\n"
        "next: python3 -m gdbheap --gdb 'my gdb' core 'a core' --do 'heap retained server->all', "
        "python3 -m gdbheap --gdb 'my gdb' core 'a core' --do 'info locals', ls -l page.html\n"
    )


def test_what_is_not_here_is_told():
    process = made_process()
    assert process.main is not None
    main = replace(process.main, file="/bin/true")
    library = replace(main, path="/lib/libc.so.6", load_base=0x1000)
    vdso = replace(library, path="[vdso]", file=None)
    assert list(missing_files(replace(process, modules=(main, library, vdso), main=main))) == []
    main, library = replace(main, file=None), replace(library, file=None)
    program, libraries = missing_files(replace(process, modules=(main, library, vdso), main=main))
    assert program.startswith(f"{main.path}, the program, is not here") and "--program FILE" in program
    assert libraries.startswith("1 library is not here") and "(libc.so.6)" in libraries and "--sysroot DIR" in libraries
