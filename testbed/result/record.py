"""What result.json holds, and how it is written and read. See docs/result-schema.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from testbed.errors import InputError
from testbed.metrics.decomposition import Decomposition
from testbed.metrics.ledger import Entry
from testbed.model.bench import VIRTUAL
from testbed.model.capture import Capture
from testbed.model.ends import End
from testbed.model.facts import Facts
from testbed.model.tenant import TenantFacts
from testbed.model.times import REAL
from testbed.result import grounds
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.provenance import Host, Versions
from testbed.result.verdict import Verdict, exit_status

SCHEMA = 1
ASSUMED_NS = 100_000
"""What a host that was not calibrated is assumed to add to a round trip: twice what a calm one shows."""
MISSED = "the emulation missed its fidelity budget"


class State(StrEnum):
    """How far a run came. ``running`` in the file of a run that is over means that it was killed."""

    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Input:
    """A file that the outcome depends on: role (scenario, topology, trace of starlink ...), name and hash."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class StepTime:
    """A step of the run, in CLOCK_REALTIME ns; ``ended_ns`` is None while it lasts or where it was cut."""

    name: str
    began_ns: int
    ended_ns: int | None = None


@dataclass(frozen=True)
class Mishap:
    """A step of the run's end that went wrong, and what it said: nothing of the verdicts rests on it."""

    step: str
    said: str


@dataclass(frozen=True)
class Fidelity:
    """The emulation's own certificate in short.

    ``valid`` it kept its budget; ``reason`` why not; ``rtt_error_p95_ns`` see docs/metrics.md;
    ``stolen_share`` what the hypervisor took of the processors' time during the scenario;
    ``links`` the back end's own figures, one mapping for each link and direction; ``missing`` what
    this back end cannot tell, so that it was not held against the budget; ``calibrated_ns`` what this host
    adds to a round trip (p99 over a plain veth), None where it was not calibrated and is assumed;
    ``waited_ns_max`` how long at most a thread of the lab that made no pause waited for a processor, and ``waited``
    whose it was; None where nobody looked.
    """

    valid: bool
    reason: str = ""
    rtt_error_p95_ns: float | None = None
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stolen_share: float | None = None
    backend: str = "native"
    missing: tuple[str, ...] = ()
    calibrated_ns: float | None = None
    waited_ns_max: int | None = None
    waited: str = ""

    @property
    def band_ns(self) -> float:
        """How uncertain a measured time is: how late the engine was on one link, both ways, and what the host adds.

        Both are 99th percentiles, in ns; of a host that was not calibrated ASSUMED_NS.
        """
        late: dict[str, float] = {}
        for way, figures in self.links.items():
            link = way.rpartition(" ")[0]
            late[link] = late.get(link, 0.0) + max(figures.get("late_p99_ns") or 0.0, 0.0)
        host = ASSUMED_NS if self.calibrated_ns is None else self.calibrated_ns
        return max(late.values(), default=0.0) + host


@dataclass(frozen=True)
class Record:
    """What result.json holds.

    ``started_ns`` is the start instant (CLOCK_REALTIME), None before it; ``changes`` are those made to
    the scenario for this run (KEY=VALUE); ``bench`` is the name of the hub's bench; ``time`` is real or
    virtual; ``ends`` are the testbed's own parts that ended without being asked to. ``met`` is what the hub
    met and ``under_test`` what a comparison is about, part -> hash; both are empty in results of older versions.
    ``tenant`` is which it was, without its secrets.
    ``notes`` is what the run said that is most often a mistake, or good to know, and changes no verdict.
    ``fleet`` are the verdicts on the fleet that its hub was one of.
    ``touched`` is what was done to the lab by hand: none of the verdicts is a pass then.
    ``unknown`` is what could not be known of the hub, and why; ``evidence_sha256`` see testbed.result.digest;
    ``capture`` is what was captured of its packets, where that was asked for.
    """

    scenario: str
    question: str
    duration_ns: int
    seed: int
    facts: Facts
    inputs: tuple[Input, ...]
    versions: Versions
    host: Host
    created_ns: int
    state: State = State.RUNNING
    started_ns: int | None = None
    ended_ns: int | None = None
    error: str = ""
    steps: tuple[StepTime, ...] = ()
    fidelity: Fidelity | None = None
    verdicts: tuple[Verdict, ...] = ()
    decomposition: tuple[Decomposition, ...] = ()
    sessions: tuple[Entry, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    bench: str = VIRTUAL
    time: str = REAL
    evidence_sha256: str = ""
    ends: tuple[End, ...] = ()
    mishaps: tuple[Mishap, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    capture: Capture | None = None
    met: Mapping[str, str] = field(default_factory=dict)
    under_test: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    tenant: TenantFacts = field(default_factory=TenantFacts)
    fleet: tuple[FleetVerdict, ...] = ()

    @property
    def invalid(self) -> str:
        """Why the run counts for nothing; empty where it counts."""
        if reason := grounds.invalid(self.ends):
            return reason
        if self.fidelity is None:
            return "the links left no certificate"
        return "" if self.fidelity.valid else MISSED

    @property
    def title(self) -> str:
        """The scenario's name, and what was changed in it for this run."""
        return f"{self.scenario} with {', '.join(self.changes)}" if self.changes else self.scenario

    @property
    def exit_status(self) -> int:
        """The exit status of the run: that of its verdicts; a run that did not complete could not tell."""
        return exit_status((*self.verdicts, *self.fleet)) if self.state is State.COMPLETE else 3


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON values; ISO times for people are added beside the exact ones."""
    times = {name: iso(getattr(record, f"{name}_ns")) for name in ("created", "started", "ended")}
    return {"schema": SCHEMA, "exit_status": record.exit_status, **times, **asdict(record)}


def iso(t_ns: int | None) -> str | None:
    """Return CLOCK_REALTIME ns as ``2026-11-22T03:04:05.678Z``."""
    if t_ns is None:
        return None
    return datetime.fromtimestamp(t_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_json(values: Mapping[str, Any], place: str) -> Record:
    """Return the record of a result.json. Raises InputError for one that this version cannot read."""
    if values.get("schema") != SCHEMA:
        found = f"schema {values.get('schema')!r}"
        raise InputError(place, found, f"this testbed reads schema {SCHEMA}; use the version that wrote it")
    try:
        return msgspec.convert(values, Record)
    except msgspec.ValidationError as error:
        raise InputError(place, f"broken: {error}", "see docs/result-schema.md") from error
