"""Fetching the logs of a hub on a bench, from a device that misbehaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.lab import bench
from testbed.lab.devices import DeviceAccess


class Odd(DeviceAccess):
    """Runs a script of its own, whatever it is told to run."""

    def __init__(self, script: str) -> None:
        super().__init__("hub")
        self._script = script

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["sh", "-c", self._script]

    def host_vars(self) -> Mapping[str, str | int]:
        return {}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec sleep 600", "hub: its logs did not come within 0.2 s"),
        ("echo no archive", "hub: its logs could not be unpacked: "),
        ("echo no tar >&2; exit 127", "hub: its logs could not be fetched: no tar"),
    ],
)
def test_logs_that_cannot_be_had_say_why(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that hangs is waited for only so long; what is no archive is not unpacked."""
    monkeypatch.setattr(bench, "_LOGS_S", 0.2)

    with pytest.raises(RunError, match=said):
        bench.keep_logs(Odd(script), tmp_path)
