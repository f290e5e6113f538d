"""Several real hubs in one network: what is a hub's own is there for each, the Internet and the tenant once.

The first hub has the topology's names, hub 3 those with ``-3`` behind. What lies between a hub and the Internet has the
same addresses for each, as homes have; only what the Internet sees of an uplink is the fleet's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from testbed.errors import Problem
from testbed.model.topology import Node, NodeKind, Topology, Uplink, WireEnd

_SHARED = (NodeKind.ROUTER, NodeKind.EDGE, NodeKind.TENANT)


def own(name: str, number: int) -> str:
    """Return what hub ``number`` has in place of a node, an uplink or a traffic of the first."""
    return name if number == 1 else f"{name}-{number}"


def with_hubs(topology: Topology, real: int) -> Topology:
    """Return the network of so many hubs. Its ``hub`` is the first, its ``uplinks`` are those of all."""
    nodes, wires, uplinks = dict(topology.nodes), list(topology.wires), dict(topology.uplinks)
    for number in range(2, real + 1):
        nodes |= {own(node.name, number): _copy(node, number) for node in _own_nodes(topology)}
        for name, uplink in topology.uplinks.items():
            uplinks[own(name, number)] = _uplink(uplink, number)
        for a, b in (tuple(map(WireEnd.parse, wire)) for wire in topology.wires):
            if all(_is_shared(topology, end) for end in (a, b)):
                continue
            wires.append((str(_end(topology, a, number)), str(_end(topology, b, number))))
        for pop, at, name in _crossings(topology):
            leased = topology.fleet_hub(number).uplinks[name]
            node, router = nodes[own(pop.node, number)], nodes[at.node]
            ports = {**node.ports, pop.port: leased.address}
            nodes[node.name] = replace(node, ports=ports, gateway=leased.gateway)
            inward = {own(at.port, number): f"{leased.gateway}/{leased.address.partition('/')[2]}"}
            nodes[at.node] = replace(router, ports={**router.ports, **inward})
    return replace(topology, nodes=nodes, wires=tuple(wires), uplinks=uplinks)


def problems(topology: Topology) -> Iterable[Problem]:
    """Yield what of a topology cannot be there more than once."""
    known = {pop.node for pop, _, _ in _crossings(topology)}
    for a, b in topology.wires:
        ends = [WireEnd.parse(a), WireEnd.parse(b)]
        shared = [_is_shared(topology, end) for end in ends]
        if shared[0] != shared[1] and ends[shared.index(False)].node not in known:
            found = f"{ends[shared.index(False)].node} is wired to the Internet and is no uplink's pop"
            expected = "let the fleet have one real hub"
            yield Problem(topology.place.at("wires"), found, expected)


def _is_shared(topology: Topology, end: WireEnd) -> bool:
    return topology.nodes[end.node].kind in _SHARED


def _own_nodes(topology: Topology) -> Iterator[Node]:
    yield from (node for node in topology.nodes.values() if node.kind not in _SHARED)


def _crossings(topology: Topology) -> Iterator[tuple[WireEnd, WireEnd, str]]:
    """Yield each wire from an uplink's pop to what all hubs share, with the uplink."""
    pops = {WireEnd.parse(uplink.pop).node: name for name, uplink in topology.uplinks.items()}
    for wire in topology.wires:
        a, b = map(WireEnd.parse, wire)
        for inner, outer in ((a, b), (b, a)):
            if inner.node in pops and _is_shared(topology, outer):
                yield inner, outer, pops[inner.node]


def _copy(node: Node, number: int) -> Node:
    return replace(node, name=own(node.name, number))


def _uplink(uplink: Uplink, number: int) -> Uplink:
    cpe, pop = (WireEnd.parse(end) for end in (uplink.cpe, uplink.pop))
    return replace(
        uplink,
        name=own(uplink.name, number),
        cpe=str(WireEnd(own(cpe.node, number), cpe.port)),
        pop=str(WireEnd(own(pop.node, number), pop.port)),
    )


def _end(topology: Topology, end: WireEnd, number: int) -> WireEnd:
    """Return a wire's end of hub ``number``: a node of its own, or a port of its own of a shared one."""
    if _is_shared(topology, end):
        return WireEnd(end.node, own(end.port, number))
    return WireEnd(own(end.node, number), end.port)
