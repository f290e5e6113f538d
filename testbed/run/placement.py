"""Where a job is played: what the process in the sandbox is told on its standard input."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.model.capture import CaptureWish
from testbed.model.times import REAL
from testbed.result.provenance import Versions

END = "end"
"""The line that asks a run, on its standard input, to end and to write what it has."""


@dataclass(frozen=True)
class Stay:
    """A lab that is there for hands, too: its ``name``, its control socket's file number, how long it stands by itself,
    and, of a run that is held at its end, with which ``outcomes`` (none: all; None: it is looked at, and not held)."""

    name: str
    control: int
    for_ns: int
    outcomes: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Placement:
    """The run's ``folder``, which holds its job; whether it is ``alone``: in a sandbox, where all processes that it
    sees are its own; the link engine's own ``core``; where the hub is not virtual, the file of the host's ``bench``,
    the name of its ``hub``, and the socket of the ``lender`` to ask for its NICs; whether its ``time`` is REAL or
    VIRTUAL; of a lab that stands, the ``stay``; in virtual time the ``versions`` of what runs, which the host has
    looked up; which packets to ``capture``, if any; the socket of the ``custodian`` of its tenant, where that is a
    storage account."""

    folder: str
    alone: bool = False
    core: int | None = None
    bench: str | None = None
    hub: str = ""
    lender: int | None = None
    time: str = REAL
    stay: Stay | None = None
    versions: Versions | None = None
    capture: CaptureWish | None = None
    custodian: int | None = None
