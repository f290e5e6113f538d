"""What measuring itself adds on this host: round trips over a plain wire, kept by ``testbed calibrate``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import msgspec

from testbed import paths
from testbed.errors import InputError

FILE = paths.BUILD / "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Round trips of probes over a plain veth: how many, their percentiles in ns, when, and on which kernel."""

    made_ns: int
    kernel: str
    probes: int
    lost: int
    rtt_p50_ns: float
    rtt_p99_ns: float
    stolen_share: float

    def keep(self, file: Path = FILE) -> None:
        """Write it where runs look for it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        partial.replace(file)


def kept(file: Path = FILE) -> Calibration | None:
    """Return this host's calibration; None without one, or where the kernel is another by now.

    Raises InputError for a broken file.
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Calibration)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(paths.shown(file), f"not readable: {error}", "run 'testbed calibrate' again") from error
    return found if platform.release() == found.kernel else None
