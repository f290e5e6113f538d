"""CSV of the LENS dataset, from irtt (timestamp in ns, rtt, uplink, downlink) or ping (timestamp in s, rtt).

All delays are in ms. irtt's: -1 marks the direction in which a probe was lost. ping's: the time is the
receive time, and lost probes were left out by the conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, clock, tables

_IRTT = ["timestamp", "rtt", "uplink", "downlink"]
_PING = ["timestamp", "rtt"]
_LEAST_NS = 500_000
"""The headers name no unit: RTTs below half a millisecond are in another one than ms."""
_LEONETEM = ["timestamp", "relative", "rtt"]


def _recognises(head: base.Head) -> bool:
    return tables.header(head) in (_IRTT, _PING, _LEONETEM)


def _read(path: Path) -> base.Recording:
    table = tables.read_csv(path)
    return _irtt(path, table) if table.names == _IRTT else _ping(path, table)


def _irtt(path: Path, table: tables.Table) -> base.Recording:
    stamp = clock.epochs(table, "timestamp", "ns")
    up, down = table.scaled("uplink", 10**6, low=-1), table.scaled("downlink", 10**6, low=-1)
    rtt = table.scaled("rtt", 10**6, low=-1)
    notes = clock.checked(path, stamp, table.lines)
    table.check_rtt("rtt", rtt)
    lost_up, lost_down = up == -(10**6), down == -(10**6)
    loss = np.select([lost_up & lost_down, lost_up, lost_down], [Loss.UNKNOWN, Loss.UP, Loss.DOWN], Loss.NONE)
    t = base.increasing(stamp - stamp[0])
    known, left = _known(path, rtt, loss)
    series = {SeriesName.RTT: Series.of(t[known], rtt[known], loss[known])}
    synchronised = not np.any((loss == Loss.NONE) & ((up <= 0) | (down <= 0)))
    if synchronised:
        series[SeriesName.UP_DELAY] = Series.of(t, up, loss)
        series[SeriesName.DOWN_DELAY] = Series.of(t, down, loss)
    traits: Sequence[Trait] = () if synchronised else (Trait.OFFSET_CLOCKS,)
    return base.Recording(series, base.end_of(t), int(stamp[0]), traits=tuple(traits), notes=notes + left)


def _known(
    path: Path, rtt: NDArray[np.int64], loss: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which rows say anything: no path takes no time. Raises InputError where none does."""
    known = np.asarray((loss != Loss.NONE) | (rtt > 0))
    answered = rtt[(loss == Loss.NONE) & (rtt > 0)]
    if len(answered) and np.median(answered) < _LEAST_NS:
        found = f"rtt is {float(np.median(answered)) / 1e6:g} at the median: no ms of a radio link"
        raise InputError(str(path), found, "name its unit in the header: rtt_ms, rtt_us or rtt_ns")
    if not known.any():
        raise InputError(str(path), "no RTT is above 0", "give the RTTs that were measured")
    left = int((~known).sum())
    return known, (f"{left} RTTs of 0 or -1 left out, though nothing was lost",) if left else ()


def _ping(path: Path, table: tables.Table) -> base.Recording:
    stamp, rtt = clock.epochs(table, "timestamp", "s"), table.scaled("rtt", 10**6)
    table.check_rtt("rtt", rtt)
    notes = clock.checked(path, stamp, table.lines)
    known, left = _known(path, rtt, np.zeros(len(rtt), np.int64))
    sent, rtt = (stamp - rtt)[known], rtt[known]
    order = np.argsort(sent, kind="stable")
    t = base.increasing(sent[order] - sent[order][0])
    return base.Recording(
        series={SeriesName.RTT: Series.of(t, rtt[order])},
        duration_ns=base.end_of(t),
        start_ns=int(sent.min()),
        traits=(Trait.ICMP, Trait.LOSS_OMITTED),
        notes=notes + left,
    )


FORMAT = base.Format(
    "lens-csv",
    "LENS dataset's CSV of irtt or ping",
    _recognises,
    _read,
    by_line=True,
    sign="the header timestamp,rtt(,uplink,downlink) or timestamp,relative,rtt",
    tool="the LENS and LEONetEM data sets' conversions of irtt and ping",
    record="give irtt's JSON or ping's text instead",
    cannot_tell="losses where it was made of ping: they were left out",
)
