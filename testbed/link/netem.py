"""The netem back end: Linux's own qdiscs, for hosts that have them, changed over netlink as a schedule goes.

Mininet's way (TCLink) with a clock: it is coarser than the native engine, and says where.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from testbed.errors import HostError, RunError
from testbed.link import needs
from testbed.link.backend import Capabilities, Counters, LinkSpec
from testbed.link.control import Control
from testbed.link.native import NativeBackend

_TIMEOUT_S = 60.0
_TRY = "ip link add name n0 type veth peer name n1 && tc qdisc add dev n0 root netem delay 1ms"


class NetemBackend(NativeBackend):
    """Drives `testbed.link.netemd`, which has linkd's files, messages and evidence."""

    kind = "netem"
    ready_s = 300.0  # Python starts slowly on a slow machine; one that dies is noticed at once
    capabilities = Capabilities(
        hold=False,
        instants=False,
        impairments=False,
        cells=False,
        mixed_queue_limits=False,
        loss_ns=50_000_000,
        missing=(
            "how late packets left",
            "the times of changes (they are made in steps of 10 ms)",
            "which packets a seed loses",
            "the rate achieved",
        ),
    )

    @classmethod
    def fault_of_host(cls) -> str:
        """Try netem in a namespace of its own. Without root, which a link needs anyway, nothing is known."""
        if os.geteuid() != 0:
            return ""
        command = ["unshare", "--net", "--", "sh", "-euc", _TRY]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
            said = done.stderr.strip().partition("\n")[0] if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        return f"this host's kernel has no netem ({said}); use --link native" if said else ""

    def open(self, links: Sequence[LinkSpec]) -> None:
        """Refuse what netem cannot do, then start. Raises HostError on a host without it."""
        needs.refuse(self.kind, self.capabilities, [p for link in links for p in needs.directions(link)])
        if fault := self.fault_of_host():
            raise HostError(fault)
        super().open(links)

    def read(self) -> Counters:
        """Return the live counters: the daemon reads the kernel's for each new reader, else now and then."""
        with suppress(RunError):  # it has died; what it read last is still there
            Control(self._folder).close()
        return super().read()

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "testbed.link.netemd", str(self._folder)]
