"""What is allowed and most often a mistake: told by a dry run, and when a run begins."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.lab.network import Network
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.run import closed

_LIST_AVOIDED = "cd /run/hub && for port in *.avoid; do [ ! -e $port ] || echo ${port%.avoid}; done"


def of_files(scenario: Scenario, topology: Topology) -> Iterator[str]:
    """Yield what the files alone show."""
    if scenario.hub.failover == "dish-aware" and not any(p.terminal for p in scenario.uplinks.values()):
        yield "no uplink has a dish that failover dish-aware could ask ('dish: true'): pings alone decide"
    if scenario.hub.pings and topology.nowhere:
        rest = [target for target in topology.probe_targets if target not in topology.nowhere]
        told = f"it has {', '.join(rest)} beside" if rest else "every uplink will look dead to it"
        yield f"the hub pings {', '.join(topology.nowhere)}, which no node of topology {scenario.topology} has: {told}"


def of_hub(scenario: Scenario, network: Network) -> Iterator[str]:
    """Yield what the hub shows that is about to be measured. Raises RunError when it does not answer."""
    topology = network.topology
    if scenario.hub.closed:
        for uplink in closed.without_address(network):
            yield f"the hub has no address at {uplink} as the run begins: port, cable, or a standby that is off?"
    if not scenario.hub.pings:
        return
    avoided = network.devices[topology.hub.name].run(["sh", "-c", _LIST_AVOIDED]).stdout.split()
    if {uplink.hub_port for uplink in topology.uplinks.values()} <= set(avoided):
        targets = ", ".join(topology.probe_targets)
        yield f"the run begins with every uplink avoided: none of the hub's targets answers it ({targets})"
