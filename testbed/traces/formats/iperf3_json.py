"""iperf3 -J: one rate a reporting interval; JSON of one test, read whole.

The sender's intervals of an upload are write() batches, not what left: zeros there are no outages.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import FRAMINGS, Framing, Layer, Series, SeriesName, Trait
from testbed.traces.formats import base, documents

_TOUCHING_NS = 20 * 10**6


def _recognises(head: base.Head) -> bool:
    text = head.text[:4000].lstrip()
    return (
        text.startswith("{") and '"start"' in text and '"test_start"' in head.text and '"connected"' in text
    )


def _read(path: Path) -> base.Recording:
    document = documents.json_of(path)
    with documents.shape(path, "an iperf3 result"):
        if error := document.get("error"):
            raise InputError(str(path), f"iperf3 failed: {error}", "record again")
        reverse = bool(document["start"]["test_start"].get("reverse"))
        framing = _framing(document["start"])
        begin = document["start"]["timestamp"]
        start_ns = int(begin.get("timemillisecs", begin["timesecs"] * 1000)) * 10**6
        sums = [_interval(path, number, item["sum"]) for number, item in enumerate(document["intervals"])]
    kept = [entry for entry in sums if not entry[3]]
    if not kept:
        raise InputError(str(path), "no reporting intervals", "record with: iperf3 -J -i 0.1 -R -c HOST")
    for number, (one, other) in enumerate(itertools.pairwise(kept), 1):
        if abs(other[0] - one[1]) > _TOUCHING_NS:
            found = f"interval {number}: begins at {other[0] / 1e9:g} s, the one before ends at {one[1] / 1e9:g} s"
            raise InputError(str(path), found, "give the whole result of one test")
    t = base.increasing([entry[0] for entry in kept])
    name = SeriesName.DOWN_RATE if reverse else SeriesName.UP_RATE
    return base.Recording(
        series={name: Series.of(t - t[0], [entry[2] for entry in kept])},
        duration_ns=max(kept[-1][1] - int(t[0]), int(t[-1] - t[0]) + 1),
        start_ns=start_ns + int(t[0]),
        traits=() if reverse else (Trait.SENDER_SIDE,),
        notes=tuple([f"{len(sums) - len(kept)} omitted intervals left out"] if len(kept) < len(sums) else []),
        framing={name: framing},
    )


def _framing(start: dict[str, Any]) -> Framing:
    """Return of what the rate was counted: TCP segments of the MSS that was met, or datagrams as ordered."""
    test = start["test_start"]
    if test.get("protocol") == "UDP":
        return Framing(Layer.UDP, min(int(test["blksize"]), FRAMINGS[Layer.UDP].payload_bytes))
    return Framing(Layer.TCP, int(start.get("tcp_mss_default") or 0) or FRAMINGS[Layer.TCP].payload_bytes)


def _interval(path: Path, number: int, item: dict[str, Any]) -> tuple[int, int, int, bool]:
    begin, end, rate = float(item["start"]), float(item["end"]), float(item["bits_per_second"])
    if not (0 <= begin <= end < 10**7 and 0 <= rate < 10**13 and np.isfinite(rate)):
        found = f"interval {number}: {begin:g} to {end:g} s at {rate:g} bit/s"
        raise InputError(str(path), found, "give the result as iperf3 wrote it")
    return round(begin * 1e9), round(end * 1e9), round(rate), bool(item.get("omitted"))


FORMAT = base.Format(
    "iperf3-json",
    "iperf3 -J",
    _recognises,
    _read,
    sign="a JSON object with iperf3's `start` and `test_start`",
    tool="iperf3 3.1 to 3.18, `-J` and `--json-stream`",
    record="iperf3 -J -i 0.1 -R -t 300 -c HOST; --bidir for both directions",
    cannot_tell="what left in each interval of an upload as its sender sees it (take the server's, or "
    "-R); what the path could carry where the test sends less",
)
