"""`python3 -m gdbheap COMMAND --core CORE` (or --pid PID): a command of gdbheap's, answered without gdb."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap import packages
from gdbheap.bundle.extract import is_bundle
from gdbheap.bundle.opened import opened_bundle
from gdbheap.commands import MODULES, command_named, name_of
from gdbheap.elf.cache import SymbolCache, cache_directory
from gdbheap.elf.debug_search import DebugSearch, debuginfod_cache
from gdbheap.errors import PackagesMissing, UsageError
from gdbheap.interface.arguments import answer_file, parse, suggest
from gdbheap.interface.command import Command
from gdbheap.interface.limit import limited, rows_wanted
from gdbheap.interface.manual import manual
from gdbheap.interface.shell_commands import Spell, spelled_by, with_commands_spelled
from gdbheap.interface.words import ShellWords
from gdbheap.report.charset import in_charset
from gdbheap.report.deliver import STANDARD_OUTPUT, OutputForm, form_of, to_file, to_screen
from gdbheap.report.progress import Progress
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.without_gdb.reader import Files, Reader

# These want the process to run on, or gdb's own types.
_GDB_ALONE = frozenset(("heap record", "heap view"))
_FIRST = frozenset(name_of(module).split()[0] for module in MODULES)
# These look at instructions, which takes a package that need not be there.
_DECODING = frozenset(("fault", "explain", "heap check", "heap predict"))
_UNDECODED = "read without gdb: instructions are not decoded; that needs the package capstone (pip install capstone)"


def is_command(words: Sequence[str]) -> bool:
    """Whether the words begin with the name of one of gdb's commands."""
    return bool(words) and words[0] in _FIRST - {"gdbheap"}


def run(words: Sequence[str]) -> int:
    """Answer the command that the words are; return the exit code: 0 answered, 1 not. HeapError where it cannot be."""
    command, rest = _command(words)
    options, rest = core_options(command.name).parse_known_args(rest)
    if options.help:
        print(manual(command))
        return 0
    if (options.core is None) == (options.pid is None):
        raise UsageError(f"{command.name} needs a core or a process to look at: --core CORE or --pid PID")
    if command.name in _GDB_ALONE:
        way = f"core {shlex.quote(options.core)}" if options.pid is None else f"attach {options.pid}"
        raise UsageError(f"{command.name} needs gdb: python3 -m gdbheap {way}")
    packages.use()
    if missing := packages.missing():
        raise PackagesMissing(packages.not_installed(missing), packages.setup_command())
    with ExitStack() as hold:
        return _answer(command, reader_of(options, hold), rest, spelled_by(options, _is_answered_here))


def _is_answered_here(words: Sequence[str]) -> bool:
    return is_command(words) and " ".join(words[:2]) not in _GDB_ALONE


def _answer(command: Command, reader: Reader, rest: Sequence[str], spell: Spell) -> int:
    target = Target(reader)
    on_terminal = sys.stdout.isatty()
    target.begin(Progress(_say) if on_terminal else None)
    arguments = parse(command, " ".join(rest), target.evaluate)
    report = command.run(target, arguments)
    undecoded = (_UNDECODED,) if command.name in _DECODING and not packages.is_there("capstone") else ()
    cut_short = (target.cut_short,) if target.cut_short else ()
    report = replace(report, notes=(*report.notes, *cut_short, *undecoded, *reader.remarks))
    if arguments["json"]:
        report = limited(report, rows_wanted(command, arguments))
    if form_of(arguments) is OutputForm.TEXT:
        report = with_commands_spelled(report, spell)
    path = answer_file(command, arguments)
    if path not in (None, STANDARD_OUTPUT):
        sys.stdout.write(to_file(report, path, form_of(arguments)))
        return 0
    on_terminal = on_terminal and path is None
    width = shutil.get_terminal_size().columns if on_terminal else None
    colour = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    form = form_of(arguments)
    to_screen(report, lambda text: sys.stdout.write(in_charset(text, sys.stdout.encoding)), form, width, colour)
    return 0


def _command(words: Sequence[str]) -> tuple[Command, list[str]]:
    """Return the command whose name the words begin with, the longest, and the words behind it."""
    names = {name_of(module) for module in MODULES}
    if " ".join(words[:2]) in names:
        return command_named(" ".join(words[:2])), list(words[2:])
    below = sorted(name.split()[1] for name in names if name.startswith(f"{words[0]} "))
    if below and len(words) > 1 and not words[1].startswith("-"):
        raise UsageError(f"there is no {words[0]} {words[1]}{suggest(words[1], below)}; there are {', '.join(below)}")
    return command_named(words[0]), list(words[1:])


def core_options(command: str = "COMMAND") -> ShellWords:
    """Return what reads the words that say which core, and where its files are."""
    parser = ShellWords(f"gdbheap {command}", add_help=False, allow_abbrev=False, others_follow=True)
    parser.add_argument("--core")
    parser.add_argument("--pid", type=_pid)
    parser.add_argument("--program")
    parser.add_argument("--sysroot", default="")
    parser.add_argument("--debug-dir", action="append", default=[])
    parser.add_argument("--debuginfod", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    return parser


def _pid(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise UsageError(f"--pid takes the number of a process, not {text}")
    return int(text)


def reader_of(options: argparse.Namespace, hold: ExitStack) -> Reader:
    """Return the core or process that the options of core_options() name; what must stay as it is until all is read is
    let go of by `hold`. HeapError where there is none."""
    # They bring pyelftools, which is not there before `setup` has installed it.
    if getattr(options, "pid", None) is not None:  # (triage and pack look at cores alone)
        from gdbheap.without_gdb.live_debugger import live_debugger

        return live_debugger(options.pid, _files(options), hold)
    from gdbheap.without_gdb.core_debugger import core_debugger

    if not is_bundle(options.core):
        return core_debugger(options.core, _files(options))
    bundle = opened_bundle(options.core, hold)
    options = argparse.Namespace(**{**vars(options), "sysroot": bundle.root})
    options.debug_dir = [bundle.debug, *options.debug_dir]
    # (Its files have other names the next time: nothing that is kept of them would be found again.)
    return core_debugger(bundle.core, replace(_files(options), cache=None))


def _files(options: argparse.Namespace) -> Files:
    from gdbheap.without_gdb.reader import Files

    directories = [*options.debug_dir, *([f"{options.sysroot}/usr/lib/debug"] if options.sysroot else [])]
    search = DebugSearch((*directories, "/usr/lib/debug"), debuginfod_cache())
    kept = cache_directory()
    files = Files(SymbolCache(kept) if kept else None, search, _locate(options), search.program)
    asked = getattr(options, "debuginfod", False)
    if not asked:
        return files
    from gdbheap.without_gdb.debuginfod import Debuginfod, urls_of  # it brings urllib

    # (A job of triage's has the servers of whoever started it.)
    urls = urls_of(os.environ) if asked is True else asked
    servers = Debuginfod(urls, _say if sys.stderr is not None and sys.stderr.isatty() else _unsaid)
    return replace(
        files,
        search=replace(search, fetch=lambda build_id: servers.find(build_id, "debuginfo")),
        fetch=lambda build_id: search.program(build_id) or servers.find(build_id, "executable"),
        remarks=servers.remarks,
    )


def _locate(options: argparse.Namespace) -> Callable[[str], str]:
    """Return what says where a file of the core's is here: the program that was named, what the sysroot has, or the
    file of the same name. (Whether it is the very same is told by build-ids.)"""

    def locate(path: str) -> str:
        if options.program and os.path.basename(options.program) == os.path.basename(path):
            return str(options.program)
        inside = f"{options.sysroot}{path}"
        return inside if options.sysroot and os.path.exists(inside) else path

    return locate


def _unsaid(text: str) -> None:
    """Nobody waits at a terminal."""


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
