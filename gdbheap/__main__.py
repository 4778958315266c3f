"""`python3 -m gdbheap`: start gdb with gdbheap loaded, set up what it needs, say what is missing, show it at work."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Optional

from gdbheap import __version__, packages
from gdbheap.commands import MODULES, name_of
from gdbheap.commands.heap_diff import diff_report, growth
from gdbheap.errors import HeapError, MayNotLook, PackagesMissing, Refused
from gdbheap.interface.limit import limited
from gdbheap.interface.unanswered import say_why
from gdbheap.interface.words import MISUSED, Misused, ShellWords, asks_json
from gdbheap.launch import demo, doctor, launcher, leak_gate, one_shot, places, setup
from gdbheap.launch.gate_answer import DEFAULT_KINDS, KINDS, TROUBLE, gate_answer
from gdbheap.launch.help import show_page
from gdbheap.launch.refused import why_refused
from gdbheap.launch.report import write_report
from gdbheap.launch.suppressions import read_suppressions
from gdbheap.report.charset import in_charset
from gdbheap.report.deliver import STANDARD_OUTPUT, form_of, to_file, to_screen
from gdbheap.triage.words import add_words
from gdbheap.without_gdb.command_line import is_command
from gdbheap.without_gdb.command_line import run as run_command

_SUPPRESSIONS = "a file of known leaks, in gdbheap's own form, Valgrind's or LeakSanitizer's; may be repeated"

# So many rows of diff are shown where nobody says how many.
_SHOWN = 50

# What a shell says of a command that SIGPIPE has ended.
_BROKEN_PIPE = 141

Act = Callable[[argparse.Namespace], Optional[int]]
AddCommand = Callable[[str, str, Act], argparse.ArgumentParser]

EPILOG = """\
In a gdb that already runs: source {init}
Every command of gdbheap there: help gdbheap
The same on a core without gdb: gdbheap heap leaks --core CORE [--program FILE] [--sysroot DIR] [--debug-dir DIR]
(--debuginfod: what is not here comes from the servers of DEBUGINFOD_URLS)
"""


def main(words: Sequence[str] | None = None) -> int:
    """Do what `words` (or the command line) ask for; return the exit code. An error is one line on stderr."""
    words = sys.argv[1:] if words is None else words
    try:
        code = _act(words)
        if sys.stdout is not None:
            sys.stdout.flush()  # whoever reads no further is met here, not while Python ends
        return code
    except (HeapError, MemoryError) as error:
        say_why(words, _named(words), error, asks_json(words))
        return MISUSED if isinstance(error, Misused) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `gdbheap doctor | head -1`: whoever read has enough
        os._exit(_BROKEN_PIPE)  # without a last attempt to write what is left


def _act(words: Sequence[str]) -> int:
    if is_command(words):
        try:
            return run_command(words)
        except MayNotLook as error:
            refusal = why_refused(error.pid, "gdbheap", words)
            raise Refused(refusal.text, *refusal.commands) from None
    asked = _parser().parse_args(words)
    return asked.act(asked) or 0


def _named(words: Sequence[str]) -> str:
    """Return the name of the command that the words begin with."""
    two = " ".join(words[:2])
    return two if two in map(name_of, MODULES) else "".join(words[:1])


def _parser() -> ShellWords:
    parser = ShellWords(
        prog="gdbheap",
        description="The heap debugger for C and C++ on Linux: gdb with the commands heap, vmmap and more.",
        epilog=EPILOG.format(init=places.gdb_init()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gdbheap {__version__}")
    parser.add_argument("--gdb", default="gdb", metavar="PATH", help="the gdb to use (the one on PATH)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, summary: str, act: Act) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        sub.set_defaults(act=act)
        return sub

    _gdb_words(command)
    command("demo", "install what is missing and show gdbheap at work on a small program", _demo)
    command("setup", "install what is missing", _set_up)
    command("doctor", "say what is found, what is missing, and how to fix it", lambda o: doctor.report(o.gdb))
    page = command("help", "read a page of the manual: leaks, crashes, memory and more", lambda o: show_page(o.topic))
    page.add_argument("topic", metavar="TOPIC", nargs="?", help="the page (without: a list of them)")
    _leak_words(command("leaks", "run a program to its end and say what it leaked (exit status 1), for CI", _leaks))
    _bundle_words(
        command("pack", "put a core and the files behind it into one file, to be read elsewhere", _pack),
        command("unpack", "unpack what pack has made, and say how to look at it", _unpack),
    )
    add_words(command("triage", "read many cores and group them by cause", _triage), _size, _count)
    diff = command(
        "diff", "say what grew between two or three snapshots (exit status 1: something grew; 2: trouble)", _diff
    )
    diff.add_argument("snapshots", metavar="SNAPSHOT", nargs="+", help="a name, or a path with a /")
    diff.add_argument("--count", type=_count, metavar="N", help="show at most N rows (50); 0 shows all")
    _add_json(diff)
    text = "growth up to this passes: bytes, or with a unit (10M); with three snapshots, steady growth counts (0)"
    diff.add_argument("--fail-over", type=_size, default=0, metavar="SIZE", help=text)
    return parser


def _gdb_words(command: AddCommand) -> None:
    """Add the commands that start gdb."""

    def gdb_command(name: str, summary: str, act: Act) -> argparse.ArgumentParser:
        sub = command(name, summary, act)
        text = "an option for gdb itself; may be repeated (--gdb-option=-q)"
        sub.add_argument("--gdb-option", action="append", default=[], metavar="OPTION", help=text)
        return sub

    run = gdb_command("run", "debug a program", lambda o: _start(o, lambda gdb: gdb.run(o.program, o.arguments)))
    run.add_argument("program", metavar="PROGRAM")
    run.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="arguments of PROGRAM")
    attach = gdb_command("attach", "look at a running process", _attach)
    attach.add_argument("pid", metavar="PID", type=int)
    core = gdb_command("core", "look at a core file", _core)
    core.add_argument("core", metavar="CORE")
    core.add_argument("program", metavar="PROGRAM", nargs="?", help="the program that left it, if CORE does not tell")
    text = "answer this command of gdb's or gdbheap's and end; may be repeated (--do fault --do 'heap leaks --json')"
    for each in (attach, core):
        each.add_argument("--do", action="append", default=[], metavar="COMMAND", help=text)
    report = gdb_command("report", "write one HTML page with everything about a process or a core", _report)
    report.add_argument("target", metavar="PID|CORE")
    text = "the file to write (heap-PID.html, CORE.html; -: standard output)"
    report.add_argument("file", metavar="FILE", nargs="?", help=text)


def _leak_words(leaks: argparse.ArgumentParser) -> None:
    leaks.add_argument("--suppressions", action="append", default=[], metavar="FILE", help=_SUPPRESSIONS)
    leaks.add_argument(
        "--errors-for-leak-kinds",
        type=_leak_kinds,
        default=DEFAULT_KINDS,
        metavar="KINDS",
        help=f"what counts as a leak, with commas: {', '.join(KINDS)}, all, none (definite,possible)",
    )
    leaks.add_argument("--follow-children", action="store_true", help="watch the processes that it forks as well")
    text = "stop at the system calls themselves, to see exits that bypass libc too (about 0.05 ms for each system call)"
    leaks.add_argument("--system-calls", action="store_true", help=text)
    _add_json(leaks)
    text = "write the answer there (-: to standard output; otherwise to standard error)"
    leaks.add_argument("--output", metavar="FILE", help=text)
    leaks.add_argument("program", metavar="PROGRAM")
    leaks.add_argument("arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="arguments of PROGRAM")


def _bundle_words(pack: argparse.ArgumentParser, unpack: argparse.ArgumentParser) -> None:
    pack.add_argument("core", metavar="CORE")
    pack.add_argument("--output", metavar="FILE", help="the file to write (CORE.gdbheap.tar.gz)")
    pack.add_argument("--program", metavar="FILE", help="the program that left the core, where it lies elsewhere")
    pack.add_argument("--sysroot", default="", metavar="DIR", help="directory with the files that the core names")
    text = "where files with debug information are; may be repeated"
    pack.add_argument("--debug-dir", action="append", default=[], metavar="DIR", help=text)
    pack.add_argument(
        "--debuginfod", action="store_true", help="ask the servers of DEBUGINFOD_URLS for files that are not here"
    )
    unpack.add_argument("bundle", metavar="BUNDLE")
    unpack.add_argument("directory", metavar="DIR", nargs="?", help="a new directory (CORE.d)")


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="answer in JSON")
    command.add_argument("--json-lines", action="store_true", help="the same, one row a line")


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+) ?([kmgt]?)(?:i?b)?", text.lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"takes bytes, or a size as 10M, not {text!r}")
    return int(match[1]) << 10 * " kmgt".index(match[2] or " ")


def _leak_kinds(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := [each for each in names if each not in (*KINDS, "all", "none")]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(KINDS)}, all, none")
    return KINDS if "all" in names else tuple(each for each in names if each != "none")


def _leaks(options: argparse.Namespace) -> int:
    try:
        suppressions = read_suppressions(options.suppressions)
        gate = leak_gate.Gate(
            launcher.Launch(options.gdb),
            options.program,
            options.arguments,
            options.follow_children,
            options.system_calls,
            suppressions.by_place,
        )
        processes, failure = leak_gate.run_gate(gate)
        report, status = gate_answer(processes, failure, options.errors_for_leak_kinds, suppressions)
        if options.output and options.output != STANDARD_OUTPUT:
            to_file(report, options.output, form_of(vars(options)))
        elif stream := sys.stdout if options.output else sys.stderr:
            to_screen(report, stream.write, form_of(vars(options)), None, stream.isatty())
    except HeapError as error:
        say_why(["leaks", f"--output={options.output}"], "leaks", error, options.json or options.json_lines)
        return TROUBLE
    return status


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"takes a number, not {text!r}")
    return int(text)


def _diff(options: argparse.Namespace) -> int:
    """Return 0 where nothing grew by more than is let pass, 1 where it did, as diff(1) does; 2 for trouble."""
    try:
        if "numpy" in packages.missing():
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise PackagesMissing(
                f"diff needs numpy, which is not installed for Python {version}: apt install python3-numpy (or pip "
                "install numpy)"
            )
        report = diff_report(options.snapshots, _SHOWN if options.count is None else options.count)
    except (HeapError, MemoryError) as error:
        say_why(["diff"], "diff", error, options.json or options.json_lines)
        return TROUBLE
    if options.json or options.json_lines:
        report = limited(report, options.count)
    to_screen(report, _write, form_of(vars(options)), None, sys.stdout.isatty())
    return int(growth(report) > options.fail_over)


def _pack(options: argparse.Namespace) -> int:
    from gdbheap.without_gdb.pack import pack  # what no other command needs

    return pack(options)


def _unpack(options: argparse.Namespace) -> int:
    from gdbheap.bundle.unpack import unpack  # what no other command needs

    return unpack(options)


def _triage(options: argparse.Namespace) -> int:
    from gdbheap.triage.command_line import triage  # what no other command needs

    return triage(options)


def _write(text: str) -> None:
    sys.stdout.write(in_charset(text, sys.stdout.encoding))


def _start(options: argparse.Namespace, words: Callable[[launcher.Launch], list[str]]) -> None:
    launcher.start(words(launcher.Launch(options.gdb, options.gdb_option)))


def _attach(options: argparse.Namespace) -> int:
    launch = launcher.Launch(options.gdb, options.gdb_option)
    if options.do:
        return one_shot.do_on_process(launch, options.pid, options.do)
    return launcher.start(one_shot.session_words(launch, options.pid))


def _core(options: argparse.Namespace) -> int:
    launch = launcher.Launch(options.gdb, options.gdb_option)
    if options.do:
        return one_shot.do_on_core(launch, options.core, options.program, options.do)
    return launcher.start(launch.core(options.core, options.program))


def _report(options: argparse.Namespace) -> int:
    return write_report(launcher.Launch(options.gdb, options.gdb_option), options.target, options.file)


def _set_up(options: argparse.Namespace) -> None:
    setup.set_up(options.gdb)


def _demo(options: argparse.Namespace) -> None:
    demo.run_demo(setup.set_up(options.gdb, compiler=True))


if __name__ == "__main__":
    sys.exit(main())
