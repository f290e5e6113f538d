"""Two hosts in network namespaces with an emulated link, or a plain wire, between them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.link.backend import LinkSpec
from testbed.link.native import NativeBackend
from testbed.model.link import LinkSchedule

TRAFFIC = Path(__file__).resolve().parents[1] / "build" / "traffic"


@dataclass
class Host:
    """A network namespace, kept by a process."""

    keeper: subprocess.Popen[bytes]

    def argv(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command in the namespace."""
        return ["nsenter", "-t", str(self.keeper.pid), "-n", *command]

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command there; its output can be read from the process."""
        return subprocess.Popen(self.argv(command), stdout=subprocess.PIPE)

    def traffic(self, *job: object) -> subprocess.Popen[bytes]:
        """Start one job of traffic.c there."""
        return self.start(str(TRAFFIC), *map(str, job))


@contextmanager
def host() -> Iterator[Host]:
    """A namespace with nothing in it but what is put there."""
    keeper = subprocess.Popen(
        ["unshare", "--net", "--kill-child", "sh", "-c", "echo; exec sleep 3600"], stdout=subprocess.PIPE
    )
    assert keeper.stdout is not None
    keeper.stdout.readline()  # the namespace exists
    try:
        yield Host(keeper)
    finally:
        keeper.kill()
        keeper.wait()


def sh(script: str) -> None:
    """Run a script of ip and ethtool commands; any failure is an error."""
    subprocess.run(["sh", "-euc", script], check=True, stdout=subprocess.DEVNULL, timeout=30)


def number(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the numbers that a traffic job printed at its end."""
    out, _ = process.communicate(timeout=120)
    return [int(word) for word in out.split()]


@dataclass
class Link:
    """A back end at work between pairs of hosts; `left` and `right` hold one end of each link."""

    left: Host
    right: Host
    backend: NativeBackend | None
    folder: Path

    def linkd(self) -> int | None:
        """Return linkd's process id."""
        assert self.backend is not None
        return self.backend.pid


MTU_FRAMES = "tso off gso off gro off tx-udp-segmentation off"


@contextmanager
def wire() -> Iterator[Link]:
    """A plain veth with segmentation off at both ends, as on an emulated link: the baseline."""
    with host() as left, host() as right, tempfile.TemporaryDirectory() as folder:
        a, b = (f"nsenter -t {h.keeper.pid} -n" for h in (left, right))
        sh(f"""
            ip link add e0 netns {left.keeper.pid} type veth peer name e0 netns {right.keeper.pid}
            {a} ip addr add 10.0.0.1/24 dev e0; {b} ip addr add 10.0.0.2/24 dev e0
            {a} ip link set e0 up; {b} ip link set e0 up
            {a} ip link set e0 gso_max_segs 1; {b} ip link set e0 gso_max_segs 1
        """)
        yield Link(left, right, None, Path(folder))


@contextmanager
def emulated(up: LinkSchedule, down: LinkSchedule, links: int = 1) -> Iterator[Link]:
    """Native links; link i joins 10.0.i.1 on the left and 10.0.i.2 on the right."""
    with host() as left, host() as middle, host() as right, tempfile.TemporaryDirectory() as folder:
        for i in range(links):
            for h, end, n in ((left, f"l{i}", 1), (right, f"r{i}", 2)):
                inside = f"nsenter -t {h.keeper.pid} -n ip"
                sh(f"""
                    ip link add e{i} netns {h.keeper.pid} type veth peer name {end} netns {middle.keeper.pid}
                    {inside} addr add 10.0.{i}.{n}/24 dev e{i}; {inside} link set e{i} up
                """)
        backend = NativeBackend(Path(folder), lambda argv: subprocess.Popen(middle.argv(argv)))
        backend.open([LinkSpec(f"link{i}", f"l{i}", f"r{i}", up, down, seed=i) for i in range(links)])
        try:
            yield Link(left, right, backend, Path(folder))
        finally:
            if backend.running:
                backend.close()
