"""How close the heartbeat's round trip was to the one that the links' schedules promise."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.carrier import BIN_NS, Carrier
from testbed.metrics.columns import integers
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Measurement, Metric
from testbed.metrics.schedule import expected_rtt
from testbed.metrics.ttfb import percentile
from testbed.model.objective import Unit

SETTLE_NS = 1_000_000_000  # after an event held packets and routes need a moment
BUSY_QUEUE_BYTES = 3028  # two full frames: beyond this a heartbeat waits for other traffic

METRIC = Metric(Unit.DURATION, "undisturbed probes", 100, lambda evidence, ask: rtt_error(evidence, ask.of))


def rtt_error(evidence: Evidence, of: str) -> Measurement:
    """Return the 95th percentile of abs(heartbeat's RTT - promised RTT) over undisturbed probes.

    Undisturbed: answered, carried by a known uplink, not within an event or a second after one,
    nor within a second of a takeover, and no queue of other traffic on that uplink at the time.
    ``details`` has the signed median too.
    """
    probes = evidence.probes(of)
    if evidence.schedule is None or evidence.links is None:
        return METRIC.answer(None, 0, reason="the run kept no schedule or no link counters")
    seen = evidence.carrier
    calm = _calm(evidence, seen, probes.t_ns)
    errors = [np.zeros(0, np.int64)]
    for uplink, carried in _by_uplink(evidence, seen, probes.t_ns).items():
        chosen = probes.good & carried
        t_ns, rtt_ns = probes.t_ns[chosen], probes.rtt_ns[chosen]
        quiet = calm[chosen] & ~_busy(evidence.links, uplink, t_ns, rtt_ns)
        errors.append((rtt_ns - expected_rtt(evidence.schedule, uplink, t_ns))[quiet])
    error = np.concatenate(errors)
    if len(error) == 0:
        return METRIC.answer(None, 0, reason="no undisturbed probe")
    details = {"median_ns": float(np.median(error)), "largest_ns": int(np.abs(error).max())}
    return METRIC.answer(percentile(np.abs(error), 95), len(error), details=details)


def _calm(evidence: Evidence, seen: Carrier, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which probes are clear of events and takeovers; the latter are seen a delay after sending."""
    moments = [(event.start_ns, event.end_ns + SETTLE_NS) for event in evidence.facts.events]
    moments += [(takeover.t_ns - SETTLE_NS, takeover.t_ns + SETTLE_NS) for takeover in seen.takeovers]
    calm = np.ones(len(t_ns), np.bool_)
    for start, end in moments:
        calm &= (t_ns < start) | (t_ns > end)
    return calm


def _by_uplink(evidence: Evidence, seen: Carrier, t_ns: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    carried: dict[str, NDArray[np.bool_]] = {}
    for stretch in seen.stretches(evidence.whole):
        if stretch.uplink is not None:
            inside = (t_ns >= stretch.start_ns) & (t_ns < stretch.end_ns)
            carried[stretch.uplink] = carried.get(stretch.uplink, np.zeros(len(t_ns), np.bool_)) | inside
    return carried


def _busy(
    links: pa.Table, uplink: str, t_ns: NDArray[np.int64], rtt_ns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which probes met a queue on their way: up in the bin of sending, down within the round trip."""
    full = links.filter(
        pc.and_(pc.equal(links["link"], uplink), pc.greater(links["queue_bytes_max"], BUSY_QUEUE_BYTES))
    )
    bins = np.unique(integers(full, "t_ns"))
    first = np.searchsorted(bins, t_ns - BIN_NS, side="left")
    last = np.searchsorted(bins, t_ns + rtt_ns, side="right")
    return np.asarray(last > first, np.bool_)
