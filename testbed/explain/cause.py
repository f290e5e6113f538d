"""What a cause is: what probably led to a failed objective, and what speaks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from testbed.explain.case import Case
from testbed.explain.chain import Occurrence
from testbed.result.verdict import Verdict


@dataclass(frozen=True)
class Cause:
    """``key`` names it from run to run; ``weight`` from 0 to 1 is how much speaks for it; ``grounds`` are sentences."""

    key: str
    sentence: str
    weight: float
    grounds: tuple[str, ...] = ()


Look = Callable[[Case, Verdict], Cause | None]
"""Looks whether a cause led to a verdict's failure."""


def at(t_ns: float) -> str:
    """Return a time since the start for people."""
    return f"{t_ns / 1e9:.2f} s"


def quoted(said: Occurrence) -> str:
    """Return what was said, when and by whom."""
    return f"{at(said.t_ns)}: {said.source} said {said.what!r}"
