"""What Ctrl-C cuts short is made once in a command, and anew for the next."""

from __future__ import annotations

from types import SimpleNamespace

from gdbheap.session.target import Key, Target

FIRST: Key[SimpleNamespace] = Key("first")
SECOND: Key[SimpleNamespace] = Key("second")
# What a Target takes from its debugger at once.
ASKED = ["setting", "typed", "pointed_to", "symbol_at", "demangled", "stack_place", "call_source"]
ASKED += ["evaluate_in_frame", "detach", "say", "check_recording"]


def test_what_ctrl_c_cut_short_is_not_begun_again_in_the_same_command():
    made: list[str] = []

    def make(name: str, interrupted: bool) -> SimpleNamespace:
        made.append(name)
        return SimpleNamespace(interrupted=interrupted)

    def ask(interrupted: bool) -> None:
        target.keep(FIRST, lambda _: make("first", interrupted))
        target.keep(SECOND, lambda _: make("second", False))

    debugger = SimpleNamespace(stop_key=lambda: 1, **dict.fromkeys(ASKED))
    target = Target(debugger)  # type: ignore[arg-type]
    target.begin()
    ask(interrupted=True)
    ask(interrupted=True)
    assert made == ["first", "second"]
    # The second was made of what was cut short.
    target.begin()
    ask(interrupted=False)
    assert made == ["first", "second"] * 2
    target.begin()
    ask(interrupted=False)
    assert made == ["first", "second"] * 2
