"""The parts of the netem back end that need a kernel, but not netem."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

from testbed.link import pair


@pytest.fixture
def ends() -> Iterator[tuple[pair.Namespace, pair.Namespace]]:
    """Two namespaces with a veth between them, 10.0.0.1 and 10.0.0.2."""
    with pair.host() as left, pair.host() as right:
        pair._plug(left, "e0", right, "e0")
        pair._configure(left, 0, 1)
        pair._configure(right, 0, 2)
        yield left, right


def test_only_marked_packets_that_come_in_are_counted(ends: tuple[pair.Namespace, pair.Namespace]) -> None:
    """Of 7 marked and 5 plain pings and all their answers, 7 are counted."""
    left, right = ends
    program = (
        "import signal; from testbed.link.netemd.counters import MarkCounter\n"
        "done = {signal.SIGUSR1}; signal.pthread_sigmask(signal.SIG_BLOCK, done); counter = MarkCounter('e0', 46)\n"
        "print('ready', flush=True); signal.sigwait(done); print(counter.read())"
    )
    counting = right.spawn([sys.executable, "-c", program])
    assert counting.stdout is not None
    assert b"ready\n" == counting.stdout.readline()

    left.run("ping", "-q", "-c", "7", "-i", "0.01", "-Q", "0xb8", "10.0.0.2")
    left.run("ping", "-q", "-c", "5", "-i", "0.01", "10.0.0.2")

    counting.send_signal(signal.SIGUSR1)
    assert b"7\n" == counting.communicate(timeout=60)[0]


def test_a_veth_s_far_end_makes_frames_of_one_segment(ends: tuple[pair.Namespace, pair.Namespace]) -> None:
    """netem would take a large frame for one packet, so none is made in the namespace behind the link."""
    left, right = ends
    program = (
        "from pyroute2 import IPRoute; from testbed.link.netemd import splice\n"
        "ip = IPRoute(); splice._keep_frames_small(ip, ip.link_lookup(ifname='e0')[0], 'e0')"
    )

    right.run(sys.executable, "-c", program)

    assert "gso_max_segs 1 " in left.run("ip", "-d", "link", "show", "e0")
    assert "gso_max_segs 1 " not in right.run("ip", "-d", "link", "show", "e0")


def test_a_nic_s_offloads_come_back() -> None:
    """What joins frames at an interface that is no veth is off while the link lives, and on again after it."""
    with pair.host() as here:
        program = (
            "import subprocess; from pyroute2 import IPRoute; from testbed.link.netemd import splice\n"
            "look = lambda: subprocess.run(['ethtool', '-k', 'lo'], capture_output=True, text=True).stdout\n"
            "before = look(); undo = splice._keep_frames_small(IPRoute(), 1, 'lo')\n"
            "print('generic-receive-offload: off' in look()); undo(); print(look() == before)"
        )

        assert "True\nTrue\n" == here.run(sys.executable, "-c", program)
