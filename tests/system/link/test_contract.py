"""What holds for every back end, each with the packets that it takes: real ones, or simulated."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest

from testbed.checks.replay import LOST, MEASURES
from testbed.errors import RunError
from testbed.link import pair
from testbed.link.backend import Change, LinkBackend, Restore, outage
from testbed.link.backends import BACKENDS
from testbed.link.records import read_bins
from testbed.link.simulated import SimulatedBackend
from testbed.model.link import Direction, LinkSchedule

MS = 10**6
UP, DOWN = Direction


@pytest.fixture(params=list(BACKENDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each back end for real packets; one that this host cannot have is skipped, with its own words."""
    if fault := BACKENDS[request.param].fault_of_host():
        pytest.skip(fault)
    return str(request.param)


@pytest.fixture
def backend(kind: str) -> Iterator[LinkBackend]:
    """Two links of the kind, opened."""
    plain = LinkSchedule.constant(delay_ns=MS)
    with pair.emulated([pair.spec(i, up=plain, down=plain) for i in range(2)], BACKENDS[kind]) as lab:
        assert lab.backend is not None
        yield lab.backend


def holds(backend: LinkBackend) -> None:
    """Counters are there for each link and direction, unknown links are refused, closing twice is once."""
    backend.start(time.time_ns())
    assert {(f"link{i}", d) for i in range(2) for d in Direction} == set(backend.read())
    with pytest.raises(RunError, match="nowhere"):
        backend.inject("nowhere", None, Restore())
    assert backend.close() is backend.close()


def test_the_contract_holds_for_real_packets(backend: LinkBackend) -> None:
    """See `holds`."""
    holds(backend)


def test_the_contract_holds_in_simulation() -> None:
    """See `holds`."""
    simulated, plain = SimulatedBackend(), LinkSchedule.constant(delay_ns=MS)
    simulated.open([pair.spec(i, up=plain, down=plain) for i in range(2)])

    holds(simulated)


def ping(lab: pair.Pair, *options: str) -> tuple[int, list[float]]:
    """Return how many of 10 marked pings were answered, and their RTTs in ms."""
    command = ["ping", "-c", "10", "-i", "0.05", "-W", "2", "-Q", "0xb8", *options, "10.0.0.2"]
    inside = ["nsenter", "-t", str(lab.left.pid), "-n", *command]
    out = subprocess.run(inside, capture_output=True, text=True, timeout=60).stdout
    return out.count("bytes from"), [float(x) for x in re.findall(r"time=([\d.]+)", out)]


def test_a_link_from_opening_to_certificate(kind: str) -> None:
    """Delays of both directions from the opening on; loss from the start on; live changes, and back; all counted."""
    up, down = LinkSchedule.constant(delay_ns=10 * MS, loss=1.0), LinkSchedule.constant(delay_ns=30 * MS)
    with pair.emulated([pair.spec(up=up, down=down)], BACKENDS[kind]) as lab:
        answered, before = ping(lab)
        assert 10 == answered
        assert min(before) >= 40

        assert lab.backend is not None
        lab.backend.start(time.time_ns())
        assert 0 == ping(lab, "-W", "0.2")[0]
        lost = lab.backend.read()["link0", UP]
        assert (10, 10, 0) == (lost.packets_in, lost.lost, lost.packets_out)

        lab.backend.inject("link0", UP, Change(delay_ns=60 * MS, loss=0.0))
        answered, changed = ping(lab)
        assert 10 == answered
        assert min(changed) >= 90
        lab.backend.inject("link0", None, outage(3600 * 10**9))
        assert 0 == ping(lab, "-W", "0.2")[0]
        assert 10 == lab.backend.read()["link0", UP].cut
        lab.backend.inject("link0", None, Restore())
        lab.backend.inject("link0", UP, Change(loss=0.0, delay_ns=0))
        answered, restored = ping(lab)
        assert 10 == answered
        assert 30 <= min(restored) < min(changed)

        certificate = lab.backend.close()
        bins = read_bins(lab.folder / "links.bins").to_pylist()
    ups, downs = certificate.directions
    assert (20, 20) == (ups.packets, downs.packets)
    assert 0 == ups.unasked_losses + downs.unasked_losses
    assert 20 == sum(b["marked_out"] for b in bins if b["direction"] == "up")
    assert ups.loss_asked == pytest.approx(ups.loss_achieved)
    assert () == certificate.faults
    assert BACKENDS[kind].capabilities.missing == certificate.missing
    assert ("how late packets left" in certificate.missing) == (ups.late_p99_ns is None)


def test_a_falling_delay_keeps_the_order(kind: str) -> None:
    """When the delay falls by 190 ms, what was sent later does not arrive earlier."""
    falling = LinkSchedule(
        np.array([0, 1000], np.int64) * MS, np.array([200, 10], np.int64) * MS, np.zeros(2),
        np.zeros(2, np.int64), np.zeros(2, np.uint8), 2000 * MS,
    )  # fmt: skip
    t_ns = np.arange(500, 1500, 10, np.int64) * MS

    probed = MEASURES[kind](pair.spec(up=falling, down=LinkSchedule.constant()), t_ns)

    arrival = (t_ns + probed.late_ns + probed.rtt_ns)[probed.rtt_ns != LOST]
    assert len(arrival) >= 90
    assert np.diff(arrival).min() >= 0
    assert probed.rtt_ns[-1] < 100 * MS
