"""How patient the hub's cache is, on fast uplinks and on slow ones."""

from __future__ import annotations

import pytest

from testbed.model.cache import MIB, MOST_PATIENCE, Cache, Patience, S
from testbed.model.event import Event
from testbed.model.hub import HubProfile
from testbed.model.scenario import Scenario
from testbed.model.uplink import FixedLink, Rates, UplinkProfile

MBIT = 10**6
BRISK = Patience(lock_ns=10 * S, read_ns=3 * S, upload_ns=8 * S)


@pytest.mark.parametrize("rate_bps", [0, 50 * MBIT])
def test_fast_or_unknown_uplinks_leave_the_defaults(rate_bps: int) -> None:
    """Stale content is better than waiting, where waiting does not bring more."""
    assert BRISK == Cache().patience(rate_bps, rate_bps)


def test_a_slow_uplink_is_waited_for() -> None:
    """A slice of 1 MiB takes 8.4 s at 1 Mbit/s: all wait for ten times that, and nobody takes it for dark before."""
    patience = Cache().patience(MBIT, 2 * MBIT)

    assert (83_886_080_000, 8_388_608_000) == (patience.lock_ns, patience.read_ns)
    assert 4 * MIB * 8 * S // (2 * MBIT) + S == patience.upload_ns


def test_patience_has_an_end() -> None:
    """However slow an uplink is, a client is told in the end."""
    assert Patience(MOST_PATIENCE, MOST_PATIENCE, MOST_PATIENCE) == Cache().patience(1000, 1000)


def test_what_is_said_holds() -> None:
    """A setting of the scenario is not made longer by a slow uplink."""
    patience = Cache(lock=2 * S, read_timeout=S).patience(MBIT, MBIT)

    assert (2 * S, S) == (patience.lock_ns, patience.read_ns)


@pytest.mark.parametrize(
    ("hub", "cache"),
    [
        (HubProfile(), Cache(fresh=600 * S)),
        (HubProfile(cache=False), None),
        (HubProfile(fresh=5 * S), Cache(fresh=5 * S)),
        (HubProfile(cache=Cache(size=MIB, fresh=2 * S)), Cache(size=MIB, fresh=2 * S)),
    ],
)
def test_a_switch_or_its_settings(hub: HubProfile, cache: Cache | None) -> None:
    """`cache: on` is a cache with the settings that it has when nothing is said."""
    assert cache == hub.cached


def test_the_slowest_uplink_counts_faults_included() -> None:
    """Of all rates that a scenario gives, the lowest of a direction decides; one that is not given is no rate."""
    uplinks = {
        "starlink": UplinkProfile(fixed=FixedLink(delay=0)),
        "lte": UplinkProfile(trace="lte", rate=Rates(up=3 * MBIT, down=9 * MBIT)),
    }
    capped = Event(at=0, uplink="lte", rate_cap=S, rate=Rates(up=5 * MBIT, down=2 * MBIT))
    scenario = Scenario("t", 9 * S, uplinks, (), events=(capped,))

    assert (2 * MBIT, 3 * MBIT) == (scenario.slowest_bps("down"), scenario.slowest_bps("up"))
