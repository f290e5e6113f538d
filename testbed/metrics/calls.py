"""call_delay_p95, call_jitter, call_loss, mos: how a call sounded, told from its packets one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.columns import integers
from testbed.metrics.emodel import mean_opinion_score, transmission_rating
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.ttfb import percentile
from testbed.metrics.window import Window
from testbed.model.objective import Unit

PACKET_MS = 20.0
"""Speech in a packet: it waits so long at the sender before it is one."""
BUFFERS_NS = tuple(range(20_000_000, 200_000_001, 20_000_000))
"""De-jitter buffers: a packet that is later than the fastest of its window by more comes too late to be heard. The
one that sounds best is taken for each window: what an adaptive buffer does at its best."""
WINDOW_NS = 10_000_000_000
WINDOW_PACKETS = 100
"""With fewer packets sent in ten seconds, there is nothing to hear and no score."""


@dataclass(frozen=True, eq=False)
class CallPackets:
    """One direction of a call, in order of sending: ``t_ns`` sent, ``delay_ns`` one way (-1: lost)."""

    direction: str
    t_ns: NDArray[np.int64]
    delay_ns: NDArray[np.int64]

    @property
    def arrived(self) -> NDArray[np.bool_]:
        return self.delay_ns >= 0

    def within(self, window: Window) -> CallPackets:
        """Return the packets sent in the window."""
        inside = window.holds(self.t_ns)
        return CallPackets(self.direction, self.t_ns[inside], self.delay_ns[inside])


@dataclass(frozen=True)
class Heard:
    """Ten seconds of one direction as the ear had them."""

    direction: str
    start_ns: int
    mos: float
    delay_ms: float
    loss: float
    burst_ratio: float


def directions(table: pa.Table | None, window: Window) -> tuple[CallPackets, ...]:
    """Return the packets of each direction of a udp-call that were sent in the window."""
    found = []
    if table is None:
        return ()
    for direction in ("up", "down"):
        mine = table.filter(pc.equal(table["direction"], direction)).sort_by("t_ns")
        packets = CallPackets(direction, integers(mine, "t_ns"), integers(mine, "delay_ns", -1)).within(window)
        if len(packets.t_ns):
            found.append(packets)
    return tuple(found)


def heard(packets: CallPackets, window: Window) -> Iterator[Heard]:
    """Yield the score of every whole ten seconds of the window in which there was somebody to hear."""
    for start_ns in range(window.start_ns, window.end_ns - WINDOW_NS + 1, WINDOW_NS):
        part = packets.within(Window(start_ns, start_ns + WINDOW_NS))
        if len(part.t_ns) >= WINDOW_PACKETS:
            yield _score(part, start_ns)


def _score(packets: CallPackets, start_ns: int) -> Heard:
    if not packets.arrived.any():
        return Heard(packets.direction, start_ns, 1.0, float("inf"), 1.0, 1.0)
    least_ns = int(packets.delay_ns[packets.arrived].min())
    return max((_played(packets, start_ns, least_ns + b) for b in BUFFERS_NS), key=lambda score: score.mos)


def _played(packets: CallPackets, start_ns: int, play_ns: int) -> Heard:
    """Return the score of packets that are played ``play_ns`` after they were sent."""
    missed = ~packets.arrived | (packets.delay_ns > play_ns)
    loss, delay_ms = float(missed.mean()), play_ns / 1e6 + PACKET_MS
    ratio = burst_ratio(missed)
    score = mean_opinion_score(transmission_rating(delay_ms, loss, ratio))
    return Heard(packets.direction, start_ns, score, delay_ms, loss, ratio)


def burst_ratio(missed: NDArray[np.bool_]) -> float:
    """Return the mean length of loss bursts over that of random loss, 1 / (1 - loss) (G.107); at least 1."""
    bursts = int(np.sum(missed & ~np.concatenate(([False], missed[:-1]))))
    return max(1.0, float(missed.sum() / bursts * (1 - missed.mean()))) if bursts else 1.0


def jitter(packets: CallPackets) -> NDArray[np.float64]:
    """Return the interarrival jitter after each packet that arrived, in order of arrival (RFC 3550, 6.4.1), ns."""
    arrived = packets.arrived
    transit = packets.delay_ns[arrived]
    transit = transit[np.argsort(packets.t_ns[arrived] + transit, kind="stable")]
    found, now = np.zeros(max(len(transit) - 1, 0)), 0.0
    for i, difference in enumerate(np.abs(np.diff(transit)).tolist()):
        now += (difference - now) / 16
        found[i] = now
    return found


def _worse(
    metric: Metric, evidence: Evidence, ask: Ask, figure: Callable[[CallPackets], tuple[float, int] | None]
) -> Measurement:
    """Return the figure of the direction that is worse off; of samples, the smaller count."""
    found = {p.direction: v for p in directions(evidence.samples.get(ask.of), ask.window) if (v := figure(p))}
    if not found:
        return metric.answer(None, 0, reason=f"no packet of {ask.of} arrived in the window")
    value = max(v for v, _ in found.values())
    reason = "" if len(found) == 2 else f"no packet of {ask.of} in one direction"
    details = {direction: v for direction, (v, _) in found.items()}
    return metric.answer(value, min(n for _, n in found.values()), reason=reason, details=details)


def _delay(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the 95th percentile of the one-way delay of packets that arrived, in the worse direction."""
    return _worse(
        DELAY_P95,
        evidence,
        ask,
        lambda p: (percentile(p.delay_ns[p.arrived], 95), int(p.arrived.sum())) if p.arrived.any() else None,
    )


def _jitter(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the 95th percentile of the running jitter, in the worse direction."""

    def figure(packets: CallPackets) -> tuple[float, int] | None:
        running = jitter(packets)
        return (float(np.percentile(running, 95)), len(running)) if len(running) else None

    return _worse(JITTER, evidence, ask, figure)


def _loss(evidence: Evidence, ask: Ask) -> Measurement:
    """Return packets that did not arrive / packets sent, in the worse direction."""
    return _worse(LOSS, evidence, ask, lambda p: (float(np.mean(~p.arrived)), len(p.t_ns)))


def _mos(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the score of the worst ten seconds of both directions."""
    both = directions(evidence.samples.get(ask.of), ask.window)
    scores = [score for packets in both for score in heard(packets, ask.window)]
    if not scores:
        reason = f"no ten seconds of {ask.of} with {WINDOW_PACKETS} packets in the window"
        return MOS.answer(None, 0, reason=reason)
    worst = min(scores, key=lambda score: score.mos)
    silent = {"up", "down"} - {score.direction for score in scores}
    return MOS.answer(
        worst.mos,
        len(scores),
        reason=f"nothing was sent {silent.pop()}" if silent else "",
        details={
            "direction": worst.direction,
            "start_ns": worst.start_ns,
            "loss": worst.loss,
            "delay_ms": worst.delay_ms if np.isfinite(worst.delay_ms) else None,
            "median": float(np.median([score.mos for score in scores])),
        },
    )


DELAY_P95 = Metric(Unit.DURATION, "packets that arrived", 100, _delay)
JITTER = Metric(Unit.DURATION, "packets that arrived", 100, _jitter)
LOSS = Metric(Unit.SHARE, "packets sent", 100, _loss)
MOS = Metric(Unit.MOS, "ten seconds of a direction", 2, _mos)
