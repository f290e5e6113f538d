"""A link in the kernel, made over netlink: a veth pair with netem at both ends, spliced between two interfaces.

    hub's interface ── redirect ──> netem+tbf [inner h ═ inner n] ── redirect ──> net's interface
                    <── redirect ──           [inner h ═ inner n] netem+tbf <── redirect ──

A redirect is a clsact filter with mirred: every frame passes, as on a wire. What comes out of the pair
can be counted behind netem, whatever the two interfaces are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute, NetNS
from pyroute2.ethtool import Ethtool
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifinfmsg import IFF_PROMISC, IFF_UP

from testbed.errors import RunError
from testbed.link.netemd import qdiscs
from testbed.link.netemd.claim import claim
from testbed.link.netemd.counters import QueueStatistics
from testbed.link.netemd.evidence import Queued
from testbed.link.netemd.steps import Setting
from testbed.model.link import Direction, QueueLimit

_INGRESS = 0xFFFFFFF2
_ETH_P_ALL = 3


@dataclass(frozen=True)
class Strand:
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
        """Make the pair. Raises RunError for an interface that is not there, or in another link."""
        self._ip = ip
        h, n = _index(ip, hub), _index(ip, net)
        self._claims = [claim(hub, h), claim(net, n)]
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
            Direction.UP: Strand(h, a, b, n, hub, inner_n, up),
            Direction.DOWN: Strand(n, b, a, h, net, inner_h, down),
        }
        self._netlink = qdiscs.Netlink()
        self._undo: list[Callable[[], None]] = []
        self._applied: dict[Direction, Sequence[bytes]] = {}

    def open(self, settings: Mapping[Direction, Setting]) -> None:
        """Shape both directions, then let packets through."""
        for direction, lane in self.lanes.items():
            self._shape(direction, settings[direction])
            for name in (lane.counted_in, lane.counted_out):
                _no_ipv6(name)
            self._ip.link("set", index=lane.shaper, state="up")
            _set_flags(self._ip, lane.entrance, IFF_UP | IFF_PROMISC)
            self._undo.append(_keep_frames_small(self._ip, lane.entrance, lane.counted_in))
        for lane in self.lanes.values():
            _redirect(self._ip, lane.outlet, lane.exit)
            _redirect(self._ip, lane.entrance, lane.shaper)

    def apply(self, direction: Direction, setting: Setting) -> None:
        """Change what this setting changes, and nothing else."""
        messages = self.prepare(direction, setting)
        for message in messages:
            if message not in self._applied[direction]:
                self._netlink.do(message)
        self._applied[direction] = messages

    def prepare(self, direction: Direction, setting: Setting) -> Sequence[bytes]:
        """Return what `apply` will say; said before, it costs microseconds instead of a millisecond."""
        lane = self.lanes[direction]
        return qdiscs.changes(lane.shaper, setting, lane.queue)

    def close(self) -> None:
        """Take the pair and the redirects away, and leave the interfaces as they were."""
        for undo in self._undo:
            undo()
        for lane in self.lanes.values():
            _set_flags(self._ip, lane.entrance, 0, IFF_PROMISC)
            with suppress(NetlinkError):  # it was not opened
                self._ip.tc("del", "clsact", lane.entrance)
        self._ip.link("del", index=self.lanes[Direction.UP].shaper)

    def _shape(self, direction: Direction, setting: Setting) -> None:
        lane = self.lanes[direction]
        self._netlink.do(qdiscs.message("netem", lane.shaper, qdiscs.netem_options(setting), add=True))
        rate = qdiscs.rate_options(setting, lane.queue)
        self._netlink.do(qdiscs.message("tbf", lane.shaper, rate, add=True))
        if lane.queue.packets:
            self._netlink.do(qdiscs.message("pfifo", lane.shaper, qdiscs.fifo_options(lane.queue), add=True))
        self._applied[direction] = self.prepare(direction, setting)


def queued(statistics: QueueStatistics, lane: Strand) -> Queued:
    """Return a lane's part of `counters.queues`; netem counts the drops of the token bucket behind it as well."""
    netem, rate = statistics[lane.shaper, qdiscs.NETEM], statistics[lane.shaper, qdiscs.RATE]
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


def _no_ipv6(name: str) -> None:
    """Keep the host's own IPv6 talk off an interface."""
    setting = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    if setting.exists():  # a kernel may have no IPv6
        setting.write_text("1")


def _set_flags(ip: IPRoute, index: int, flags: int, mask: int | None = None) -> None:
    ip.link("set", index=index, flags=flags, change=flags if mask is None else mask)


def _keep_frames_small(ip: IPRoute, index: int, name: str) -> Callable[[], None]:
    """Keep frames larger than the MTU out: netem would delay and lose dozens of packets as one.

    At a NIC the offloads of its entrance are switched off. At a veth the frames are made at the far end,
    in whichever namespace that is; there a frame may have one segment from now on. Returns what undoes it.
    """
    link = ip.get_links(index)[0]
    if link.get_attr("IFLA_LINKINFO") is None:
        return _switch_off(name, ("rx-gro", "rx-lro"))
    if (far := link.get_attr("IFLA_LINK")) is not None:
        _one_segment(ip, link.get_attr("IFLA_LINK_NETNSID"), far)
    return lambda: None  # the far end of a veth belongs to the lab, and goes with it


def _switch_off(name: str, offloads: Sequence[str]) -> Callable[[], None]:
    features = Ethtool().get_features(name)
    on = [features.features[o] for o in offloads if o in features.features and features.features[o].enable]

    def switch(enable: bool) -> None:
        for feature in on:
            feature.enable = enable
        Ethtool().set_features(name, features)

    switch(False)
    return lambda: switch(True)


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
