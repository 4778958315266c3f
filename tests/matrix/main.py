"""Set up all that the tests need, run them, and end with `N passed, N failed`.

As root: on every Debian system of the matrix, each a root directory made by mmdebstrap and kept in ~/.cache/gdbheap.
Otherwise, or with --own: on this machine's own system alone. Words it does not know go to pytest.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from gdbheap.errors import HeapError
from matrix import roots
from matrix.environment import cache_directory, virtual_environment
from matrix.guest import GUEST
from matrix.outcome import Outcome, table
from matrix.progress import say
from matrix.runs import Run, matrix, newcomers, own_system, write_pages

NEWCOMER = "bookworm"  # where the demo runs on a fresh system in every whole run


def main(checkout: Path) -> int:
    """Do what the command line asks for; return the exit code: 0 only if something passed and nothing failed."""
    options, words = arguments()
    try:
        outcomes = run(checkout, options, words)
    except (HeapError, subprocess.CalledProcessError) as error:
        print(f"tests/run: {error}", file=sys.stderr)
        return 1
    lines = table(outcomes)
    print("\n".join(["", *lines]), flush=True)
    return 0 if lines[-1].endswith(" 0 failed") and not lines[-1].startswith("0 ") else 1


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Return the options, and the words that are for pytest."""
    parser = argparse.ArgumentParser(
        prog="tests/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [system.name for system in roots.SYSTEMS]
    parser.add_argument("--system", action="append", choices=names, help="only this system (may be repeated)")
    parser.add_argument("--own", action="store_true", help="only this machine's own system")
    parser.add_argument("--lint-only", action="store_true", help="only ruff and mypy")
    text = "only the demo, on a fresh system with nothing but python3 and git (may be repeated)"
    parser.add_argument("--newcomer", action="append", choices=names, help=text)
    text = "only the tests in a whole aarch64 machine (qemu-system), made on the first use (see CONTRIBUTING.md)"
    parser.add_argument("--guest", action="store_true", help=text)
    text = "only write the answers in README.md and the pages of gdbheap/docs anew"
    parser.add_argument("--readme", action="store_true", help=text)
    text = "every test file in every system that can run it, not only where its subject can differ"
    parser.add_argument("--everywhere", action="store_true", help=text)
    parser.add_argument("--deep", action="store_true", help="many more random cases (GDBHEAP_DEEP)")
    parser.add_argument("--seed", type=int, help="the seed of the random cases, as an earlier run printed it")
    options, words = parser.parse_known_args()
    if not (options.own or options.lint_only or roots.can_enter_roots()):
        if options.system or options.newcomer or options.readme or options.guest:
            parser.error("a system of the matrix needs root and mount namespaces: sudo tests/run")
        say("Not root, or no mount namespaces here: the tests run on this machine's own system, not on the matrix.")
        options.own = True
    return options, words


def run(checkout: Path, options: argparse.Namespace, words: list[str]) -> list[Outcome]:
    """Set up what `options` need and return the outcome of each part, `words` being for pytest."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    say(f"The random seed is {seed} (--seed {seed} runs the same again).")
    tools = virtual_environment(checkout)
    if options.lint_only:
        return lint(checkout, tools)
    if options.newcomer:
        return lint(checkout, tools) + newcomers(checkout, tools, options.newcomer)
    variables = {
        "GDBHEAP_SEED": str(seed),
        "CI": os.environ.get("CI", ""),
        **({"GDBHEAP_DEEP": "1"} if options.deep else {}),
        **{name: os.environ[name] for name in ("GDBHEAP_GUEST_PAGE",) if name in os.environ},
    }
    settings = ["-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    tests = Run(checkout, tools, [*settings, *words], bool(words), variables, options.everywhere)
    if options.readme:
        outcomes = lint(checkout, tools)
        write_pages(tests)
        return outcomes
    if options.own:
        return lint(checkout, tools) + own_system(tests)
    beside = [lambda: lint(checkout, tools)]
    if options.guest:
        return matrix(tests, [GUEST], beside)
    if not (options.system or words):
        beside.append(lambda: newcomers(checkout, tools, [NEWCOMER]))
    systems = [system for system in roots.SYSTEMS if not options.system or system.name in options.system]
    return matrix(tests, systems, beside)


def lint(checkout: Path, tools: Path) -> list[Outcome]:
    """Return the outcome of each check of the source; what one has to say is printed."""
    cache = str(cache_directory())
    commands = {
        "ruff format": ["ruff", "format", "--check", "--cache-dir", f"{cache}/ruff", "."],
        "ruff check": ["ruff", "check", "--cache-dir", f"{cache}/ruff", "."],
        "mypy": ["mypy", "--cache-dir", f"{cache}/mypy"],
        "mypy tests/matrix": ["mypy", "--cache-dir", f"{cache}/mypy", "tests/matrix"],
    }
    outcomes = []
    for name, (program, *words) in commands.items():
        begun = time.monotonic()
        result = subprocess.run([tools / program, *words], cwd=checkout, capture_output=True, text=True)
        good = result.returncode == 0
        say(f"{name}: {'good' if good else 'not good'}")
        if not good:
            print(result.stdout + result.stderr, flush=True)
        trouble = "" if good else f"exit code {result.returncode}"
        outcomes.append(Outcome(name, int(good), seconds=time.monotonic() - begun, trouble=trouble))
    return outcomes
