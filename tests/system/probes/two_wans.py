"""A client, a hub with two uplinks behind NAT, and a tenant, as plain namespaces."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.lab.devices import NamespaceAccess
from testbed.probes.probe import Site

NAT = """
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat; oifname { "wan0", "wan1" } masquerade; }
}
table ip filter {
  chain forward { type filter hook forward priority filter; }
}
"""


@dataclass(frozen=True)
class Lab:
    """Three devices; the hub's traffic leaves by wan0 (198.51.100.2) until ``fail_over``."""

    client: NamespaceAccess
    hub: NamespaceAccess
    tenant: NamespaceAccess

    def fail_over(self) -> None:
        """Move the hub's traffic to wan1 (198.51.100.6), and flush what conntrack knows, as hubs do."""
        _do(self.hub, "ip route replace default via 198.51.100.5 dev wan1")
        _do(self.hub, "conntrack -F")

    def go_dark(self) -> None:
        """Drop all that the hub would forward."""
        _do(self.hub, "nft add rule ip filter forward drop")

    def refuse(self) -> None:
        """Answer all that the hub would forward with an ICMP error, as a closed firewall zone does."""
        _do(
            self.hub,
            "nft add rule ip filter forward ip saddr 192.168.10.0/24 reject with icmp admin-prohibited",
        )

    def recover(self) -> None:
        """Forward again."""
        _do(self.hub, "nft flush chain ip filter forward")

    def site(self, folder: Path, duration_s: float, **options: object) -> Site:
        """Return a site whose samples and logs go to ``folder``."""
        return Site(self.client, self.tenant, round(duration_s * 1e9), folder, folder, **options)  # type: ignore[arg-type]


def _do(device: NamespaceAccess, command: str) -> None:
    done = device.run(command.split())
    assert 0 == done.returncode, f"{device.name}: {command}: {done.stderr}"


def device(name: str, stack: ExitStack) -> NamespaceAccess:
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--", "sh", "-c", "ip link set lo up; echo ready; exec sleep 600"],
        stdout=subprocess.PIPE,
    )
    stack.callback(holder.wait)
    stack.callback(_kill_all_in, holder.pid)
    assert holder.stdout
    stack.enter_context(holder.stdout).readline()
    return NamespaceAccess(name, holder.pid)


def _kill_all_in(pid: int) -> None:
    """Kill a device's processes, those that a failed test left included."""
    network = Path(f"/proc/{pid}/ns/net").readlink()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if network == (process / "ns/net").readlink():
                os.kill(int(process.name), signal.SIGKILL)


def wire(lab: Lab) -> None:
    hub, client, tenant = lab.hub, lab.client, lab.tenant
    _do(hub, f"ip link add lan0 type veth peer name eth0 netns {client.pid}")
    _do(hub, f"ip link add wan0 type veth peer name eth0 netns {tenant.pid}")
    _do(hub, f"ip link add wan1 type veth peer name eth1 netns {tenant.pid}")
    for device, port, address in (
        (client, "eth0", "192.168.10.101/24"),
        (hub, "lan0", "192.168.10.1/24"),
        (hub, "wan0", "198.51.100.2/30"),
        (tenant, "eth0", "198.51.100.1/30"),
        (hub, "wan1", "198.51.100.6/30"),
        (tenant, "eth1", "198.51.100.5/30"),
        (tenant, "lo", "203.0.113.10/32"),
    ):
        _do(device, f"ip address add {address} dev {port}")
        _do(device, f"ip link set {port} up")
    _do(client, "ip route add default via 192.168.10.1")
    _do(hub, "ip route add default via 198.51.100.1")
    _do(hub, "sysctl -qw net.ipv4.ip_forward=1")
    subprocess.run(hub.argv(["nft", "-f", "-"]), input=NAT, text=True, check=True)
