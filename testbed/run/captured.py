"""The end of a run's capture: one file of what was tapped at each place."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

import testbed
from testbed.capture.causes import Causes
from testbed.capture.taps import Taps
from testbed.capture.weave import Story, weave
from testbed.model.capture import Capture
from testbed.result.record import Record

FILE = "capture.pcapng"


def woven(taps: Taps, record: Record, links: pa.Table | None, folder: Path) -> Capture:
    """Write one file of what was captured into the result's ``folder``, and return what it holds.

    Why a packet was lost is told by the ``links``' records.
    """
    began_ns, raws, wish, stopped_ns = record.started_ns or 0, taps.raws(), taps.wish, taps.stopped_ns
    story = Story(record.title, began_ns, taps.ended_ns, record.facts.events, Causes.of(links))
    with (folder / FILE).open("wb") as stream:
        held = weave(raws, story, wish.snap, stream, f"testbed {testbed.__version__}")
    taps.clear()
    dropped = [raw.dropped for raw in raws]
    return Capture(
        file=FILE,
        snap=wish.snap,
        limit=wish.limit,
        interfaces=held,
        dropped=None if None in dropped else sum(filter(None, dropped)),
        stopped_ns=None if stopped_ns is None else stopped_ns - began_ns,
        reason=taps.reason,
    )
