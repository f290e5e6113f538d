"""What the process in the sandbox is told on its standard input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from testbed.run.plan import Plan


@dataclass(frozen=True)
class Job:
    """What the process in the sandbox is told on its standard input."""

    scenario: str
    folder: str
    core: int | None = None  # the link engine's own
    changes: tuple[str, ...] = ()  # KEY=VALUE, to the scenario
    bench: str | None = None  # its file
    lender: int | None = None  # the socket to ask for the bench's NICs
    link: str = "native"  # the back end of the emulated links

    @classmethod
    def of(cls, made: Plan, folder: Path) -> Job:
        """Return the job of running a plan."""
        bench_file = str(made.bench_path) if made.bench_path else None
        changes = tuple(map(str, made.changes))
        return cls(str(made.path), str(folder), changes=changes, bench=bench_file, link=made.link)

    @classmethod
    def read(cls, line: str) -> Job:
        return cls(**json.loads(line))
