"""What an uplink's path takes at most: set where its emulated link ends, as a narrower medium would have it."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.model.topology import Topology, WireEnd
from testbed.model.uplink import Mtu

TABLE = "testbed_mtu"
"""The nftables table of a device that keeps it from saying that a packet was too long."""
_SILENT = (
    "type filter hook output priority filter; icmp type destination-unreachable icmp code frag-needed drop; "
    "icmpv6 type packet-too-big drop;"
)


# By the routes: a port with a smaller MTU would refuse what is still on its way to it.
_NARROW = """\
for family in -4 -6; do
    ip $family route show dev "$1" | sed 's/ mtu [0-9]*//; s/ linkdown//' | while read -r route; do
        ip $family route replace $route dev "$1" mtu "$2"
    done
done
"""


def set_mtu(devices: Mapping[str, DeviceAccess], topology: Topology, uplink: str, mtu: Mtu) -> None:
    """Let the uplink take IP packets of at most this size, both ways.

    CPE and PoP answer a longer one that may not be cut with ICMP "too big", or with nothing. Raises RunError.
    """
    table = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    if not mtu.icmp:
        table += f"table inet {TABLE} {{\nchain silent {{ {_SILENT} }}\n}}"
    described = topology.uplinks[uplink]
    for end in map(WireEnd.parse, (described.cpe, described.pop)):
        device = devices[end.node]
        commands = [["nft", table], ["sh", "-euc", _NARROW, "sh", end.port, str(mtu.size)]]
        # Silent before it is narrow, and until it is wide again: one word, and the senders know for minutes.
        for command in reversed(commands) if mtu.icmp else commands:
            done = device.run(command)
            if done.returncode != 0 or done.stderr:
                raise RunError(f"{device.name}: no MTU of {mtu.size} B: {(done.stderr or done.stdout).strip()}")
