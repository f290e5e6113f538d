"""What the role failover/overflow does to a hub whose preferred uplink is full."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import pytest

from testbed.lab.provision import TaskResult
from tests.system.provision.conftest import Lab
from tests.system.provision.test_hub import until

# Up to 6 Mbit/s in one flow of UDP, however busy the machine; into 1 Mbit/s with a queue of 400 ms.
FLOOD = """
import socket, time
flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    flow.sendto(bytes(1200), ("203.0.113.10", 9))
    time.sleep(0.0016)
"""
NARROW = "tc qdisc replace dev net0 root tbf rate 1mbit burst 8k latency 400ms"
BY = {"100.64.10.100": "starlink", "192.168.8.100": "lte"}


@pytest.fixture(scope="module")
def steps(lab: Lab) -> list[TaskResult]:
    """The hub, provisioned once for this module; its preferred uplink's way up is narrow."""
    steps: list[TaskResult] = []
    lab.sh("dish", NARROW)
    lab.provision(steps.append, hub_failover="overflow", overflow_leave=4, hub_cache=False)
    return steps


@pytest.fixture
def flood(lab: Lab) -> Iterator[Callable[[], None]]:
    """Calling it fills the preferred uplink with one flow; it ends with the test."""
    started = []
    yield lambda: started.append(lab["client"].popen([sys.executable, "-c", FLOOD]))
    for process in started:
        process.kill()
        process.wait()


def uplink_of_a_new_flow(lab: Lab, node: str = "client") -> str:
    """Send a packet of a new UDP flow; return the uplink whose address it got."""
    send = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('203.0.113.10', 11))"
    )
    port = lab.sh(
        node, f'{sys.executable} -c "{send}; s.send(b"x"); print(s.getsockname()[1])"'.replace('b"x"', "b'x'")
    )
    entry = lab.sh("hub", f"conntrack -L -p udp --orig-port-src {port.strip()} 2>/dev/null")
    return next(uplink for address, uplink in BY.items() if f"dst={address}" in entry)


def events(lab: Lab) -> list[bool]:
    lines = lab.sh("hub", "cat /var/log/hub/overflow.jsonl 2>/dev/null || true").splitlines()
    return [json.loads(line)["overflow"] for line in lines]


def test_it_is_ping_tracking_and_more(steps: list[TaskResult]) -> None:
    """Dead uplinks are the business of the role that it builds on."""
    roles = list(dict.fromkeys(step.role for step in steps))

    assert ["wan", "failover/ping-tracked", "failover/overflow"] == [
        r for r in roles if r == "wan" or "/" in r
    ]


@pytest.mark.parametrize("node", ["client", "hub"])
def test_new_flows_overflow_and_come_back(
    lab: Lab, steps: list[TaskResult], flood: Callable[[], None], node: str
) -> None:
    """While one flow fills the preferred uplink, new ones of LAN and hub take the second; the old one stays."""
    until(lambda: not any(events(lab)[-1:]), 20)
    before = len(events(lab))
    assert "starlink" == uplink_of_a_new_flow(lab, node)
    flood()
    until(lambda: [True] == events(lab)[before:], 10)
    assert "lte" == uplink_of_a_new_flow(lab, node)
    stays = lab.sh("hub", "conntrack -L -p udp --orig-port-dst 9 2>/dev/null")
    assert "dst=100.64.10.100" in stays and "mark=101" in stays


def test_they_come_back_when_it_is_over(lab: Lab, steps: list[TaskResult]) -> None:
    """The flood over, new flows are the preferred uplink's again."""
    until(lambda: not events(lab)[-1], 20)

    assert "starlink" == uplink_of_a_new_flow(lab)


def test_names_are_asked_where_they_were(lab: Lab, steps: list[TaskResult], flood: Callable[[], None]) -> None:
    """Each lease's name server is reached by its own port, overflow or not."""
    flood()
    until(lambda: events(lab)[-1], 10)

    assert "203.0.113.10" in lab.sh("hub", "getent ahostsv4 account.blob.core.windows.net")


def test_nothing_overflows_into_a_dead_uplink(lab: Lab, steps: list[TaskResult], flood: Callable[[], None]) -> None:
    """When the second uplink fails, what had overflowed goes back, however full the preferred one is."""
    flood()
    until(lambda: events(lab)[-1], 10)
    assert "lte" == uplink_of_a_new_flow(lab)
    lab.cut("modem")
    try:
        until(lambda: not events(lab)[-1], 10)
        assert "starlink" == uplink_of_a_new_flow(lab)
        assert "" == lab.sh("hub", "conntrack -L --mark 102 --reply-dst 192.168.8.100 2>/dev/null")
    finally:
        lab.heal("modem")
