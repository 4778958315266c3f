"""Where the commands that an answer leads to are typed: at gdb's prompt, or in the shell that asked for one answer."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.report.report import Report


class WhereTyped:
    """`before` are the words of the shell's command before `--do`; none: gdb has a prompt."""

    before: Sequence[str] = ()

    def report(self, report: Report) -> Report:
        """Return the report for people with its commands as they are typed."""
        if not self.before:
            return report
        from gdbheap.interface.shell_commands import one_shots, with_commands_spelled  # for one-shots alone

        return with_commands_spelled(report, one_shots(self.before))


TYPED = WhereTyped()
