"""Fault: what is broken, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A broken invariant, as a value: `message` in the words that malloc would abort with where it has any,
    `detail` what the field holds and what it should hold."""

    address: int
    message: str
    detail: str = ""
