"""The way from a run's sandbox to its host's network: a veth, which the host forwards and translates.

The host's end is made and undone outside of the sandbox. What of the host is changed: an interface and a table of
nft with names of their own, and forwarding on the interface of the default route, until the last way out is closed.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import HostError
from testbed.lab.devices import DeviceAccess

PORT = "out0"
"""The sandbox's end, and the end of the lab's node that it leads on to."""
_NAME = "testbed-out"
_POOL = ipaddress.IPv4Network("198.18.0.0/16")  # for networks under test (RFC 2544): in nobody's routing table
_INSIDE = ipaddress.IPv4Network("198.19.255.252/30")
_RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


@dataclass(frozen=True)
class Gate:
    """The host's end of a way out: its interface, the two addresses, and what forwards on the host before."""

    name: str
    address: str
    via: str
    towards: str
    forwarded: str


def open_gate(there: int) -> Gate:
    """Make a way out of the network namespace of the open file ``there``. Raises HostError."""
    sweep()
    towards = _default_interface()
    for number, network in enumerate(_POOL.subnets(new_prefix=30)):
        via, address = map(str, network.hosts())
        name = f"{_NAME}{number}"
        made = _try("ip", "link", "add", name, "type", "veth", "peer", "name", PORT, fds=(), netns=there)
        if made == "":
            break
        if "exists" not in made:
            raise HostError(f"no way out of the sandbox: {made}")
    else:
        raise HostError("no way out of the sandbox: too many runs have one")
    before = (forwarded for _, interface, forwarded in _tables() if interface == towards)
    gate = Gate(name, f"{address}/30", via, towards, next(before, _forwarding(towards).read_text().strip()))
    try:
        _do("ip", "address", "add", f"{via}/30", "dev", name)
        _do("ip", "link", "set", name, "up")
        table = (
            f"table ip {name} {{ chain out {{ type nat hook postrouting priority srcnat; "
            f'ip saddr {address} oifname != {name} masquerade comment "{towards} {gate.forwarded}"; }}; }}'
        )
        _do("nft", f"add {table}")
        for interface in (name, towards):
            _forwarding(interface).write_text("1")
    except (OSError, HostError) as error:
        close_gate(gate)
        raise HostError(f"no way out of the sandbox: {error}") from error
    return gate


def close_gate(gate: Gate) -> None:
    """Leave the host as it was; what of it is gone already is none's loss."""
    _try("nft", "delete", "table", "ip", gate.name)
    _try("ip", "link", "delete", gate.name)
    if not any(path.name.startswith(_NAME) for path in Path("/sys/class/net").iterdir()):
        with suppress(OSError):  # the interface itself may be gone
            _forwarding(gate.towards).write_text(gate.forwarded)


def sweep() -> None:
    """Take back what of the host is still changed for ways out whose sandbox and custodian were killed: the interface
    goes with the sandbox."""
    for name, towards, forwarded in _tables():
        if not Path("/sys/class/net", name).exists():
            close_gate(Gate(name, "", "", towards, forwarded))


def lead_on(gate: Gate, node: DeviceAccess, pid: int) -> None:
    """In the sandbox: join the way out, and lead a node's packets to it by a second veth. Raises HostError."""
    via, address = map(str, _INSIDE.hosts())
    _do("ip", "address", "add", gate.address, "dev", PORT)
    _do("ip", "link", "set", PORT, "up")
    _do("ip", "route", "add", "default", "via", gate.via)
    _do("ip", "link", "add", "lab0", "type", "veth", "peer", "name", PORT, "netns", str(pid))
    _do("ip", "address", "add", f"{via}/30", "dev", "lab0")
    _do("ip", "link", "set", "lab0", "up")
    _do("nft", f"add {_masquerade(PORT)}")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    script = f"""set -eu
        ip address add {address}/30 dev {PORT}
        ip link set {PORT} up
        ip route add default via {via}
        nft 'add {_masquerade(PORT)}'"""
    done = node.run(["sh", "-c", script])
    if done.returncode != 0:
        raise HostError(f"{node.name} has no way out: {done.stderr.strip()}")


def resolvers() -> tuple[str, ...]:
    """Return the addresses of the host's resolvers that can be asked from elsewhere."""
    for path in _RESOLVERS:
        with suppress(OSError):
            words = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
            named = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
            if found := tuple(_elsewhere(named)):
                return found
    return ()


def _elsewhere(addresses: Iterable[str]) -> Iterable[str]:
    for text in addresses:
        with suppress(ValueError):
            address = ipaddress.ip_address(text)
            if address.version == 4 and not address.is_loopback:
                yield text


def _masquerade(port: str) -> str:
    return (
        f"table ip out {{ chain out {{ type nat hook postrouting priority srcnat; oifname {port} masquerade; }}; }}"
    )


def _tables() -> Iterator[tuple[str, str, str]]:
    """Yield each way out that the host has a table for: its name, where it leads, what was forwarded there before."""
    for table in _listed("tables", "ip"):
        name = table.get("table", {}).get("name", "")
        if name.startswith(_NAME):
            for part in _listed("table", "ip", name):
                towards, _, forwarded = part.get("rule", {}).get("comment", "").rpartition(" ")
                if towards:
                    yield name, towards, forwarded


def _listed(*what: str) -> list[dict[str, Any]]:
    if shutil.which("nft") is None:
        return []
    done = subprocess.run(["nft", "-j", "list", *what], capture_output=True, text=True, check=False, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout or "{}").get("nftables", [])
    return found


def _default_interface() -> str:
    """Return where the host's default route leads. Raises HostError."""
    done = subprocess.run(
        ["ip", "-json", "-4", "route", "show", "default"], capture_output=True, text=True, check=False, timeout=60
    )
    routes = json.loads(done.stdout or "[]")
    if not routes:
        raise HostError("no way out of the sandbox: this host has no default route by IPv4")
    return str(min(routes, key=lambda route: route.get("metric", 0))["dev"])


def _forwarding(interface: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf") / interface / "forwarding"


def _do(*command: str) -> None:
    if said := _try(*command):
        raise HostError(f"{' '.join(command)}: {said}")


def _try(*command: str, fds: Sequence[int] = (), netns: int | None = None) -> str:
    """Run a command; return what went wrong, "" where nothing did."""
    if netns is not None:
        command, fds = (*command, "netns", f"/proc/self/fd/{netns}"), (netns,)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, pass_fds=fds)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"
