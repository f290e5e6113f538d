"""The hub's power: taken away and given back, as a plug does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.errors import RunError
from testbed.lab.devices import NamespaceAccess

BOOT = "/etc/hub/boot"
"""The shell lines that the hub's init does at each start: the roles have noted them there."""

_DARK = """\
set -u
for port in $(ls /sys/class/net); do
    ip link set dev $port down
    ip address flush dev $port
    tc qdisc delete dev $port root 2> /dev/null
    case " lo $* " in *" $port "*) ;; *) ip link delete dev $port 2> /dev/null ;; esac
done
nft flush ruleset
conntrack --flush 2> /dev/null
for family in -4 -6; do
    ip $family rule flush
    ip $family rule add priority 32766 lookup main
done
ip rule add priority 32767 lookup default
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
find /run -mindepth 1 -delete
mkdir -p /run/lock /run/hub
"""
"""Takes what a kernel and a tmpfs forget without power; the arguments are the device's ports. /etc and /var stay."""
_BOOTS = f"ip link set lo up; mkdir -p /var/log/hub; [ ! -e {BOOT} ] || exec sh {BOOT} > /var/log/hub/boot.log 2>&1"
_KILL_S = 30.0


class Power(ABC):
    """How a device is switched off and on."""

    @abstractmethod
    def off(self) -> None:
        """Take the power away; it is dark when this returns. Raises RunError."""

    @abstractmethod
    def on(self) -> None:
        """Give it back; the device boots when this returns. Raises RunError."""


class NamespacePower(Power):
    """Of a device that is a node of the network: its processes are killed, its ports go dark, its files stay."""

    def __init__(self, device: NamespaceAccess, ports: Sequence[str]) -> None:
        self._device, self._ports = device, ports
        self._init: subprocess.Popen[bytes] | None = None

    def off(self) -> None:
        deadline_s = time.monotonic() + _KILL_S
        while living := list(self._processes()):
            for pid in living:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:  # it was faster
                    continue
            if time.monotonic() > deadline_s:
                raise RunError(f"{self._device.name}: process {living[0]} cannot be killed")
            time.sleep(0.01)
        if self._init is not None:
            self._init.wait()
        done = self._device.run(["sh", "-c", _DARK, "sh", *self._ports])
        if done.returncode != 0:
            raise RunError(f"{self._device.name}: cannot be switched off: {done.stderr.strip()}")

    def on(self) -> None:
        self._init = self._device.popen(["sh", "-c", _BOOTS], stdin=subprocess.DEVNULL, start_new_session=True)

    def _processes(self) -> Iterator[int]:
        """Yield the processes in the device's mount namespace, but for the one that holds it."""
        home = os.readlink(f"/proc/{self._device.pid}/ns/mnt")
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/mnt") == home and int(folder.name) != self._device.pid:
                    yield int(folder.name)
            except OSError:  # it ended meanwhile, or is the kernel's
                continue
