"""What the role qos makes of a hub: a call is not kept waiting by a bulk sync that fills the uplink."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.system.provision.conftest import Lab

FLOOD = """
import socket, time
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flood.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 8 << 2)
end = time.monotonic() + 4
print("flooding", flush=True)
while time.monotonic() < end:
    flood.sendto(bytes(1400), ("203.0.113.10", 9))
    time.sleep(0.001)
"""
AF41, CS1 = 34 << 2, 8 << 2


@pytest.fixture(scope="module")
def hub(lab: Lab) -> Lab:
    """The lab with a hub that lets 1 Mbit/s leave by starlink."""
    lab.provision(hub_cache=False, hub_qos=True, qos_rates_kbps={"starlink": 1000})
    return lab


@pytest.fixture
def flood(hub: Lab) -> Iterator[None]:
    """Ten times as much bulk from the LAN as the uplink takes."""
    process = hub["client"].popen(["python3", "-c", FLOOD], stdout=-1, text=True)
    assert process.stdout
    process.stdout.readline()
    yield
    process.kill()
    process.wait()
    process.stdout.close()


def pings(lab: Lab, tos: int) -> tuple[int, float]:
    """Ping the tenant with a mark; return how many of ten were answered, and the least round trip in ms."""
    said = lab["client"].run(
        ["ping", "-n", "-q", "-c", "10", "-i", "0.1", "-W", "2", "-Q", str(tos), "203.0.113.10"]
    )
    answered = int(re.findall(r"(\d+) received", said.stdout)[0])
    least = re.findall(r"= ([\d.]+)/", said.stdout)
    return answered, float(least[0]) if least else float("inf")


def test_a_call_overtakes_the_bulk(hub: Lab, flood: None) -> None:
    """With the uplink full of bulk, packets marked as a call's are all answered and wait for one frame at most."""
    answered, least_ms = pings(hub, AF41)

    assert 10 == answered
    assert least_ms < 30


def test_bulk_waits_for_itself(hub: Lab, flood: None) -> None:
    """The bulk's own queue is full: what is marked like it waits, or is dropped."""
    answered, least_ms = pings(hub, CS1)

    assert answered < 10 or least_ms > 50


def test_another_run_finds_no_queue_of_this_one(hub: Lab) -> None:
    """A hub that is provisioned without it has neither classes nor marks."""
    hub.provision(hub_cache=False)

    assert "htb" not in hub.sh("hub", "tc qdisc show")
    assert "qos" not in hub.sh("hub", "nft list tables")
