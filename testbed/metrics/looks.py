"""When a hub next looked whether an uplink lives, after it had gone out: chance, and seen from outside any hub.

What still comes to a dead uplink when the hub has left it, in packets of one size and at a beat, is how the hub looks
after it: pings, whatever its make. The beat tells when the first look after the outage's start was due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.carrier import BIN_NS
from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.window import Window
from testbed.model.facts import Happening

_LEAST_NS = 200_000_000  # a faster beat leaves little to chance, and cannot be told from other traffic
_ONE_LOOK_NS = 10 * BIN_NS  # packets so near each other are one look: a ping to each of two targets, a busy host
_LOOKS = 3
_OFF_BEAT, _OFF_SHARE = 0.2, 0.2  # of the beat; of the looks
_FILLED = 0.75  # of the strokes have a look


@dataclass(frozen=True)
class Look:
    """The first look after an uplink had gone out: ``after_ns`` later, at a beat of ``every_ns``; 0 <= after < every.

    A look that was under way when it went may have been answered or not. As near to that as the beat is known it
    is ``unsure`` whether this look or the one before it was the first that failed.
    """

    after_ns: int
    every_ns: int
    unsure: bool = False


def first_look(evidence: Evidence, event: Happening) -> Look | None:
    """Return the first look at an uplink since its event began; None where no beat was seen on it.

    The beat is sought between the takeover by another uplink and the event's end.
    """
    changes = evidence.carrier.changes(Window(event.start_ns, event.end_ns))
    away = next((change.t_ns for change in changes if change.uplink != event.uplink), None)
    if away is None:
        return None
    window = Window(away, event.end_ns)
    beats = (_beat(t_ns, window) for t_ns in _arrivals(evidence, event.uplink, window))
    beat = min((beat for beat in beats if beat), key=lambda beat: beat.off_ns / beat.every_ns, default=None)
    if beat is None:
        return None
    half_ns = _round_trip(evidence, event.start_ns) / 2  # an answer is cut on its way, too
    after = (beat.first_ns - event.start_ns + half_ns) % beat.every_ns
    unsure = min(after, beat.every_ns - after) < 1.5 * BIN_NS + half_ns / 2 + 2 * beat.off_ns
    return Look(round(after), round(beat.every_ns), bool(unsure))


@dataclass(frozen=True)
class _Beat:
    first_ns: float
    every_ns: float
    off_ns: float  # how far the looks are off it, in the mean


def _arrivals(evidence: Evidence, uplink: str, window: Window) -> Iterator[NDArray[np.int64]]:
    """Yield, for each size of packets, the middles of the bins in which such came to an uplink."""
    links = evidence.links
    if links is None or not {"packets_in", "bytes_in"} <= set(links.column_names):
        return
    t_ns, packets = integers(links, "t_ns"), integers(links, "packets_in")
    came = (texts(links, "link") == uplink) & (texts(links, "direction") == "up") & window.holds(t_ns) & (packets > 0)
    sizes = integers(links, "bytes_in")[came] / packets[came]
    for size in np.unique(sizes):
        yield np.unique(t_ns[came][sizes == size]) + BIN_NS // 2


def _round_trip(evidence: Evidence, before_ns: int) -> float:
    """Return the heartbeat's usual round trip just before a time, in ns; 0 where there was none."""
    probes = evidence.probes(evidence.facts.heartbeat)
    rtt = probes.rtt_ns[probes.good & (probes.t_ns < before_ns)][-50:]
    return float(np.median(rtt)) if len(rtt) else 0.0


def _beat(t_ns: NDArray[np.int64], window: Window) -> _Beat | None:
    """Return the beat that times (ascending) keep all through the window; None: none. One late look moves little."""
    t = t_ns[np.diff(t_ns, prepend=np.iinfo(np.int32).min) > _ONE_LOOK_NS].astype(np.float64)
    if len(t) < _LOOKS:
        return None
    strokes = np.rint(np.diff(t) / np.median(np.diff(t)))
    if strokes.min() < 1:
        return None
    number = np.concatenate(([0], np.cumsum(strokes)))
    i, j = np.triu_indices(len(t), 1)
    every = float(np.median((t[j] - t[i]) / (number[j] - number[i])))
    first = float(np.median(t - number * every))
    off = np.abs(t - number * every - first)
    silent = max(t[0] - window.start_ns, window.end_ns - t[-1])
    if every < _LEAST_NS or silent > 2.2 * every or len(t) < _FILLED * (number[-1] + 1):
        return None
    return None if np.mean(off > _OFF_BEAT * every) > _OFF_SHARE else _Beat(first, every, float(off.mean()))
