"""Keeps a lab: the process outside of its sandbox that lives as long as it stands, and dies with it.

``python -m testbed.standing.keeper`` reads an LabOrder from standard input and tells the lab's progress on standard
output. Until the lab stands, the end of standard input is the wish that it ends; SIGTERM is that at any time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from testbed.errors import TestbedError
from testbed.lab import hold
from testbed.lab.bench import Chosen
from testbed.run import launch, progress
from testbed.run.placement import Stay
from testbed.run.progress import Event, Note, Standing
from testbed.standing import registry
from testbed.standing.registry import Claim, StandingLab

PROGRAM = "testbed.standing.inside"


@dataclass(frozen=True)
class LabOrder:
    """What is to stand: the job in ``folder``, made of ``what``, under a ``name`` (``exactly`` this one?), for so long,
    with the hub of a bench where one is named."""

    folder: str
    name: str
    what: str
    for_ns: int
    exactly: bool = False
    bench: str = ""
    hub: str = ""
    wait: bool = False


class _Voice:
    """Tells whoever brought the lab up; afterwards nobody listens."""

    def __init__(self) -> None:
        self.standing = False

    def __call__(self, event: Event) -> None:
        self.standing = self.standing or isinstance(event, Standing)
        with suppress(BrokenPipeError):
            progress.write(event, sys.stdout)
        if isinstance(event, Standing):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())  # who reads it learns so that there is no more to come
            os.close(nowhere)


@dataclass
class Keeping:
    """A name that is held for a lab, what others see of it, and how its sandbox stays there."""

    claim: Claim
    entry: StandingLab
    program: str
    for_ns: int
    outcomes: tuple[str, ...] | None = ()

    def __post_init__(self) -> None:
        self.claim.write(self.entry)

    @property
    def stays(self) -> launch.Stays:
        """How the sandbox stays."""
        stay = Stay(self.claim.name, self.claim.listener.fileno(), self.for_ns, self.outcomes)
        return launch.Stays(self.program, stay, lambda pid: self._tell(init=pid))

    def hear(self, event: Event) -> None:
        """Let others see until when the lab stands, as soon as it does."""
        if isinstance(event, Standing):
            self._tell(until_ns=event.until_ns)

    def _tell(self, **known: Any) -> None:
        self.entry = replace(self.entry, **known)
        self.claim.write(self.entry)


def keep(order: LabOrder, tell: _Voice) -> int:
    """Let a lab stand until it ends; return its exit status. Raises what keeps it from it."""
    chosen = Chosen(Path(order.bench), order.hub) if order.bench else None
    now_ns = time.time_ns()
    with (
        hold.held(chosen, f"lab {order.name}", now_ns, wait=order.wait, tell=lambda said: tell(Note(said))) as lock,
        registry.claimed(order.name, exactly=order.exactly) as claim,
    ):
        entry = StandingLab(claim.name, order.what, order.folder, registry.user(), os.getpid(), now_ns)
        keeping = Keeping(claim, entry, PROGRAM, order.for_ns)

        def show(event: Event) -> None:
            keeping.hear(event)  # first: who is told that it stands looks it up
            tell(event)

        return launch.play(Path(order.folder), chosen, show, lock, keeping.stays)


def main() -> int:
    """Keep the lab that is ordered on standard input."""
    order = msgspec.json.decode(sys.stdin.readline(), type=LabOrder)
    tell = _Voice()
    main_thread = threading.main_thread().ident or 0

    def listen() -> None:
        sys.stdin.read()
        if not tell.standing:
            signal.pthread_kill(main_thread, signal.SIGINT)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background may have had it ignored
    threading.Thread(target=listen, daemon=True).start()
    try:
        return keep(order, tell)
    except TestbedError as error:
        tell(Note(str(error), error=True))
        return error.exit_status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
