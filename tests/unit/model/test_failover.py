"""What the timers of the failover implementations promise."""

from __future__ import annotations

import pytest

from testbed.model.failover import MS, Bfd, PingTracking, Promise, S, tunnelled_frame_bytes
from testbed.model.hub import HubProfile


@pytest.mark.parametrize(
    ("hub", "promise"),
    [
        (HubProfile(), Promise(2 * S, 3 * S)),
        (HubProfile(timers=PingTracking(interval=5 * S, timeout=2 * S, fall=3)), Promise(12 * S, 17 * S)),
        (HubProfile(failover="overflow"), Promise(2 * S, 3 * S)),
        (HubProfile(failover="bgp-bfd"), Promise(600 * MS, 900 * MS)),
        (
            HubProfile(failover="bgp-bfd", bfd=Bfd(interval=50 * MS, multiplier=5)),
            Promise(200 * MS, 250 * MS),
        ),
        (HubProfile(failover="none"), None),
    ],
)
def test_the_chosen_failover_promises(hub: HubProfile, promise: Promise | None) -> None:
    """The promise is that of the timers in use; without failover there is none."""
    assert promise == hub.promise


@pytest.mark.parametrize(("payload", "frame"), [(68, 170), (69, 186), (76, 186), (84, 186), (85, 202)])
def test_a_tunnel_pads_to_sixteen_bytes(payload: int, frame: int) -> None:
    """Payloads from 69 to 84 bytes make one and the same frame."""
    assert frame == tunnelled_frame_bytes(payload)
