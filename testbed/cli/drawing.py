"""A topology as a drawing in text: columns from the LAN clients to the tenant, uplinks side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from testbed.model.topology import Node, Topology, WireEnd

_GUTTER = 3  # characters between two columns of nodes
_LINK = "link:"  # marks an emulated link among the names of nodes
# Box-drawing characters by the directions that a cell connects: left, right, up, down.
_CORNERS = {
    (1, 1, 0, 0): "─",
    (0, 0, 1, 1): "│",
    (1, 0, 0, 1): "┐",
    (1, 0, 1, 0): "┘",
    (0, 1, 0, 1): "┌",
    (0, 1, 1, 0): "└",
    (1, 0, 1, 1): "┤",
    (0, 1, 1, 1): "├",
    (1, 1, 1, 0): "┴",
    (1, 1, 0, 1): "┬",
    (1, 1, 1, 1): "┼",
}


def draw(topology: Topology) -> str:
    """Return the drawing, one line a row of nodes; ``══`` marks the emulated links."""
    neighbours = _neighbours(topology)
    columns = _columns(topology, neighbours)
    rows = _rows(columns, neighbours)
    height = max(rows.values()) + 1
    lines = [""] * height
    for index, column in enumerate(columns):
        _append_nodes(lines, column, rows, first=index == 0)
        if index + 1 < len(columns):
            edges = [(rows[a], rows[b]) for a in column for b in columns[index + 1] if b in neighbours[a]]
            connector = _connector(edges, height)
            lines = [line + part for line, part in zip(lines, connector, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def _neighbours(topology: Topology) -> Mapping[str, set[str]]:
    """Return who is wired to whom; an emulated link is a node of its own."""
    links = [_LINK + name for name in topology.uplinks]
    neighbours: dict[str, set[str]] = {name: set() for name in (*topology.nodes, *links)}
    pairs = [(WireEnd.parse(a).node, WireEnd.parse(b).node) for a, b in topology.wires]
    for uplink in topology.uplinks.values():
        link = _LINK + uplink.name
        pairs += [(WireEnd.parse(uplink.cpe).node, link), (link, WireEnd.parse(uplink.pop).node)]
    for a, b in pairs:
        neighbours[a].add(b)
        neighbours[b].add(a)
    return neighbours


def _columns(topology: Topology, neighbours: Mapping[str, set[str]]) -> list[list[str]]:
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


def _rows(columns: list[list[str]], neighbours: Mapping[str, set[str]]) -> dict[str, int]:
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


def _append_nodes(lines: list[str], column: list[str], rows: Mapping[str, int], first: bool) -> None:
    labels = {rows[name]: _label(name) for name in column}
    width = max(map(len, labels.values()))
    for row, line in enumerate(lines):
        label = labels.get(row, "")
        fill = " " if first or not label else label[-1].strip() or "─"
        lines[row] = line + label.center(width, fill)


def _label(name: str) -> str:
    return f"══ {name.removeprefix(_LINK)} ══" if name.startswith(_LINK) else f" {name} "


def _connector(edges: list[tuple[int, int]], height: int) -> Iterator[str]:
    """Yield each row of the gutter between two columns."""
    for row in range(height):
        left = any(a == row for a, _ in edges)
        right = any(b == row for _, b in edges)
        up = any(min(edge) < row <= max(edge) for edge in edges)
        down = any(min(edge) <= row < max(edge) for edge in edges)
        middle = _CORNERS.get((int(left), int(right), int(up), int(down)), " ")
        yield ("─" if left else " ") + middle.ljust(1) + ("─" if right else " ").ljust(_GUTTER - 2)


def table(topology: Topology) -> list[tuple[str, str, str, str, str]]:
    """Return rows (node, kind, port, address, wired to) for every port of every node."""
    peers: dict[WireEnd, str] = {}
    for a, b in topology.connections():
        peers[a], peers[b] = str(b), str(a)
    return [
        (name, str(node.kind), port, _addresses(node, port), peers.get(WireEnd(name, port), ""))
        for name, node in topology.nodes.items()
        for port in node.ports
    ]


def _addresses(node: Node, port: str) -> str:
    by_ipv6 = node.ipv6.ports.get(port, "") if node.ipv6 else ""
    return "\n".join(filter(None, (node.ports[port], by_ipv6)))
