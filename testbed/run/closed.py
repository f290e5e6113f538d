"""A hub that the run does not configure: it is waited for and known from outside alone."""

from __future__ import annotations

import time
from collections.abc import Mapping

from testbed.errors import RunError
from testbed.lab.network import Network
from testbed.metrics.evidence import Evidence
from testbed.model.scenario import Scenario
from testbed.model.topology import NodeKind

READY_S = 120.0
"""A hub whose cables have just been plugged in must carry within this: some take a minute to trust an uplink."""
_RETRY_S = 0.2
_NOTHING_IS_ASKED = "provision: none: the hub is not looked into"


def wait(network: Network) -> None:
    """Wait until a LAN client reaches the tenant through the hub. Raises RunError saying how far it came."""
    topology = network.topology
    client = topology.of_kind(NodeKind.CLIENT)[0].name
    target = next(address for port in topology.tenant.ports if (address := topology.tenant.address(port)))
    deadline_s = time.monotonic() + READY_S
    while network.devices[client].run(["ping", "-q", "-c", "1", "-W", "1", target]).returncode != 0:
        if time.monotonic() > deadline_s:
            near = network.devices[client].run(["ping", "-q", "-c", "1", "-W", "1", topology.hub_lan_address])
            lan = "answers" if near.returncode == 0 else "does not answer"
            leases = "".join(f", {name} without a lease" for name in without_address(network))
            raise RunError(
                f"hub: {client} does not reach the tenant ({target}) through it after {READY_S:g} s; its LAN address "
                f"{topology.hub_lan_address} {lan}{leases}"
            )
        time.sleep(_RETRY_S)


def without_address(network: Network) -> list[str]:
    """Return the uplinks at which the hub has no address of those that are leased there."""
    return [uplink for uplink in network.topology.uplinks if not network.addressed(uplink)]


def unknown(scenario: Scenario) -> Mapping[str, str]:
    """Return what a run cannot know of its hub, and why."""
    if not scenario.hub.closed:
        return {}
    return dict.fromkeys(("logs", "uplinks as the hub sees them", "promise of the failover"), _NOTHING_IS_ASKED)


def hidden(evidence: Evidence) -> Mapping[str, str]:
    """Return what stays unknown where the hub hides the heartbeat's mark, and why; empty: it does not."""
    name = evidence.facts.heartbeat
    if not name or evidence.carrier.marked or not evidence.probes(name).good.any():
        return {}
    why = f"{name} was answered, and no packet with its mark left a link: the hub clears DSCP, or builds tunnels"
    return dict.fromkeys(("which uplink carried", "decomposition"), why)
