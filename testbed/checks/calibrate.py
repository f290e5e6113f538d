"""Calibrating a host: the probes of ``link verify`` over a plain veth, where every microsecond is the host's."""

from __future__ import annotations

import platform
import time

import numpy as np

from testbed.checks.replay import LOST, probe_wire
from testbed.errors import RunError
from testbed.lab import cores
from testbed.link import pair
from testbed.link.calibration import Calibration

EVERY_NS = 5_000_000
_WARM_UP = 50  # probes that are left out: caches and neighbours


def calibrate(duration_ns: int) -> Calibration:
    """Probe a plain veth for a while.

    Raises HostError without root or the prober, RunError where nothing comes back.
    """
    t_ns = np.arange(0, duration_ns, EVERY_NS, dtype=np.int64)
    before = cores.ticks()
    with pair.wire() as plain:
        rtt_ns = probe_wire(plain, t_ns)[_WARM_UP:]
    good = rtt_ns[rtt_ns != LOST]
    if not len(good):
        raise RunError("no probe came back over a plain veth")
    p50, p99 = np.percentile(good, [50, 99])
    return Calibration(
        made_ns=time.time_ns(),
        kernel=platform.release(),
        probes=len(rtt_ns),
        lost=len(rtt_ns) - len(good),
        rtt_p50_ns=float(p50),
        rtt_p99_ns=float(p99),
        stolen_share=cores.stolen_share(before),
    )
