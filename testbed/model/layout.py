"""Where a topology's nodes stand in a drawing: columns from the LAN clients to the tenant, uplinks side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from testbed.model.topology import Topology, WireEnd

LINK = "link:"
"""Marks an emulated link among the names of nodes: in a drawing it is one."""


def neighbours(topology: Topology) -> Mapping[str, set[str]]:
    """Return who is wired to whom; an emulated link is a node of its own."""
    links = [LINK + name for name in topology.uplinks]
    neighbours: dict[str, set[str]] = {name: set() for name in (*topology.nodes, *links)}
    pairs = [(WireEnd.parse(a).node, WireEnd.parse(b).node) for a, b in topology.wires]
    for uplink in topology.uplinks.values():
        link = LINK + uplink.name
        pairs += [(WireEnd.parse(uplink.cpe).node, link), (link, WireEnd.parse(uplink.pop).node)]
    for a, b in pairs:
        neighbours[a].add(b)
        neighbours[b].add(a)
    return neighbours


def columns(topology: Topology, neighbours: Mapping[str, set[str]]) -> list[list[str]]:
    """Group the nodes by their distance from the tenant, farthest first."""
    distance = {topology.tenant.name: 0}
    queue = deque(distance)
    while queue:
        node = queue.popleft()
        for other in sorted(neighbours[node] - distance.keys()):
            distance[other] = distance[node] + 1
            queue.append(other)
    order = list(neighbours)
    far = max(distance.values())
    return [[n for n in order if distance.get(n) == d] for d in range(far, -1, -1)]


def rows(columns: list[list[str]], neighbours: Mapping[str, set[str]]) -> dict[str, int]:
    """Give each node a row: a chain stays on its line, parallel chains lie below one another."""
    return {name: row for column in columns for row, name in enumerate(_sorted(column, columns, neighbours))}


def _sorted(column: list[str], columns: list[list[str]], neighbours: Mapping[str, set[str]]) -> list[str]:
    index = columns.index(column)
    if index == 0:
        return column
    before = _sorted(columns[index - 1], columns, neighbours)
    return sorted(
        column, key=lambda name: min((before.index(b) for b in before if b in neighbours[name]), default=0)
    )
