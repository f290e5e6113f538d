"""Where packets are captured: the ports at both ends of an emulated link, or a port that was named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.errors import Problem, did_you_mean
from testbed.model.bench import VIRTUAL
from testbed.model.capture import LEAST_SNAP, MOST_SNAP, CaptureWish
from testbed.model.link import Direction
from testbed.model.topology import NodeKind, Topology, WireEnd

OPTION = "--capture"


@dataclass(frozen=True)
class Point:
    """A port, and the names of what passes it: what it sends (``out``) and what it receives (``in_``).

    At a link's end these are the entrance of one direction and the exit of the other; ``link`` is its name.
    """

    end: WireEnd
    out: str
    in_: str
    link: str = ""


def entrance(link: str, direction: Direction) -> str:
    """Return the name of the interface where packets come into a link."""
    return f"{link} {direction} entrance"


def exit_(link: str, direction: Direction) -> str:
    """Return the name of the interface where they come out."""
    return f"{link} {direction} exit"


def points(wish: CaptureWish, topology: Topology) -> tuple[Point, ...]:
    """Return where to capture; each port once."""
    found: dict[WireEnd, Point] = {}
    for name in wish.of or tuple(topology.uplinks):
        for point in _of_link(name, topology) if name in topology.uplinks else _of_port(name, topology):
            found.setdefault(point.end, point)
    return tuple(found.values())


def problems(wish: CaptureWish, topology: Topology, bench: str = VIRTUAL) -> Iterator[Problem]:
    """Yield what is wrong with a wish, for this topology and bench."""
    if not LEAST_SNAP <= wish.snap <= MOST_SNAP:
        expected = f"keep {LEAST_SNAP} to {MOST_SNAP} bytes of a packet"
        yield Problem("--snap", f"{wish.snap} bytes", expected)
    if wish.limit <= 0:
        yield Problem("--capture-limit", "no room at all", "write a size, such as '1 GB'")
    for name in wish.of:
        if name in topology.uplinks:
            continue
        node, colon, port = name.partition(":")
        if not colon:
            expected = did_you_mean(name, topology.uplinks)
            yield Problem(OPTION, f"no link {name!r} in this topology", f"{expected} or write NODE:PORT")
        elif node not in topology.nodes:
            yield Problem(OPTION, f"no node {node!r} in {name!r}", did_you_mean(node, topology.nodes))
        elif port not in topology.nodes[node].ports:
            yield Problem(OPTION, f"no port {port!r} in {name!r}", did_you_mean(port, topology.nodes[node].ports))
        elif node == topology.hub.name and bench != VIRTUAL:
            peer = topology.peer(WireEnd(node, port))
            expected = f"name the other end of its cable, {peer}" if peer else "name another port"
            yield Problem(OPTION, f"the hub of {bench} is no node of the lab", expected)


def words(topology: Topology) -> Sequence[str]:
    """Return all that can be named: links, then ports."""
    ports = [f"{node.name}:{port}" for node in topology.nodes.values() for port in node.ports]
    return [*topology.uplinks, *ports]


def _of_link(name: str, topology: Topology) -> Iterator[Point]:
    uplink = topology.uplinks[name]
    up, down = Direction.UP, Direction.DOWN
    yield Point(WireEnd.parse(uplink.cpe), entrance(name, up), exit_(name, down), name)
    yield Point(WireEnd.parse(uplink.pop), entrance(name, down), exit_(name, up), name)


def _of_port(name: str, topology: Topology) -> Iterator[Point]:
    end = WireEnd.parse(name)
    bridged = topology.nodes[end.node].kind is NodeKind.SWITCH  # what it sends bears other senders' addresses
    yield Point(end, name, name) if bridged else Point(end, f"{name} out", f"{name} in")
