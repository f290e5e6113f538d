"""What this host can and cannot do for a run, and what to install or change."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed import paths
from testbed.checks.check import Ability, Check
from testbed.errors import HostError
from testbed.lab import machine
from testbed.link.netem import NetemBackend
from testbed.tenant.azurite import SERVER, azurite_folder, node_binary

_TIMEOUT_S = 10.0
_OVERLAY = """
    mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir lower upper work top &&
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work top
"""
_VETH = "ip link add name v0 type veth peer name v1 && ip link add name b0 type bridge && ip link set v0 master b0"
_NAT = """
    nft add table ip t && nft 'add chain ip t c { type nat hook postrouting priority srcnat; }' &&
    nft add rule ip t c oifname x masquerade
"""
_RULE = "ip rule add from 192.0.2.1 lookup 101"
_TOOLS = {
    "ip": "iproute2",
    "ifconfig": "net-tools",
    "ping": "iputils-ping",
    "ethtool": "ethtool",
    "nft": "nftables",
    "conntrack": "conntrack",
    "mnexec": "mininet",
    "tini": "tini",
    "dnsmasq": "dnsmasq-base",
    "busybox": "busybox",
    "udhcpc": "udhcpc",
    "keepalived": "keepalived",
    "nginx": "nginx",
    "irtt": "irtt",
    "kea-dhcp6": "kea-dhcp6-server",
    "radvd": "radvd",
    "dhcpcd": "dhcpcd-base",
}


def checks() -> list[Check]:
    """Look at everything that a run needs or could use; nothing on the host is changed."""
    return [*_permissions(), *_tools(), *_built(), *_machine(), *_optional()]


def _permissions() -> Iterator[Check]:
    root = os.geteuid() == 0
    yield _needed("root", root, f"user id {os.geteuid()}", "start it with sudo")
    if not root:
        yield Check(
            "kernel", Ability.LIMITED, "not looked at", "sudo .venv/bin/testbed doctor looks at it too"
        )
        return
    yield _attempt("namespaces", "true", "a container needs --privileged, or CAP_SYS_ADMIN and CAP_NET_ADMIN")
    yield _attempt("overlay file systems", _OVERLAY, "modprobe overlay")
    yield _attempt("veth and bridge", _VETH, "modprobe veth bridge")
    yield _attempt("NAT by nftables", _NAT, "modprobe nf_tables nft_masq nf_nat")
    yield _attempt("policy routing", _RULE, "a kernel with CONFIG_IP_MULTIPLE_TABLES")
    yield _packet_sockets()


def _packet_sockets() -> Check:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError as error:
        return Check("packet sockets", Ability.MISSING, str(error), "the link engine needs CAP_NET_RAW")
    return Check("packet sockets", Ability.OK, "AF_PACKET")


def _tools() -> Iterator[Check]:
    for tool, package in _TOOLS.items():
        path = shutil.which(tool)
        yield _needed(tool, path is not None, path or "not on PATH", f"apt install {package}, or make setup")
    headers_more = any(Path("/etc/nginx/modules-enabled").glob("*headers-more*"))
    package = "libnginx-mod-http-headers-more-filter"
    yield _needed(
        "nginx headers-more",
        headers_more,
        package if headers_more else "not enabled",
        f"apt install {package}",
    )


def _built() -> Iterator[Check]:
    for program in ("linkd", "liblink.so", "anchor", "libirttscan.so", "libclock.so"):
        path = paths.BUILD / program
        yield _needed(
            program, path.exists(), paths.shown(path) if path.exists() else "not built", "make setup"
        )
    try:
        yield Check("node", Ability.OK, node_binary())
    except HostError as error:
        yield Check("node", Ability.MISSING, "no Node.js", str(error))
    server = azurite_folder() / SERVER
    yield _needed(
        "azurite",
        server.is_file(),
        str(azurite_folder()) if server.is_file() else "not installed",
        "make setup",
    )


def _machine() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0))
    yield _useful("processors", cores >= 2, str(cores), "the link engine keeps one busy: delays will be late")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield _useful("memory", memory >= 2, f"{memory:.1f} GiB", "a run with Azurite takes about 1 GiB")
    real_time = _succeeds(["chrt", "--fifo", "1", "true"])
    found = "SCHED_FIFO permitted" if real_time else "SCHED_FIFO refused"
    yield _useful("real-time priority", real_time, found, "on a busy host delays will be late")


def _optional() -> Iterator[Check]:
    if os.geteuid() == 0:
        netem = not NetemBackend.fault_of_host()
        lost = "runs with --link netem are refused; the native engine, the default, does not need it"
        yield _useful("sch_netem", netem, "in the kernel" if netem else "not in the kernel", lost)
    fault = machine.fault_of_host()
    yield _useful("virtual time", not fault, fault or paths.shown(machine.KERNEL), "runs with --time virtual need it")
    ssh = shutil.which("ssh")
    advice = "hubs on benches are reached by it: apt install openssh-client; then testbed bench check FILE"
    yield _useful("ssh", ssh is not None, ssh or "not on PATH", advice)
    yield _device("tun", "/dev/net/tun", "hubs in virtual machines, and failover bgp-bfd, need it")
    tools = [tool for tool in ("vtysh", "wg", "wireguard-go") if shutil.which(tool) is None]
    found = f"not on PATH: {', '.join(tools)}" if tools else "FRR and WireGuard"
    yield _useful("tunnels", not tools, found, "failover bgp-bfd needs them: make setup")
    yield _device("kvm", "/dev/kvm", "hubs in virtual machines run slowly without it")
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    yield _useful("chromium", browser is not None, browser or "not on PATH", "page loads cannot be measured")


def _needed(name: str, there: bool, found: str, advice: str) -> Check:
    return Check(name, Ability.OK, found) if there else Check(name, Ability.MISSING, found, advice)


def _useful(name: str, there: bool, found: str, advice: str) -> Check:
    return Check(name, Ability.OK, found) if there else Check(name, Ability.LIMITED, found, advice)


def _device(name: str, path: str, advice: str) -> Check:
    there = os.access(path, os.R_OK | os.W_OK)
    return _useful(name, there, f"{path} can be opened" if there else f"no access to {path}", advice)


def _attempt(name: str, script: str, advice: str) -> Check:
    """Try a script in namespaces of its own; what it said is what was found."""
    try:
        done = _run(_in_namespace(script))
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, Ability.MISSING, str(error), advice)
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return _needed(name, done.returncode == 0, "works" if done.returncode == 0 else said, advice)


def _in_namespace(script: str) -> list[str]:
    return ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--", "sh", "-euc", script]


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return _run(command).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
