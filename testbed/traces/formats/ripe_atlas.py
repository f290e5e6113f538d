"""RIPE Atlas ping results (JSON array, or one result a line): sparse, for context rather than replay.

A file may hold many probes; only one with a single probe becomes a path's RTT, others become context
series by probe.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, documents
from testbed.units import format_duration

_LONGEST_PAUSE_NS = 30 * 86400 * 10**9


def _recognises(head: base.Head) -> bool:
    text = head.text[:6000]
    return text.lstrip()[:1] in ("[", "{") and '"prb_id"' in text and '"msm_id"' in text


def _results(path: Path) -> list[dict[str, Any]]:
    if base.content(path).lstrip()[:1] == b"[":
        found = documents.json_of(path)
    else:
        found = []
        for number, line in enumerate(base.lines(path), 1):
            with documents.shape(path, "JSON", f"line {number}"):
                found.append(json.loads(line))
    if not found:
        raise InputError(str(path), "no results", "give a RIPE Atlas ping measurement")
    return list(found)


def _read(path: Path) -> base.Recording:
    rows: dict[int, list[tuple[int, int]]] = {}
    for number, result in enumerate(_results(path)):
        with documents.shape(path, "a RIPE Atlas ping result", f"record {number}"):
            if result["type"] != "ping":
                raise InputError(
                    str(path), f"record {number}: type {result['type']!r}", "give a ping measurement"
                )
            rows.setdefault(int(result["prb_id"]), []).extend(_packets(path, number, result))
    start = min(t for probe in rows.values() for t, _ in probe)
    series = {probe: _series(path, probe, found, start) for probe, found in sorted(rows.items())}
    end = base.end_of(*(s.t_ns for s in series.values()))
    notes = (f"{len(series)} probes, {sum(map(len, series.values()))} packets",)
    single = next(iter(series.values()))
    if len(series) == 1:
        return base.Recording({SeriesName.RTT: single}, end, start, traits=(Trait.ICMP,), notes=notes)
    # Context is kept in thousandths of its unit: microseconds.
    context = {f"rtt of probe {n} ms": Series.of(s.t_ns, s.value // 1000, s.loss) for n, s in series.items()}
    return base.Recording({}, end, start, context=context, traits=(Trait.ICMP,), notes=notes)


def _packets(path: Path, number: int, result: dict[str, Any]) -> list[tuple[int, int]]:
    """Return (time, RTT in ns or -1) of each packet of one result, 1 s apart as Atlas sends them."""
    at = int(result["timestamp"]) * 10**9
    found = []
    for packet, item in enumerate(result["result"]):
        rtt = float(item["rtt"]) if "rtt" in item else -1.0
        if not (rtt == -1.0 or 0 <= rtt * 1e6 <= base.MAX_RTT_NS):
            raise InputError(
                str(path), f"record {number}: rtt {rtt:g} ms", "a round trip takes less than 10 minutes"
            )
        found.append((at + packet * 10**9, round(rtt * 1e6) if rtt >= 0 else -1))
    return found


def _series(path: Path, probe: int, rows: Sequence[tuple[int, int]], start: int) -> Series:
    ordered = sorted(rows)
    stamps = np.array([t for t, _ in ordered], np.int64)
    for leap in np.flatnonzero(np.diff(stamps) > _LONGEST_PAUSE_NS)[:1]:
        found = f"probe {probe} pauses for {format_duration(int(np.diff(stamps)[leap]))}"
        raise InputError(str(path), found, "split the recording where its clock changes")
    rtt = np.array([rtt for _, rtt in ordered], np.int64)
    t = base.increasing([t - start for t, _ in ordered])
    return Series.of(t, rtt, np.where(rtt < 0, Loss.UNKNOWN, Loss.NONE))


FORMAT = base.Format(
    "ripe-atlas",
    "RIPE Atlas ping results",
    _recognises,
    _read,
    sign="JSON with `prb_id` and `msm_id`",
    tool="RIPE Atlas ping measurements, firmware 4460 to 5080",
    record="the results of a ping measurement of your own, with single RTTs",
    cannot_tell="anything between its few packets: context, not replay",
)
