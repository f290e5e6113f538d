"""The seam of the probes: what a run does with a measurement, whatever it measures."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from testbed.lab.parts import Part
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.certificates import ServerFiles
from testbed.tenant.content import StoredObject

if TYPE_CHECKING:
    from testbed.lab.devices import DeviceAccess

SECOND_NS = 10**9


@dataclass(frozen=True)
class Site:
    """Where and for how long a probe measures.

    ``client`` and ``tenant`` are the devices it runs in, ``tenant_address`` where its packets go,
    ``tenant_host`` and ``tenant_port`` the tenant's HTTPS endpoint and ``authority`` the file of its CA; ``identity``
    what an end of a probe in the tenant proves itself with. ``resolver`` is whom LAN clients ask for names.
    ``url`` is the base of requests at the hub, ``upload_url`` that of uploads; ``own_url`` that of requests at the
    tenant itself, and ``own_token`` what they prove their right with. ``stored`` has each
    object's size and hash; ``versions`` is how many each object has by the run's end. ``uploaded()`` reads back what
    the tenant has of the uploads, ``closed()`` says which connections it closed by itself (see ``Tenant.closed``).
    ``index`` tells the probes of a run apart. ``clock`` gives CLOCK_REALTIME in ns.
    ``patient`` clients wait as long as a tenant that throttles says, and count it.
    """

    client: DeviceAccess
    tenant: DeviceAccess
    duration_ns: int
    samples: Path
    logs: Path
    tenant_address: str = "203.0.113.10"
    tenant_host: str = ""
    tenant_port: int = 443
    authority: Path | None = None
    identity: ServerFiles | None = None
    resolver: str = ""
    url: str = ""
    upload_url: str = ""
    own_url: str = ""
    own_token: str = field(default="", repr=False)
    objects: Sequence[CatalogueObject] = ()
    stored: Mapping[str, StoredObject] = field(default_factory=dict)
    versions: int = 1
    uploaded: Callable[[], Mapping[str, StoredObject]] = dict
    closed: Callable[[], frozenset[str]] = frozenset
    seed: int = 1
    index: int = 0
    patient: bool = False
    clock: Callable[[], int] = time.time_ns


class ProbeState(StrEnum):
    """What a probe is doing. SILENT: it measures, and nothing has come back for a second."""

    STARTING = "starting"
    RUNNING = "running"
    SILENT = "silent"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class Live:
    """A probe's last second, for the screen.

    ``last_ns`` is the newest RTT or time to first byte; ``answered`` and ``failed`` count what was
    answered, and what was lost or went wrong, in the last second; ``total`` counts answers since the start.
    ``text`` says it in a probe's own words, where counts alone would not tell what it measures.
    """

    state: ProbeState
    last_ns: int | None = None
    answered: int = 0
    failed: int = 0
    total: int = 0
    text: str = ""


class Probe(ABC):
    """One measurement of a run: open, ready, start, poll as often as liked, finish."""

    @abstractmethod
    def open(self) -> None:
        """Begin to start what has to run before the measurement. Returns at once; raises HostError."""

    @abstractmethod
    def ready(self) -> None:
        """Return when ``start`` can follow without delay: before the start instant is chosen.

        Raises RunError with what the probe said.
        """

    @abstractmethod
    def start(self, at_ns: int) -> None:
        """Measure from the CLOCK_REALTIME instant ``at_ns``, the run's start. Call it about 1 s before.

        Raises RunError where it is not ready. Samples taken before the start have a negative ``t_ns``.
        """

    @abstractmethod
    def poll(self) -> Live:
        """Return the state and the last second. Does not block."""

    @abstractmethod
    def parts(self) -> Iterable[Part]:
        """Return its processes, at both ends, that must live until ``finish``."""

    @abstractmethod
    def so_far(self, since_ns: int = 0) -> pa.Table:
        """Return the samples so far, as exact as the live output is; ``finish`` writes the final ones.

        Those of before ``since_ns`` may be left out.
        """

    @abstractmethod
    def finish(self) -> Path:
        """Write the samples and return their path; interrupts where the duration has not passed.

        Raises RunError, the samples so far written, when the measurement ended by itself too early.
        """
