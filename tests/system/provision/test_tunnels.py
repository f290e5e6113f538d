"""What the role failover/bgp-bfd makes of a hub and its edge: encrypted tunnels that sessions survive in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.lab.provision import TaskResult, TaskState
from tests.system.provision.conftest import Lab
from tests.system.provision.test_hub import until

PATIENCE_S = 60.0
"""That it happens is asked here; how fast, is asked of whole runs."""

SERVER = """
import socket
listening = socket.create_server(("203.0.113.10", 7))
print("ready", flush=True)
connection, peer = listening.accept()
while data := connection.recv(64):
    connection.sendall(data)
"""
# Sends its time every 20 ms in one TCP session, and prints that of each echo.
CLIENT = """
import socket, threading, time
session = socket.create_connection(("203.0.113.10", 7), 5)
def send():
    while True:
        session.sendall(b"%020d" % time.time_ns())
        time.sleep(0.02)
threading.Thread(target=send, daemon=True).start()
stream = session.makefile("rb")
while echo := stream.read(20):
    print(int(echo), time.time_ns(), flush=True)
"""


@pytest.fixture(scope="module")
def steps(lab: Lab, blobs: Path) -> list[TaskResult]:
    """Hub and edge, provisioned once for this module; what Ansible did to them."""
    steps: list[TaskResult] = []
    lab.provision(steps.append, hub_failover="bgp-bfd")
    return steps


@pytest.fixture
def echoes(lab: Lab) -> Iterator[Callable[[], list[tuple[int, int]]]]:
    """One TCP session of the client; calling it returns (sent, received) of all echoes so far."""
    server = lab["internet"].popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout and "ready\n" == server.stdout.readline()
    with (lab.folder / "echoes").open("w") as output:
        client = lab["client"].popen([sys.executable, "-c", CLIENT], stdout=output)

    def received() -> list[tuple[int, int]]:
        lines = (lab.folder / "echoes").read_text().splitlines()
        return [(int(sent), int(got)) for sent, got in (line.split() for line in lines[:-1])]

    yield received
    for process in (client, server):
        process.terminate()
        process.wait(5)


def best_route(lab: Lab, node: str = "hub", address: str = "203.0.113.10") -> str:
    return re.findall(r"dev (\S+)", lab.sh(node, f"ip route get {address}"))[0]


def test_both_ends_are_steps(steps: list[TaskResult]) -> None:
    """The role runs on hub and edge, and nothing else runs on the edge."""
    assert {"failover/bgp-bfd"} == {step.role for step in steps if step.device == "edge"}
    assert {"wan", "failover/bgp-bfd", "cache"} <= {step.role for step in steps if step.device == "hub"}
    assert not {TaskState.FAILED, TaskState.UNREACHABLE} & {step.state for step in steps}


def test_the_hub_decides_for_both_directions(lab: Lab, steps: list[TaskResult]) -> None:
    """Hub and edge prefer the same uplink: the one with the hub's lowest metric."""
    assert "tun-starlink" == best_route(lab)
    assert "tun-starlink" == best_route(lab, "edge", "192.168.10.101")


def test_each_tunnel_leaves_by_its_own_port(lab: Lab, steps: list[TaskResult]) -> None:
    """The edge sees each tunnel come from the address translation of its own uplink."""
    seen = lab.sh("edge", "wg show all endpoints")

    assert ["198.51.100.6", "198.51.100.2"] == [
        re.findall(rf"tun-{uplink}\t\S+\t([\d.]+):", seen)[0] for uplink in ("lte", "starlink")
    ]


def test_a_port_without_a_lease_carries_no_tunnel(lab: Lab, steps: list[TaskResult]) -> None:
    """The packets of a tunnel are refused rather than sent through another uplink."""
    said = lab["hub"].run(["sh", "-c", "ip route flush table 102; ip route get 198.51.100.10 mark 102"])
    lab.sh("hub", "ip route add default via 192.168.8.1 dev wan1 table 102")

    assert 0 != said.returncode
    assert "dev wan1" in lab.sh("hub", "ip route get 198.51.100.10 mark 102")


def test_clients_addresses_are_translated_behind_the_tunnel(lab: Lab, steps: list[TaskResult]) -> None:
    """The hub translates nothing that goes into a tunnel; the edge gives it an address of its own."""
    lab.sh("client", "ping -n -q -c 1 -W 2 203.0.113.10")

    assert "dst=192.168.10.101" in lab.sh("hub", "conntrack -L -p icmp 2>/dev/null | grep src=192.168.10.101")
    assert "dst=198.51.100.10" in lab.sh("edge", "conntrack -L -p icmp 2>/dev/null | grep src=192.168.10.101")


def test_a_session_survives_a_black_hole(
    lab: Lab, steps: list[TaskResult], echoes: Callable[[], list[tuple[int, int]]]
) -> None:
    """When the dish goes dark a TCP session carries on over LTE, and returns; every byte of it arrives, once."""
    until(lambda: len(echoes()) > 20, PATIENCE_S)
    lab.cut("dish")
    until(lambda: "tun-lte" == best_route(lab), PATIENCE_S)
    moved = len(echoes())
    until(lambda: len(echoes()) > moved + 20, PATIENCE_S)
    lab.heal("dish")
    until(lambda: "tun-starlink" == best_route(lab), PATIENCE_S)
    back = len(echoes())
    until(lambda: len(echoes()) > back + 20, PATIENCE_S)
    sent = [sent for sent, _ in echoes()]

    assert sorted(set(sent)) == sent


def bfd_peers(lab: Lab, node: str) -> list[dict[str, Any]]:
    """Return what a node's BFD says of its peers."""
    return json.loads(lab.sh(node, "vtysh -c 'show bfd peers json'"))  # type: ignore[no-any-return]


def test_bfd_has_the_timers_that_were_asked_for(lab: Lab, steps: list[TaskResult]) -> None:
    """Both ends detect after three intervals of 300 ms."""
    for node in ("hub", "edge"):
        until(lambda node=node: ["up"] * 2 == [peer["status"] for peer in bfd_peers(lab, node)], PATIENCE_S)
        assert [(300, 300, 3)] * 2 == [
            (peer["receive-interval"], peer["transmit-interval"], peer["detect-multiplier"])
            for peer in bfd_peers(lab, node)
        ]


def test_nothing_leaves_outside_of_the_tunnels(lab: Lab, steps: list[TaskResult]) -> None:
    """With every tunnel dead, the hub refuses what it would have to send in the clear."""
    lab.cut("dish")
    lab.cut("modem")
    try:
        until(lambda: lab["hub"].run(["ip", "route", "get", "203.0.113.10"]).returncode != 0, PATIENCE_S)
    finally:
        lab.heal("dish")
        lab.heal("modem")
    until(lambda: "tun-starlink" in lab["hub"].run(["ip", "route", "get", "203.0.113.10"]).stdout, PATIENCE_S)


def test_private_keys_stay_where_they_are_made(lab: Lab, steps: list[TaskResult]) -> None:
    """Each end's key is in one file that only root can read; no log, process list or variable has it."""
    for node in ("hub", "edge"):
        key = lab.sh(node, "cat /etc/tunnels/key").strip()
        assert "600 root\n" == lab.sh(node, "stat -c '%a %U' /etc/tunnels/key")
        assert key not in (lab.folder / "ansible" / "ansible.log").read_text() + "".join(map(str, steps))
        assert key not in "".join(p.read_text() for p in Path("/proc").glob("[0-9]*/cmdline"))
        written = subprocess.run(["grep", "-rlF", key, str(lab.folder)], capture_output=True, text=True)
        assert [f"{lab.folder}/nodes/{node}/etc/tunnels/key"] == written.stdout.split()


def test_provisioning_again_keeps_the_keys(lab: Lab, steps: list[TaskResult]) -> None:
    """A second run installs nothing that is there already, and the tunnels work afterwards."""
    again: list[TaskResult] = []
    lab.provision(again.append, hub_failover="bgp-bfd")
    installed = [step for step in again if step.task.startswith(("Install the", "Configure", "Choose"))]

    assert {TaskState.OK} == {step.state for step in installed} - {TaskState.SKIPPED}
    lab.sh("client", "ping -n -q -c 1 -W 2 203.0.113.10")


def test_a_dead_tunnel_is_named(lab: Lab, steps: list[TaskResult]) -> None:
    """Provisioning through a dark uplink fails with the uplink's name and what the tunnel says."""
    lab.cut("modem")
    try:
        until(lambda: "down" in lab.sh("hub", "vtysh -c 'show bfd peers brief'"), PATIENCE_S)
        said = lab["hub"].run(["/etc/tunnels/tunnels", "wait", "1"])
    finally:
        lab.heal("modem")

    assert 0 != said.returncode
    assert "no BGP with BFD through the tunnel of lte\n" in said.stderr


def test_what_the_role_made_goes_and_the_hubs_own_stays(lab: Lab, steps: list[TaskResult]) -> None:
    """The next run finds no tunnel, rule or table of this one's; what the hub had beside them is as it was."""
    own = "ip rule add from 10.9.9.9 lookup 55 priority 700; ip rule add fwmark 101 lookup 55 priority 601"
    lab.sh("hub", f"{own}; ip link add tun-mine type veth peer name mine; nft add table ip mine")
    lab.provision(hub_failover="none")
    rules = lab.sh("hub", "ip rule")

    assert ["tun-mine@mine"] == re.findall(r"^(tun-\S+)", lab.sh("hub", "ip -br link"), re.M)
    assert {"601", "700"} == set(re.findall(r"^([5-8]\d\d):", rules, re.M))
    assert 1 == rules.count("fwmark 0x65")
    assert ["hub", "mine"] == sorted(re.findall(r"table ip (\S+)", lab.sh("hub", "nft list tables")))
    assert "frr" not in lab.sh("hub", "cat /etc/hub/made")
    lab.sh("client", "ping -n -q -c 1 -W 2 203.0.113.10")
