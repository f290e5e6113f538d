"""Two hosts in network namespaces with emulated links, or a plain wire, between them.

For measuring the engine itself: `testbed link verify`, the benchmarks and the system tests. Nothing
outside these namespaces is touched; they end with the processes that keep them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import HostError, RunError
from testbed.link.backend import LinkBackend, LinkSpec
from testbed.link.native import NativeBackend, Spawn

_TIMEOUT_S = 60.0
# without the host's own IPv6 talk, the packets on a link are those that were sent
_KEEP = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 && echo ready; exec sleep infinity"


@dataclass(frozen=True)
class Namespace:
    """A network namespace, kept by a process."""

    keeper: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Return the process id by which the namespace is named."""
        return self.keeper.pid

    def spawn(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in the namespace; what it prints can be read."""
        inside = ["nsenter", "-t", str(self.pid), "-n", *argv]
        return subprocess.Popen(inside, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def run(self, *argv: str) -> str:
        """Run a command in the namespace and return what it printed; RunError when it fails."""
        return _run("nsenter", "-t", str(self.pid), "-n", *argv)


@contextmanager
def host() -> Iterator[Namespace]:
    """Make a namespace with nothing in it but its loopback. Raises HostError without the permission."""
    keeper = subprocess.Popen(
        [
            "unshare",
            "--net",
            "--kill-child",
            "sh",
            "-c",
            _KEEP,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        if keeper.stdout is None or keeper.stdout.readline() != b"ready\n":
            raise HostError("this host permits no network namespaces; they need root")
        yield Namespace(keeper)
    finally:
        keeper.kill()
        keeper.communicate()


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S)
    if done.returncode:
        raise RunError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _plug(a: Namespace, a_name: str, b: Namespace, b_name: str) -> None:
    _run("ip", "link", "add", a_name, "netns", str(a.pid), "type", "veth",
         "peer", "name", b_name, "netns", str(b.pid))  # fmt: skip


def _configure(where: Namespace, i: int, end: int) -> None:
    """Give a host's end of link i its addresses, and its neighbour's, so that nobody has to ask."""
    device, other = f"e{i}", 3 - end
    where.run("ethtool", "-K", device, "gro", "off")
    where.run("ip", "link", "set", device, "address", f"02:00:00:00:{i:02x}:{end:02x}", "up")
    where.run("ip", "address", "add", f"10.0.{i}.{end}/24", "dev", device)
    mac = f"02:00:00:00:{i:02x}:{other:02x}"
    where.run("ip", "neighbour", "add", f"10.0.{i}.{other}", "lladdr", mac, "dev", device)


@dataclass(frozen=True)
class Pair:
    """Link i is between `left` (10.0.i.1) and `right` (10.0.i.2); a plain wire has no back end."""

    left: Namespace
    right: Namespace
    folder: Path
    backend: LinkBackend | None = None


@contextmanager
def wire() -> Iterator[Pair]:
    """Plug a plain veth between two hosts, with MTU-sized frames as on an emulated link."""
    with host() as left, host() as right, tempfile.TemporaryDirectory() as folder:
        _plug(left, "e0", right, "e0")
        for n, end in enumerate((left, right), 1):
            end.run("ethtool", "-K", "e0", "tso", "off", "tx-udp-segmentation", "off")
            _configure(end, 0, n)
        yield Pair(left, right, Path(folder))


@contextmanager
def emulated(
    specs: Sequence[LinkSpec], make: Callable[[Path, Spawn], LinkBackend] = NativeBackend
) -> Iterator[Pair]:
    """Open a back end's links between two hosts; spec i's interfaces are named l{i} and r{i}."""
    with ExitStack() as stack:
        left, middle, right = (stack.enter_context(host()) for _ in range(3))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for i, spec in enumerate(specs):
            for end, inner, n in ((left, spec.hub_interface, 1), (right, spec.net_interface, 2)):
                _plug(end, f"e{i}", middle, inner)
                _configure(end, i, n)
        backend = make(folder, middle.spawn)
        stack.callback(backend.close)
        backend.open(specs)
        yield Pair(left, right, folder, backend)


def spec(i: int = 0, **fields: Any) -> LinkSpec:
    """Return the spec of link i with the interfaces that `emulated` makes."""
    return LinkSpec(name=f"link{i}", hub_interface=f"l{i}", net_interface=f"r{i}", **fields)
