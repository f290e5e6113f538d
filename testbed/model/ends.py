"""The unasked end of one of the testbed's own parts, in the middle of what it was needed for."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.units import format_duration

EVERYTHING = ""
"""What rests on a part that all of the lab needs: the engine, a name service, the tenant."""


@dataclass(frozen=True)
class End:
    """A part that ended although nothing asked it to.

    ``of`` is the traffic that rests on it, or EVERYTHING; ``at_ns`` when it was noticed, in ns since the
    run's start; ``how`` it ended; ``said`` its last words.
    """

    part: str
    of: str
    at_ns: int
    how: str
    said: str = ""

    def __str__(self) -> str:
        when = f"at {format_duration(self.at_ns)}" if self.at_ns >= 0 else "before the start"
        return f"{self.part} ended {when}: {self.how}"
