"""The closed loop: replay a trace, probe at its own send times, and compare the two recordings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from testbed.errors import HostError, InputError, RunError
from testbed.link import needs, pair
from testbed.link.backend import LinkSpec
from testbed.link.backends import BACKENDS
from testbed.link.fidelity import Budget, Certificate
from testbed.link.native import NativeBackend
from testbed.link.simulated import SimulatedBackend
from testbed.model.link import Direction
from testbed.model.trace import Loss, Origin, Provenance, Series, SeriesName, Trace
from testbed.traces import edit
from testbed.traces.agreement import Agreement, agreement
from testbed.traces.compile import compile_link
from testbed.traces.round_trips import ONE_WAY, round_trips
from testbed.units import format_duration

PROBER = Path(__file__).resolve().parents[2] / "build" / "prober"
PROBE_BYTES = 58  # Ethernet, IPv4, ICMP Echo with 16 bytes
LOST = -1
_LEAD_NS = 500 * 10**6
_WAIT_MS = 3000
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Verification:
    """How well a back end replays a trace: the recordings' agreement and the links' own certificate."""

    trace: str
    duration_ns: int
    probes: int
    agreement: Agreement
    certificate: Certificate

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, without the histograms."""
        faults = self.certificate.faults_against(Budget())
        return {
            "trace": self.trace,
            "link": self.certificate.backend,
            "duration_ns": self.duration_ns,
            "probes": self.probes,
            **asdict(self.agreement),
            "missing": list(self.certificate.missing),
            "valid": not faults,
            "faults": list(faults),
        }


class Probed(NamedTuple):
    """What became of the probes: RTT in ns (LOST without an answer), and how much later than asked each was sent."""

    rtt_ns: NDArray[np.int64]
    late_ns: NDArray[np.int64]
    certificate: Certificate


class Measure(Protocol):
    """Sends a probe at each time through a link and back."""

    def __call__(self, spec: LinkSpec, t_ns: NDArray[np.int64]) -> Probed: ...


def verify(trace: Trace, *, duration_ns: int, seed: int = 0, link: str = "native") -> Verification:
    """Replay the first `duration_ns` of a trace on a back end and compare.

    Without RTTs the one-way delays of both directions are replayed, and their sum is compared. Raises InputError for a
    trace without delays, an unknown back end, or one that cannot play it.
    """
    if trace.probes is None:
        raise InputError(trace.name, "it has no delays", "verify needs a recording of RTTs or one-way delays")
    if link not in MEASURES:
        raise InputError("--link", f"unknown back end {link!r}", f"known: {', '.join(MEASURES)}")
    delays = [SeriesName.RTT] if SeriesName.RTT in trace.series else list(ONE_WAY)
    part = edit.cut(edit.only(trace, delays), 0, min(duration_ns, trace.duration_ns))
    probes = round_trips(part)
    if probes is None or not len(probes):
        raise InputError(
            trace.name, f"no probe in its first {format_duration(part.duration_ns)}", "verify more of it"
        )
    till_answered = replace(part, duration_ns=part.duration_ns + int(probes.value.max(initial=0)))
    up, down = compile_link(till_answered, duration_ns=till_answered.duration_ns, seed=seed)
    if link in BACKENDS:
        ways = [needs.LinkUse(f"{trace.name} {d}", s) for d, s in zip(Direction, (up, down), strict=True)]
        needs.refuse(link, BACKENDS[link].capabilities, ways)
    rtt, _, certificate = MEASURES[link](pair.spec(up=up, down=down, seed=seed), probes.t_ns)
    replayed = Series.of(probes.t_ns, rtt, np.where(rtt == LOST, Loss.UNKNOWN, Loss.NONE))
    recording = Trace(
        trace.name,
        Provenance(Origin.MEASURED, f"replay on {link}"),
        {SeriesName.RTT: replayed},
        part.duration_ns,
    )
    original = replace(part, series={SeriesName.RTT: probes})
    return Verification(
        trace.name, part.duration_ns, len(probes), agreement(original, recording), certificate
    )


def probe_simulated(spec: LinkSpec, t_ns: NDArray[np.int64]) -> Probed:
    """Probe in simulated time; the far end answers at once."""
    backend = SimulatedBackend()
    backend.open([spec])
    backend.start(0)
    there = backend.send(spec.name, Direction.UP, t_ns, PROBE_BYTES)
    back = backend.send(spec.name, Direction.DOWN, there.depart_ns, PROBE_BYTES)
    rtt = np.full(len(t_ns), LOST, np.int64)
    numbers = there.number[back.number.astype(np.int64)].astype(np.int64)
    rtt[numbers] = back.depart_ns - t_ns[numbers]
    return Probed(rtt, np.zeros_like(rtt), backend.close())


def probe_real(backend: type[NativeBackend], spec: LinkSpec, t_ns: NDArray[np.int64]) -> Probed:
    """Probe through a back end's link between two namespaces, in real time."""
    with pair.emulated([spec], backend) as lab:
        assert lab.backend is not None
        start_ns = time.time_ns() + _LEAD_NS
        lab.backend.start(start_ns)
        rtt, late = _probe(lab, t_ns, start_ns)
        return Probed(rtt, late, lab.backend.close())


def probe_wire(plain: pair.Pair, t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Probe a plain wire in real time; return the RTTs in ns, LOST without an answer."""
    return _probe(plain, t_ns, time.time_ns() + _LEAD_NS)[0]


def _probe(
    lab: pair.Pair, t_ns: NDArray[np.int64], start_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not PROBER.exists():
        raise HostError(f"{PROBER} is not built; 'make -C testbed/link/core' builds it")
    times, out = lab.folder / "times", lab.folder / "outcomes"
    np.ascontiguousarray(t_ns, np.int64).tofile(times)
    argv = [str(PROBER), "10.0.0.2", str(times), str(out), str(start_ns), str(_WAIT_MS)]
    prober = lab.left.spawn(argv)
    status = prober.wait(int(t_ns[-1]) / 1e9 + _PATIENCE_S)
    if status:
        raise RunError(f"the prober failed with status {status}")
    outcomes = np.fromfile(out, np.dtype([("sent_ns", "<i8"), ("rtt_ns", "<i8")]))
    return outcomes["rtt_ns"].astype(np.int64), outcomes["sent_ns"] - t_ns


MEASURES: Mapping[str, Measure] = {
    **{name: partial(probe_real, backend) for name, backend in BACKENDS.items()},
    "simulated": probe_simulated,
}
