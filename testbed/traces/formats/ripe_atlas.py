"""RIPE Atlas ping results (JSON array, or one result a line): sparse, for context rather than replay.

A file may hold many probes; only one with a single probe and measurement becomes a path's RTT, others become
context series by probe. Duplicates (`dup`) and late answers are no probes; `*` and errors are lost ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, documents
from testbed.units import format_duration

_LONGEST_PAUSE_NS = 30 * 86400 * 10**9
_APART_NS = 10**9
_MOST_PACKETS = 1000
"""More than any measurement orders in one result."""
_FROM_S, _TO_S = 1_262_304_000, 4_102_444_800
"""RIPE Atlas began in 2010."""


@dataclass(frozen=True, order=True)
class _Packet:
    """When a packet was sent (UTC ns), and its RTT in ns; -1 where it was lost."""

    t_ns: int
    rtt_ns: int


def _recognises(head: base.Head) -> bool:
    text = head.text[:6000]
    return text.lstrip()[:1] in ("[", "{") and '"prb_id"' in text and '"msm_id"' in text


def _results(path: Path) -> list[dict[str, Any]]:
    found, around = documents.documents(path, base.lines(path))
    if around:
        line, text = around[0]
        raise InputError(Place(str(path), line), f"{text[:60]!r} is no JSON", "give the results alone")
    arrays = [item for item in found if isinstance(item.value, list)]
    if arrays and len(found) > 1:
        place = Place(str(path), found[1].line)
        raise InputError(place, f"{len(found)} lists of results in one file", "split them, or join the lists")
    results = arrays[0].value if arrays else [item.value for item in found]
    if not results:
        raise InputError(str(path), "no results", "give a RIPE Atlas ping measurement")
    return list(results)


def _read(path: Path) -> base.Recording:
    rows: dict[tuple[int, int], list[_Packet]] = {}
    seen: dict[tuple[Any, ...], int] = {}
    errors: list[str] = []
    several = False
    for number, result in enumerate(_results(path)):
        with documents.shape(path, "a RIPE Atlas ping result", f"record {number}"):
            if result["type"] != "ping":
                raise _refuse(path, number, f"type {result['type']!r}", "give a ping measurement")
            name = (int(result["prb_id"]), int(result["msm_id"]))
            again = seen.setdefault((*name, result["timestamp"], result.get("dst_addr")), number)
            if again != number:
                raise _refuse(path, number, f"the same as record {again}", "give each result once")
            errors += _errors(result)
            packets = _packets(path, number, result)
            several |= len(packets) > 1
            rows.setdefault(name, []).extend(packets)
    rows = {name: packets for name, packets in rows.items() if packets}
    if not rows:
        found = f"no packet was sent ({errors[0]})" if errors else "no packet was sent"
        raise InputError(str(path), found, "give a measurement that ran")
    return _recording(path, rows, _notes(errors, several))


def _refuse(path: Path, number: int, found: str, expected: str) -> InputError:
    return InputError(str(path), f"record {number}: {found}", expected)


def _errors(result: Mapping[str, Any]) -> list[str]:
    named = [str(item["error"]) for item in result["result"] if "error" in item]
    return named or ([str(result["dnserr"])] if "dnserr" in result else [])


def _notes(errors: Sequence[str], several: bool) -> tuple[str, ...]:
    apart = ("the packets of a result taken for 1 s apart, as Atlas sends them",) if several else ()
    return apart + ((f"{len(errors)} errors of the probe, such as: {errors[0]}",) if errors else ())


def _recording(
    path: Path, rows: Mapping[tuple[int, int], list[_Packet]], notes: tuple[str, ...]
) -> base.Recording:
    start = min(packet.t_ns for packets in rows.values() for packet in packets)
    series = {name: _series(path, name[0], packets, start) for name, packets in sorted(rows.items())}
    end = base.end_of(*(s.t_ns for s in series.values()))
    notes = (f"{len(series)} probes, {sum(map(len, series.values()))} packets", *notes)
    single = next(iter(series.values()))
    if len(series) == 1:
        return base.Recording({SeriesName.RTT: single}, end, start, traits=(Trait.ICMP,), notes=notes)
    # Context is kept in thousandths of its unit: microseconds.
    probes = [probe for probe, _ in series]
    context = {
        f"rtt of probe {probe}{f' in {msm}' if probes.count(probe) > 1 else ''} ms": Series.of(
            s.t_ns, s.value // 1000, s.loss
        )
        for (probe, msm), s in series.items()
    }
    return base.Recording({}, end, start, context=context, traits=(Trait.ICMP,), notes=notes)


def _packets(path: Path, number: int, result: Mapping[str, Any]) -> list[_Packet]:
    """Return the packets of one result. Raises InputError where it does not have as many as were sent."""
    if not _FROM_S <= int(result["timestamp"]) <= _TO_S:
        raise _refuse(path, number, f"timestamp {result['timestamp']}", "an epoch in s, after 2010")
    at = int(result["timestamp"]) * 10**9
    items = [item for item in result["result"] if not item.get("dup") and "late" not in item]
    sent = int(result.get("sent", len(items)))
    if sent == 0 and all("error" in item for item in items):
        return []
    if not 0 <= sent <= _MOST_PACKETS:
        raise _refuse(path, number, f"{sent} packets sent", "give the result as RIPE Atlas wrote it")
    if not items and sent:
        if int(result.get("rcvd", 0)):
            found = f"{result['rcvd']} answers and no single RTTs, as of a built-in measurement"
            raise _refuse(path, number, found, "give a ping measurement with single RTTs")
        return [_Packet(at + packet * _APART_NS, -1) for packet in range(sent)]
    if sent != len(items):
        found = f"{sent} packets sent, {len(items)} listed"
        raise _refuse(path, number, found, "give the result as RIPE Atlas wrote it")
    return [_Packet(at + place * _APART_NS, _rtt_ns(path, number, item)) for place, item in enumerate(items)]


def _rtt_ns(path: Path, number: int, item: Mapping[str, Any]) -> int:
    rtt = item.get("rtt")
    if rtt is None or float(rtt) == -1:
        return -1
    if not 0 < float(rtt) * 1e6 <= base.MAX_RTT_NS:
        found = f"rtt {float(rtt):g} ms"
        raise _refuse(path, number, found, "a round trip takes more than 0 and less than 10 minutes")
    return round(float(rtt) * 1e6)


def _series(path: Path, probe: int, packets: Sequence[_Packet], start: int) -> Series:
    ordered = sorted(packets)
    stamps = np.array([packet.t_ns for packet in ordered], np.int64)
    for leap in np.flatnonzero(np.diff(stamps) > _LONGEST_PAUSE_NS)[:1]:
        found = f"probe {probe} pauses for {format_duration(int(np.diff(stamps)[leap]))}"
        raise InputError(str(path), found, "split the recording where its clock changes")
    rtt = np.array([packet.rtt_ns for packet in ordered], np.int64)
    t = base.increasing(stamps - start)
    return Series.of(t, rtt, np.where(rtt < 0, Loss.UNKNOWN, Loss.NONE))


FORMAT = base.Format(
    "ripe-atlas",
    "RIPE Atlas ping results",
    _recognises,
    _read,
    sign="JSON with `prb_id` and `msm_id`",
    tool="RIPE Atlas ping measurements, firmware 4460 to 5080, as a list or a result a line",
    record="a ping measurement of your own: built-in ones may lack the single RTTs",
    cannot_tell="anything between its few packets: context, not replay",
)
