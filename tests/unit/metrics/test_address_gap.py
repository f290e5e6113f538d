"""address_gap on addresses whose gaps can be told by looking."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from testbed import paths
from testbed.metrics.address_gap import METRIC
from testbed.metrics.evidence import Evidence
from testbed.model.event import Event
from testbed.model.facts import Facts, Happening
from testbed.model.ipv6 import DelegatedPrefix
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.uplink import UplinkProfile
from testbed.yaml import load
from tests.unit.metrics.hand_made import MS, S, ask, evidence

STARLINK, LTE, OLD = "2001:db8:a100::5", "2001:db8:b100::5", "2001:db8:a200::5"
LINK_LOCAL = "fe80::5"


def held(*stretches: tuple[str | None, int], events: tuple[Happening, ...] = (), until_ns: int = 60 * S) -> Evidence:
    """A client with these addresses, each from a time in s on, asked every 100 ms."""
    times = list(range(0, until_ns, 100 * MS))
    now = [next(a for a, since in reversed(stretches) if t >= since * S) for t in times]
    table = pa.table({"t_ns": pa.array(times, pa.int64()), "address": pa.array(now, pa.string())})
    made = evidence(60 * S, events=events, lan=table)
    prefixes = (
        DelegatedPrefix("starlink", "2001:db8:a100::/56", 0, 60 * S),
        DelegatedPrefix("lte", "2001:db8:b100::/56", 0, 60 * S),
    )
    return replace(made, facts=replace(made.facts, prefixes=prefixes))


OUTAGE = (Happening("outage", "starlink", 20 * S, 40 * S),)
CASES = {
    "an address all the time": (held((STARLINK, 0)), 0.0),
    "two uplinks, no fault": (held((STARLINK, 0), (LTE, 30)), 0.0),
    "held for 3 s after its uplink went dark": (held((STARLINK, 0), (LTE, 23), events=OUTAGE), 3.0),
    "another uplink's outage": (held((LTE, 0), events=OUTAGE), 0.0),
    "none for 10 s": (held((STARLINK, 0), (None, 25), (STARLINK, 35)), 10.0),
    "none, then a dead one": (held((None, 0), (STARLINK, 22), (LTE, 24), events=OUTAGE), 24.0),
    "the link's own alone": (held((STARLINK, 0), (LINK_LOCAL, 10), (STARLINK, 14)), 4.0),
    "of a prefix that nobody delegates": (held((OLD, 0), (STARLINK, 6)), 6.0),
    "the longer one of two": (held((None, 0), (LTE, 2), (None, 10), (LTE, 15)), 5.0),
}


@pytest.mark.parametrize("name", CASES)
def test_gaps(name: str) -> None:
    """The longest time without an address that leads anywhere is found, and is no lower bound."""
    given, expected_s = CASES[name]
    measured = METRIC.measure(given, ask("lan", 0, 60 * S))

    assert (expected_s * S, False, "") == (measured.value, measured.lower_bound, measured.reason)


def test_a_gap_that_does_not_end_is_a_lower_bound() -> None:
    """A client whose address died and never came back has been without one for at least so long."""
    measured = METRIC.measure(held((STARLINK, 0), (None, 50)), ask("lan", 0, 60 * S))

    assert (10.0 * S, True) == (measured.value, measured.lower_bound)


def test_a_probe_that_stopped_says_nothing_of_the_hub() -> None:
    """Nothing asked for half of the time: there is a reason, and no verdict."""
    measured = METRIC.measure(held((STARLINK, 0), until_ns=30 * S), ask("lan", 0, 60 * S))

    assert measured.reason.startswith("no probe was sent from 29.90 s")


def test_a_reboot_ends_a_prefix() -> None:
    """From a CPE's reboot on another prefix is delegated; the one before is dead for good."""
    topology = load.read(paths.TOPOLOGIES / "hub-dual-stack.yaml", Topology)
    uplinks = {name: UplinkProfile(name=name) for name in ("starlink", "lte")}
    scenario = Scenario("hub-dual-stack", 60 * S, uplinks, (), events=(Event(10 * S, "starlink", reboot=20 * S),))

    assert (
        DelegatedPrefix("starlink", "2001:db8:a100::/56", 0, 10 * S),
        DelegatedPrefix("starlink", "2001:db8:a200::/56", 10 * S, 60 * S),
        DelegatedPrefix("lte", "2001:db8:b100::/56", 0, 60 * S),
    ) == Facts.of(scenario, topology).prefixes


def test_a_heartbeat_by_ipv6_is_longer_on_the_links() -> None:
    """What is subtracted from the links' bytes has the header of the heartbeat's own family."""
    facts = Facts(60 * S, ("starlink", "lte"), new_flows="newcomers", by_ipv6=("heartbeat",))

    assert (20, 0) == (facts.longer_by("heartbeat"), facts.longer_by("newcomers"))
