"""The time of day of one device, which a run can set without moving that of the lab."""

from __future__ import annotations

import struct
from pathlib import Path

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.paths import BUILD

LIBRARY = BUILD / "libclock.so"
_INSTALL = """\
set -eu
[ ! -e /etc/ld.so.preload ] || exit 0  # what programs have mapped is not written anew
cp "$1" /etc/libclock.so
head -c 8 /dev/zero > /etc/clock-shift
chmod 644 /etc/libclock.so /etc/clock-shift
echo /etc/libclock.so > /etc/ld.so.preload
"""
_SET = 'printf "$1" | dd of=/etc/clock-shift conv=notrunc status=none'


class DeviceClock:
    """The clock that the programs of a device see; those that start after ``install`` alone.

    How it is done and what it leaves alone: core/clock.c.
    """

    def __init__(self, device: DeviceAccess) -> None:
        self._device = device

    def install(self) -> None:
        """Have the device's programs ask here for the time. Raises RunError."""
        self._sh(_INSTALL, str(Path(LIBRARY).resolve()))

    def set(self, shift_ns: int) -> None:
        """Set it this much later than the lab's time, or earlier (negative), for all at once. Raises RunError."""
        self._sh(_SET, "".join(f"\\{byte:03o}" for byte in struct.pack("=q", shift_ns)))

    def _sh(self, script: str, argument: str) -> None:
        done = self._device.run(["sh", "-c", script, "sh", argument])
        if done.returncode != 0:
            raise RunError(f"{self._device.name}: its clock cannot be set: {done.stderr.strip()}")
