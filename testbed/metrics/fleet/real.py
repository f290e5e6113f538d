"""What probes measured of a real hub, among the figures of the light ones: by the names that load and traffic share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed.metrics.columns import integers
from testbed.metrics.evidence import Probes
from testbed.metrics.fleet.evidence import SECOND_NS, FleetEvidence

Columns = Mapping[str, NDArray[np.int64]]


def with_real(
    fleet: FleetEvidence, hub: int, beats: Mapping[str, tuple[pa.Table, int]], fetches: Mapping[str, pa.Table]
) -> FleetEvidence:
    """Return the evidence with what a real hub (its index) was measured to get, by load.

    ``beats`` are samples of heartbeats and the bytes of their frames, ``fetches`` those of requests, of which packets
    are not known: such a hub has no loss.
    """
    seconds = fleet.columns["carried"].shape[1]
    columns = {name: column.copy() for name, column in fleet.columns.items()}
    delays = fleet.delays.copy()
    for load, (table, size) in beats.items():
        index, probes = fleet.loads.index(load), Probes.of(table)
        _put(columns, index, hub, _of_beat(probes, size, seconds))
        buckets = np.searchsorted(fleet.edges_ns, probes.rtt_ns[probes.good], side="right") - 1
        delays[index, hub] = np.bincount(buckets, minlength=delays.shape[2])[: delays.shape[2]]
    for load, table in fetches.items():
        _put(columns, fleet.loads.index(load), hub, _of_fetch(table, seconds))
    return replace(fleet, columns=columns, delays=delays)


def _put(columns: Columns, load: int, hub: int, found: Columns) -> None:
    for name, column in found.items():
        columns[name][load, :, hub] = column


def _sum(t_ns: NDArray[np.int64], weights: NDArray[np.int64], seconds: int) -> NDArray[np.int64]:
    """Return the weights' sum in each second of the run; what is outside of it is left out."""
    second = t_ns // SECOND_NS
    inside = (second >= 0) & (second < seconds)
    totals = np.zeros(seconds, np.int64)
    np.add.at(totals, second[inside], weights[inside])
    return totals


def _of_beat(probes: Probes, size: int, seconds: int) -> Columns:
    one, good = np.ones(len(probes.t_ns), np.int64), probes.good.astype(np.int64)
    back_ns = probes.t_ns + probes.rtt_ns
    arrived = _sum(back_ns, good, seconds)
    longest = np.zeros(seconds, np.int64)
    inside = probes.good & (back_ns >= 0) & (back_ns < seconds * SECOND_NS)
    np.maximum.at(longest, back_ns[inside] // SECOND_NS, probes.rtt_ns[inside])
    return {
        "packets": (packets := _sum(probes.t_ns, one, seconds)),
        "offered": packets * size,
        "lost": _sum(probes.t_ns, 1 - good, seconds),
        "arrived": arrived,
        "carried": arrived * size,
        "delay_ns": _sum(back_ns, probes.rtt_ns * good, seconds),
        "delay_ns_max": longest,
    }


def _of_fetch(table: pa.Table, seconds: int) -> Columns:
    whole = table.column("error").is_null().to_numpy() & table.column("total_ns").is_valid().to_numpy()
    sent_ns = integers(table, "t_ns") + integers(table, "started_ns_late")
    took_ns, done = integers(table, "total_ns"), whole.astype(np.int64)
    end_ns = sent_ns + took_ns
    return {
        "offered": _sum(sent_ns, integers(table, "size"), seconds),
        "carried": _sum(end_ns, integers(table, "bytes"), seconds),
        "done": _sum(end_ns, done, seconds),
        "done_ns": _sum(end_ns, took_ns * done, seconds),
    }
