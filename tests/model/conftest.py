"""Drivers that live for the whole session, and the count of what they performed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gdbheap.model.trace import Operation
from support.replay import Outcome, Server, compile_driver

Compare = Callable[[int, "dict[str, int]", "list[Operation]"], Outcome]
_counts: Counter[tuple[str, str]] = Counter()
steps: set[str] = set()


@pytest.fixture(scope="session")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compare]:
    """Perform a trace on this system's malloc and on the model, with this word size and these tunables; Disagreement
    if they differ."""
    directory: Path = tmp_path_factory.mktemp("replay")
    programs: dict[int, Path] = {}
    servers: dict[tuple[int, tuple[tuple[str, int], ...]], Server] = {}

    def run(pointer_size: int, tunables: dict[str, int], trace: list[Operation]) -> Outcome:
        if pointer_size not in programs:
            programs[pointer_size] = compile_driver(directory, pointer_size)
        key = (pointer_size, tuple(tunables.items()))
        if key not in servers:
            servers[key] = Server(programs[pointer_size], pointer_size, tunables)
        outcome = servers[key].compare(trace)
        name = f"glibc {servers[key].version}, {8 * pointer_size} bit"
        _counts[name, "traces"] += 1
        _counts[name, "operations"] += outcome.operations
        _counts[name, "checkpoints"] += outcome.checkpoints
        _counts[name, "aborts"] += outcome.end != "exit"
        return outcome

    yield run
    for server in servers.values():
        server.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many traces the model and the real malloc agreed on."""
    for name in sorted({name for name, _ in _counts}):
        numbers = ", ".join(
            f"{_counts[name, what]} {what}" for what in ("traces", "operations", "checkpoints", "aborts")
        )
        terminalreporter.write_line(f"model = malloc ({name}): {numbers}, no disagreement")
