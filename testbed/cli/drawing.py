"""A topology as a drawing in text: columns from the LAN clients to the tenant, uplinks side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from testbed.model import layout
from testbed.model.topology import Node, Topology, WireEnd

_GUTTER = 3  # characters between two columns of nodes
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
    neighbours = layout.neighbours(topology)
    columns = layout.columns(topology, neighbours)
    rows = layout.rows(columns, neighbours)
    height = max(rows.values()) + 1
    lines = [""] * height
    for index, column in enumerate(columns):
        _append_nodes(lines, column, rows, first=index == 0)
        if index + 1 < len(columns):
            edges = [(rows[a], rows[b]) for a in column for b in columns[index + 1] if b in neighbours[a]]
            connector = _connector(edges, height)
            lines = [line + part for line, part in zip(lines, connector, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def _append_nodes(lines: list[str], column: list[str], rows: Mapping[str, int], first: bool) -> None:
    labels = {rows[name]: _label(name) for name in column}
    width = max(map(len, labels.values()))
    for row, line in enumerate(lines):
        label = labels.get(row, "")
        fill = " " if first or not label else label[-1].strip() or "─"
        lines[row] = line + label.center(width, fill)


def _label(name: str) -> str:
    return f"══ {name.removeprefix(layout.LINK)} ══" if name.startswith(layout.LINK) else f" {name} "


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
