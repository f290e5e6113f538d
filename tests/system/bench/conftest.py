"""A hub that is hardware as far as the testbed can tell: three cables and an SSH server.

It lives in namespaces of its own, outside of any run's sandbox; the near ends of its cables play the NICs
of the lab host. All of it, "the lab host" included, lives in the sandbox of the test session.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.lab.devices import PRIVATE_FILES, NamespaceAccess

LAN = "192.168.10.1"
CABLES = {"wan0": ("nicA", "eth0"), "wan1": ("nicB", "eth1"), "lan0": ("nicC", "eth2")}
"""The topology's port -> (NIC of the lab host, the port's name on the hub)."""

BOOT = (
    PRIVATE_FILES
    + """\
mount -t sysfs sysfs /sys
ip link set lo up
mkdir -p /run/sshd /root/.ssh
cp "$2/client.pub" /root/.ssh/authorized_keys
chmod 700 /root /root/.ssh
echo booted
exec /usr/sbin/sshd -D -e -f "$2/sshd_config" 2> "$2/sshd.log"
"""
)
SSHD = """\
HostKey {folder}/host
PidFile none
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
"""


@dataclass(frozen=True)
class Hardware:
    """The hub on the shelf, with its keys and a bench file for it in ``folder``."""

    folder: Path
    device: NamespaceAccess

    @property
    def bench(self) -> Path:
        return self.folder / "shelf.yaml"

    @property
    def nics(self) -> list[str]:
        return [nic for nic, _ in CABLES.values()]

    def host_key(self) -> str:
        return (self.folder / "host.pub").read_text().strip()

    def sh(self, script: str) -> str:
        """Run a script at the hub's console."""
        done = self.device.run(["sh", "-euc", script], 20)
        assert 0 == done.returncode, f"{script}: {done.stderr}{done.stdout}"
        return done.stdout

    def write_bench(self, name: str = "shelf", ssh: str = "") -> Path:
        """Write a bench file; ``ssh`` is what it says of SSH beside the address."""
        ports = "".join(f"  {port}: {{nic: {nic}, as: {name}}}\n" for port, (nic, name) in CABLES.items())
        path = self.folder / f"{name}.yaml"
        path.write_text(f"ports:\n{ports}ssh: {{address: {LAN}, {ssh or 'key: client'}}}\n")
        return path


def nics() -> dict[str, Any]:
    """Return what must be the same of the lab host's NICs before and after a run, by name."""
    links = json.loads(
        subprocess.run(["ip", "-details", "-json", "address"], capture_output=True, check=True).stdout
    )
    return {
        link["ifname"]: {
            "up": "UP" in link["flags"],
            "mtu": link["mtu"],
            "alias": link.get("ifalias", ""),
            "addresses": [(a["local"], a["prefixlen"]) for a in link["addr_info"] if a["scope"] == "global"],
        }
        for link in links
    }


@contextmanager
def booted(folder: Path, host: Callable[[Sequence[str]], object]) -> Iterator[Hardware]:
    """A hub that nobody has provisioned yet; ``host`` runs a command at the lab host, whose NICs its cables end in."""
    for key in ("client", "host"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(folder / key)]
        subprocess.run(command, check=True)
    (folder / "sshd_config").write_text(SSHD.format(folder=folder))
    unshare = [
        "unshare",
        "--net",
        "--pid",
        "--mount",
        "--ipc",
        "--uts",
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
    ]
    boot = ["tini", "--", "sh", "-c", BOOT, "sh", f"/run/{folder.name}", str(folder)]
    process = subprocess.Popen([*unshare, "--", *boot], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and "booted\n" == process.stdout.readline()
        hardware = Hardware(folder, NamespaceAccess("hardware", process.pid))
        for nic, port in CABLES.values():
            host(f"ip link add {nic} type veth peer name {port} netns {process.pid}".split())
        hardware.sh(
            f"ip address add {LAN}/24 dev eth2; for port in eth0 eth1 eth2; do ip link set $port up; done"
        )
        hardware.write_bench()
        yield hardware
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def hardware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardware]:
    """A hub that nobody has provisioned yet."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("plays a lab host with NICs: 'make test-system' runs it in a sandbox")
    if shutil.which("sshd", path=f"{os.defpath}:/usr/sbin") is None:
        pytest.skip("needs sshd, of the package openssh-server")

    def here(command: Sequence[str]) -> object:
        return subprocess.run(command, check=True)

    with booted(tmp_path_factory.mktemp("hardware"), here) as hardware:
        # The lab host uses one of its NICs for something of its own, which it must get back.
        for command in ("address add 10.9.0.1/24 dev nicA", "link set nicA mtu 1400 alias mine up"):
            here(["ip", *command.split()])
        yield hardware
