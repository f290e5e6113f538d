"""What the timers of the failover implementations promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.failover import MS, Bfd, PingTracking, Promise, S, tunnelled_frame_bytes
from testbed.model.hub import HubProfile
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load


@pytest.mark.parametrize(
    ("hub", "promise"),
    [
        (HubProfile(), Promise(2 * S, 3 * S)),
        (HubProfile(timers=PingTracking(interval=5 * S, timeout=2 * S, fall=3)), Promise(12 * S, 17 * S)),
        (HubProfile(failover="overflow"), Promise(2 * S, 3 * S)),
        (HubProfile(failover="dish-aware"), Promise(S, 3 * S)),
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


@pytest.mark.parametrize(
    ("failover", "kind", "gone", "message"),
    [
        ("bgp-bfd", "router", "", "has no edge, where the tunnels of bgp-bfd end"),
        ("overflow", "edge", "  lte:", "has one uplink, which leaves nowhere to overflow to"),
    ],
)
def test_a_failover_that_the_topology_cannot_have(
    failover: str, kind: str, gone: str, message: str, tmp_path: Path
) -> None:
    """Tunnels need an edge, overflow a second uplink; the scenario's line says so before anything starts."""
    lines = (paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_text().splitlines()
    kept = [
        line.replace("kind: edge", f"kind: {kind}") for line in lines if not (gone and line.startswith(gone))
    ]
    (tmp_path / "t.yaml").write_text("\n".join(kept))
    uplinks = "starlink: {fixed: {delay: 25 ms}}" + ("" if gone else ", lte: {fixed: {delay: 40 ms}}")
    (tmp_path / "s.yaml").write_text(
        f"topology: {tmp_path}/t.yaml\nduration: 9 s\nhub: {{failover: {failover}}}\nuplinks: {{{uplinks}}}\n"
        "traffic: {beat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}}\n"
        "objectives: [{metric: interruption, of: beat, at_most: 3 s}]\n"
    )

    with pytest.raises(InputError) as refusal:
        plan.make(tmp_path / "s.yaml")

    assert f"s.yaml:3: topology {tmp_path}/t.yaml {message}; choose another topology or failover" == str(
        refusal.value
    ).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize(
    ("bfd", "hold_s"),
    [(Bfd(), 3), (Bfd(multiplier=10), 9), (Bfd(interval=50 * MS), 3), (Bfd(multiplier=10, hold=5 * S), 5)],
)
def test_bgp_holds_longer_than_bfd_detects(bfd: Bfd, hold_s: int) -> None:
    """Left out, the hold time is three times the detection time; BGP knows none below 3 s."""
    assert hold_s * S == bfd.hold_ns
    assert [] == list(bfd.problems())


@pytest.mark.parametrize(
    ("written", "targets", "nowhere"),
    [
        ("203.0.113.1", ("203.0.113.1", "198.51.100.10"), ()),
        ("203.0.113.99", ("203.0.113.99", "198.51.100.10"), ("203.0.113.99",)),
        ("[203.0.113.99, 203.0.113.1]", ("203.0.113.99", "203.0.113.1"), ("203.0.113.99",)),
    ],
)
def test_one_target_has_company(
    written: str, targets: tuple[str, ...], nowhere: tuple[str, ...], tmp_path: Path
) -> None:
    """Several targets are as they are written; one alone is joined by the edge. What no node has is known."""
    text = (paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_text()
    (tmp_path / "t.yaml").write_text(text.replace("probe_target: 203.0.113.1", f"probe_target: {written}"))
    topology = load.read(tmp_path / "t.yaml", Topology)

    assert (targets, nowhere) == (topology.probe_targets, topology.nowhere)
