"""The IPv6 of a lab's nodes: addresses and routes, and at a CPE what tells the hub its prefixes.

radvd advertises the network of the CPE's port, Kea delegates a prefix behind it; its hook routes the prefix to who
asked, as a CPE does. Without a /56 to anybody nothing of this runs.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from testbed.errors import HostError
from testbed.lab.devices import DeviceAccess
from testbed.model.ipv6 import SECOND_NS, Delegation, Ipv6
from testbed.model.topology import Node, NodeKind

_HOOK, _LIBRARY = "/run/delegated", "libdhcp_run_script.so"
# Kea opens no socket on a port without a carrier, and does not look again.
_SERVE = """\
until ip link show dev "$1" | grep -q LOWER_UP; do sleep 0.2; done
export KEA_PIDFILE_DIR=/run/kea KEA_LOCKFILE_DIR=none
exec kea-dhcp6 -c /run/kea.json
"""
_SETTLES_S = 20
_HAS_ADDRESS = f"""
for _ in $(seq {10 * _SETTLES_S}); do
    [ -z "$(ip -6 address show scope global -tentative -deprecated)" ] || exit 0
    sleep 0.1
done
exit 1
"""
_SETTINGS = "/proc/sys/net/ipv6/conf"
_TOOLS = {"kea-dhcp6": "kea-dhcp6-server", "radvd": "radvd", "dhcpcd": "dhcpcd-base"}


class Service(NamedTuple):
    """A program that a node must run, and the shell lines that prepare it."""

    program: str
    command: list[str]
    prepare: str


def require() -> None:
    """Raise HostError where this host cannot give IPv6 to anybody."""
    if not Path(_SETTINGS).is_dir():
        raise HostError("this kernel has no IPv6, which the topology asks for; take one without, or another kernel")
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            expected = f"install the package {package} ('testbed doctor' lists all)"
            raise HostError(f"{tool} is missing, which IPv6 needs; {expected}")


def configuration(node: Node) -> Iterator[str]:
    """Yield the shell lines that give a node its IPv6; a client only learns to listen for advertisements."""
    ipv6 = node.ipv6 or Ipv6()
    for name in ("default", "all"):
        yield f"echo 0 > {_SETTINGS}/{name}/disable_ipv6"
    routes = node.kind not in (NodeKind.CLIENT, NodeKind.TENANT)
    yield f"echo {int(routes)} > {_SETTINGS}/all/forwarding"
    for port in node.ports:
        yield f"echo {int(node.kind is NodeKind.CLIENT)} > {_SETTINGS}/{port}/accept_ra"
        if port in ipv6.ports:
            yield f"echo 0 > {_SETTINGS}/{port}/accept_dad"  # nobody else has it, and services bind at once
            yield f"echo 1 > {_SETTINGS}/{port}/keep_addr_on_down"
            yield f"ip -6 address add {ipv6.ports[port]} dev {port} nodad"


def routes(ipv6: Ipv6) -> Iterator[str]:
    """Yield the shell lines of a node's static routes: when its ports are up."""
    for prefix, via in ipv6.routes.items():
        yield f"ip -6 route add {prefix} via {via}"
    if ipv6.gateway:
        yield f"ip -6 route add default via {ipv6.gateway}"


def services(node: Node, reboots: int) -> Iterator[Service]:
    """Yield what a CPE runs after so many reboots; nothing where it delegates none."""
    if node.ipv6 is None or node.ipv6.delegation is None:
        return
    delegation = node.ipv6.delegation
    network = str(ipaddress.IPv6Interface(node.ipv6.ports[delegation.port]).network)
    prefix = delegation.prefix(reboots)
    yield Service("radvd", ["radvd", "-n", "-m", "stderr", "-C", "/run/radvd.conf", "-p", "/run/radvd.pid"],
                  _file("/run/radvd.conf", _advertised(delegation, network)))  # fmt: skip
    hook = f"#!/bin/sh\nip -6 route flush dev {delegation.port} proto 77 2> /dev/null\n"
    hook += f'exec ip -6 route replace {prefix} via "$QUERY6_REMOTE_ADDR" dev {delegation.port} proto 77\n'
    prepare = _file("/run/kea.json", json.dumps(_delegated(delegation, network, prefix)))
    prepare += f"sed -i \"s#{_LIBRARY}#$(ls /usr/lib/*/kea/hooks/{_LIBRARY} | head -n 1)#\" /run/kea.json\n"
    prepare += f"{_file(_HOOK, hook)}chmod +x {_HOOK}; mkdir -p /run/kea /var/lib/kea\n"
    # Of its own, and at once: the kernel's comes after the port has a carrier, and goes when it is down.
    prepare += f"ip link set {delegation.port} addrgenmode none\n"
    prepare += f"ip -6 address flush dev {delegation.port} scope link\n"
    prepare += f"ip -6 address add fe80::1/64 dev {delegation.port} nodad\n"
    prepare += f"ip -6 route flush dev {delegation.port} proto 77 2> /dev/null || true\n"
    yield Service("kea-dhcp6", ["sh", "-c", _SERVE, "sh", delegation.port], prepare)


def settle(client: DeviceAccess) -> bool:
    """Wait until a client has an address that it may use, and return whether it has: a hub may never give one."""
    return client.run(["sh", "-c", _HAS_ADDRESS], 2 * _SETTLES_S).returncode == 0


def _advertised(delegation: Delegation, network: str) -> str:
    lives = delegation.lifetimes
    return f"""\
interface {delegation.port} {{
    AdvSendAdvert on;
    AdvOtherConfigFlag on;
    AdvLinkMTU 1500;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultLifetime {max(lives.valid // SECOND_NS, 4)};
    prefix {network} {{
        AdvPreferredLifetime {lives.preferred // SECOND_NS};
        AdvValidLifetime {lives.valid // SECOND_NS};
    }};
}};
"""


def _delegated(delegation: Delegation, network: str, prefix: str) -> dict[str, object]:
    lives, length = delegation.lifetimes, ipaddress.IPv6Network(prefix).prefixlen
    pool = {"prefix": prefix.partition("/")[0], "prefix-len": length, "delegated-len": length}
    subnet = {"id": 1, "subnet": network, "interface": delegation.port, "pd-pools": [pool]}
    hook = {"library": _LIBRARY, "parameters": {"name": _HOOK, "sync": False}}
    return {
        "Dhcp6": {
            "interfaces-config": {"interfaces": [delegation.port]},
            "lease-database": {"type": "memfile", "persist": False},
            "server-id": {"type": "LL", "persist": False},
            "preferred-lifetime": lives.preferred // SECOND_NS,
            "valid-lifetime": lives.valid // SECOND_NS,
            "hooks-libraries": [hook],
            "subnet6": [subnet],
            "loggers": [{"name": "kea-dhcp6", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
        }
    }


def _file(path: str, content: str) -> str:
    return f"cat > {path} << 'END_OF_FILE'\n{content.rstrip()}\nEND_OF_FILE\n"
