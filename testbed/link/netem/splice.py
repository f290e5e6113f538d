"""A link in the kernel, made over netlink: a veth pair with netem at both ends, spliced between two interfaces.

    hub's interface ── redirect ──> netem+tbf [inner h ═ inner n] ── redirect ──> net's interface
                    <── redirect ──           [inner h ═ inner n] netem+tbf <── redirect ──

A redirect is a clsact filter with mirred: every frame passes, as on a wire. What comes out of the pair
can be counted behind netem, whatever the two interfaces are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute, NetNS
from pyroute2.ethtool import Ethtool
from pyroute2.netlink.exceptions import NetlinkError

from testbed.errors import HostError, RunError
from testbed.link.netem.counters import QueueStatistics
from testbed.link.netem.evidence import Queued
from testbed.link.netem.steps import Setting
from testbed.model.link import Direction, QueueLimit

Options = Mapping[str, float]

FRAME_BYTES = 1600
"""An MTU of 1,500 with its header, and some room."""
_UNLIMITED_BYTES_S = 2**32 - 1
_LEAST_BYTES_S = 8  # below it, the time that a burst takes overflows
_BURST_S = 0.002
_QUEUE_BYTES = 256 << 20
_PACKETS_INSIDE = 200_000
_NETEM, _RATE, _FIFO = 0x10000, 0x20000, 0x30000
_NETEM_CLASS, _RATE_CLASS = 0x10001, 0x20001
_INGRESS = 0xFFFFFFF2
_ETH_P_ALL = 3


def netem_options(setting: Setting) -> Options:
    """Return netem's parameters, all of them each time: it forgets what it is not told.

    With a rate, however high, netem keeps packets in order when the delay falls; without one it does not.
    """
    return {
        "delay": round(setting.delay_ns / 1000),  # us
        "loss": 100.0 if setting.cut else 100.0 * setting.loss,
        "rate": _UNLIMITED_BYTES_S,
        "limit": _PACKETS_INSIDE,
    }


def rate_options(setting: Setting, queue: QueueLimit) -> Options:
    """Return the token bucket's parameters: it may send 2 ms of its rate, or a frame, at once."""
    rate = max(setting.rate_bps // 8, _LEAST_BYTES_S) if setting.rate_bps else _UNLIMITED_BYTES_S
    rate = min(rate, _UNLIMITED_BYTES_S)
    limit = min(_QUEUE_BYTES, queue.bytes or _QUEUE_BYTES)
    if queue.time_ns and setting.rate_bps:
        limit = min(limit, max(rate * queue.time_ns // 10**9, FRAME_BYTES))
    return {
        "rate": rate,
        "burst": max(FRAME_BYTES, round(rate * _BURST_S)),
        "limit": queue.packets or limit,  # of a queue in packets, this is its packets
    }


@dataclass(frozen=True)
class Lane:
    """One direction of a splice: interfaces by index, and the names whose counters tell what went in and out."""

    entrance: int
    shaper: int
    outlet: int
    exit: int
    counted_in: str
    counted_out: str
    queue: QueueLimit


class Splice:
    """One link between two interfaces of this namespace."""

    def __init__(self, ip: IPRoute, hub: str, net: str, queues: Mapping[Direction, QueueLimit]) -> None:
        """Make the pair. Raises RunError for an interface that is not there."""
        self._ip = ip
        h, n = _index(ip, hub), _index(ip, net)
        inner_h, inner_n = f"tb{h}h", f"tb{h}n"
        for outer in (h, n):
            with suppress(NetlinkError):  # there is none, unless a netem back end was killed here
                ip.tc("del", "clsact", outer)
        for left_behind in ip.link_lookup(ifname=inner_h):
            ip.link("del", index=left_behind)
        mtu = min(ip.get_links(index)[0].get_attr("IFLA_MTU") for index in (h, n))
        ip.link("add", ifname=inner_h, kind="veth", mtu=mtu, peer={"ifname": inner_n, "mtu": mtu})
        a, b = _index(ip, inner_h), _index(ip, inner_n)
        up, down = queues[Direction.UP], queues[Direction.DOWN]
        self.lanes = {
            Direction.UP: Lane(h, a, b, n, hub, inner_n, up),
            Direction.DOWN: Lane(n, b, a, h, net, inner_h, down),
        }
        self._applied: dict[Direction, tuple[Options, Options]] = {}

    def open(self, settings: Mapping[Direction, Setting]) -> None:
        """Shape both directions, then let packets through. Raises HostError without netem."""
        for direction, lane in self.lanes.items():
            self._shape(direction, settings[direction])
            for name in (lane.counted_in, lane.counted_out):
                Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            self._ip.link("set", index=lane.shaper, state="up")
            self._ip.link("set", index=lane.entrance, state="up", promiscuity=1)
            _keep_frames_small(self._ip, lane.entrance, lane.counted_in)
        for lane in self.lanes.values():
            _redirect(self._ip, lane.outlet, lane.exit)
            _redirect(self._ip, lane.entrance, lane.shaper)

    def apply(self, direction: Direction, setting: Setting) -> None:
        """Change what this setting changes, and nothing else."""
        lane = self.lanes[direction]
        netem, rate = netem_options(setting), rate_options(setting, lane.queue)
        netem_before, rate_before = self._applied[direction]
        if netem != netem_before:
            self._ip.tc("change", "netem", lane.shaper, handle=_NETEM, **netem)
        if rate != rate_before:
            self._ip.tc("change", "tbf", lane.shaper, handle=_RATE, parent=_NETEM_CLASS, **rate)
        self._applied[direction] = netem, rate

    def close(self) -> None:
        """Take the pair and the redirects away."""
        for lane in self.lanes.values():
            self._ip.tc("del", "clsact", lane.entrance)
        self._ip.link("del", index=self.lanes[Direction.UP].shaper)

    def _shape(self, direction: Direction, setting: Setting) -> None:
        lane = self.lanes[direction]
        netem, rate = netem_options(setting), rate_options(setting, lane.queue)
        try:
            self._ip.tc("add", "netem", lane.shaper, handle=_NETEM, **netem)
        except NetlinkError as error:
            raise HostError(f"this host's kernel has no netem: {error}") from error
        self._ip.tc("add", "tbf", lane.shaper, handle=_RATE, parent=_NETEM_CLASS, **rate)
        if lane.queue.packets:
            self._ip.tc(
                "add", "pfifo", lane.shaper, handle=_FIFO, parent=_RATE_CLASS, limit=lane.queue.packets
            )
        self._applied[direction] = netem, rate


def queued(statistics: QueueStatistics, lane: Lane) -> Queued:
    """Return a lane's part of `counters.queues`; netem counts the drops of the token bucket behind it as well."""
    netem, rate = statistics[lane.shaper, _NETEM], statistics[lane.shaper, _RATE]
    return Queued(netem["drops"] - rate["drops"], rate["drops"], netem["qlen"], rate["backlog"])


def _index(ip: IPRoute, name: str) -> int:
    found = ip.link_lookup(ifname=name)
    if not found:
        raise RunError(f"interface {name}: No such device")
    return int(found[0])


def _redirect(ip: IPRoute, source: int, target: int) -> None:
    """Send all that comes in through one interface out of another."""
    ip.tc("add", "clsact", source)
    action = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": target}
    ip.tc(
        "add-filter", "u32", source, parent=_INGRESS, prio=1, protocol=_ETH_P_ALL, target=0,
        keys=["0x0/0x0+0"], action=action,
    )  # fmt: skip


def _keep_frames_small(ip: IPRoute, index: int, name: str) -> None:
    """Keep frames larger than the MTU out: netem would delay and lose dozens of packets as one.

    At a NIC the offloads of its entrance are switched off. At a veth the frames are made at the far end,
    in whichever namespace that is; there a frame may have one segment from now on.
    """
    link = ip.get_links(index)[0]
    if link.get_attr("IFLA_LINKINFO") is None:
        features = Ethtool().get_features(name)
        for offload in ("rx-gro", "rx-lro"):
            if offload in features.features:
                features.features[offload].enable = False
        Ethtool().set_features(name, features)
    elif (far := link.get_attr("IFLA_LINK")) is not None:
        _one_segment(ip, link.get_attr("IFLA_LINK_NETNSID"), far)


def _one_segment(ip: IPRoute, namespace: int | None, index: int) -> None:
    if namespace is None:
        ip.link("set", index=index, gso_max_segs=1)
        return
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _namespace_of(ip, int(process.name)) == namespace:
            with NetNS(f"{process}/ns/net") as there:
                there.link("set", index=index, gso_max_segs=1)
            return


def _namespace_of(ip: IPRoute, pid: int) -> int | None:
    """Return the id that this namespace has for a process's; None: none, or the process has ended."""
    with suppress(NetlinkError, OSError):
        return int(ip.get_netnsid(pid=pid)["nsid"])
    return None
