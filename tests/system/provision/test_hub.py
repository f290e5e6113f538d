"""What the roles wan and failover do to a hub with two uplinks."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed import paths
from testbed.errors import RunError
from testbed.lab.provision import TaskResult, TaskState
from testbed.model.failover import PingTracking
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.run import notes
from testbed.yaml import load
from tests.system.provision.conftest import SAS, Lab

LAN_CLIENT_PINGS = "ping -n -D -i 0.05 -W 1 203.0.113.10 > /run/pings"
MS = 1_000_000


@pytest.fixture(scope="module")
def steps(lab: Lab, blobs: Path) -> list[TaskResult]:
    """The hub, provisioned once for this module; what Ansible did to it."""
    steps: list[TaskResult] = []
    lab.provision(steps.append)
    return steps


@pytest.fixture
def pings(lab: Lab) -> Iterator[Callable[[], list[tuple[float, int]]]]:
    """A client that pings the Internet every 50 ms; calling it returns (receive time in s, number)."""
    lab.sh("client", ": > /run/pings")
    process = lab["client"].popen(["sh", "-c", f"exec {LAN_CLIENT_PINGS}"])

    def received() -> list[tuple[float, int]]:
        text = lab.sh("client", "cat /run/pings")
        return [(float(t), int(n)) for t, n in re.findall(r"^\[([\d.]+)\].*icmp_seq=(\d+)", text, re.M)]

    yield received
    process.terminate()
    process.wait(5)


def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Wait for a condition; the test fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.05)


def best_route(lab: Lab) -> str:
    return re.findall(r"dev (\S+)", lab.sh("hub", "ip route get 203.0.113.10"))[0]


def test_steps_name_device_role_and_task(steps: list[TaskResult]) -> None:
    """Every task that ended is reported, the roles in their order."""
    roles = list(dict.fromkeys(step.role for step in steps if step.state is not TaskState.SKIPPED))

    assert ["clean", "wan", "failover/ping-tracked", "cache"] == roles
    assert {"hub"} == {step.device for step in steps}
    assert not {TaskState.FAILED, TaskState.UNREACHABLE} & {step.state for step in steps}


def test_both_ports_take_their_lease(lab: Lab, steps: list[TaskResult]) -> None:
    """Each WAN port has the leased address, a default route with its metric, and a table of its own."""
    routes = lab.sh("hub", "ip -4 route show default").splitlines()
    tables = [lab.sh("hub", f"ip -4 route show default table {table}").strip() for table in (101, 102)]

    assert [
        "default via 100.64.10.1 dev wan0 metric 100 ",
        "default via 192.168.8.1 dev wan1 metric 200 ",
    ] == routes
    assert ["default via 100.64.10.1 dev wan0", "default via 192.168.8.1 dev wan1"] == tables


def test_a_ports_own_address_leaves_by_its_port(lab: Lab, steps: list[TaskResult]) -> None:
    """A packet with the second port's address does not follow the preferred default route."""
    chosen = lab.sh("hub", "ip route get 203.0.113.10 from 192.168.8.100")

    assert "dev wan1" in chosen


def test_the_lease_names_the_resolvers(lab: Lab, steps: list[TaskResult]) -> None:
    """The hub resolves through the leases' servers, for itself and for its LAN."""
    assert "203.0.113.10" in lab.sh("hub", "getent ahostsv4 account.blob.core.windows.net")
    answer = lab.sh(
        "client",
        "rm /etc/resolv.conf; echo nameserver 192.168.10.1 > /etc/resolv.conf; "
        "getent ahostsv4 account.blob.core.windows.net",
    )
    assert "203.0.113.10" in answer


def test_clients_reach_the_internet_through_nat(lab: Lab, steps: list[TaskResult]) -> None:
    """A LAN client's packets carry the hub's leased address beyond the WAN port."""
    lab.sh("client", "ping -n -q -c 1 -W 2 203.0.113.10")

    assert "dst=100.64.10.100" in lab.sh("hub", "conntrack -L -p icmp 2>/dev/null")


def test_the_host_keeps_its_own_files(lab: Lab, steps: list[TaskResult]) -> None:
    """What the roles write stays in the device."""
    assert not Path("/etc/hub").exists()
    assert "/etc/hub/uplinks\n" == lab.sh("hub", "ls /etc/hub/uplinks")


def test_failover_keeps_its_promise(
    lab: Lab, steps: list[TaskResult], pings: Callable[[], list[tuple[float, int]]]
) -> None:
    """A black-holed uplink interrupts clients within what the timers promise; they return on recovery."""
    promise = PingTracking(rise=2).promise
    until(lambda: len(pings()) > 20, 10)
    lab.cut("dish")
    until(lambda: best_route(lab) == "wan1", 5)
    sent = len(pings())
    until(lambda: len(pings()) > sent + 10, 5)
    lab.heal("dish")
    until(lambda: best_route(lab) == "wan0", 6)
    until(lambda: pings()[-1][0] > time.time() - 0.3, 5)
    times = [t for t, _ in pings()]
    gap_ms = round(1000 * max(b - a for a, b in zip(times, times[1:], strict=False)))

    # 100 ms less: the hub waits that much less than the time-out for a ping. More: to act, on a machine that is busy.
    assert promise.best_ns / MS - 150 <= gap_ms <= promise.worst_ns / MS + 800


def changes_of_uplinks(lab: Lab) -> list[str]:
    """Return what the hub noted of its uplinks; that a target is silent while others answer is another matter."""
    log = lab.sh("hub", "cat /var/log/hub/uplinks.jsonl")
    return [line for line in log.splitlines() if "target" not in json.loads(line)]


def test_short_handover_gaps_do_not_trigger_it(lab: Lab, steps: list[TaskResult]) -> None:
    """Gaps of half a second, one in each phase of the ping's interval, leave the route alone."""
    before = changes_of_uplinks(lab)
    for _ in range(4):
        lab.cut("dish")
        time.sleep(0.5)  # the gap itself
        lab.heal("dish")
        time.sleep(1.75)  # a quarter of an interval later in the next one

    assert before
    assert before == changes_of_uplinks(lab)


def tracked(lab: Lab, uplink: str) -> int:
    """Return how many flows of the client with an uplink's address the hub tracks."""
    address = {"starlink": "100.64.10.100", "lte": "192.168.8.100"}[uplink]
    return len(
        lab.sh(
            "hub", f"conntrack -L --orig-src 192.168.10.101 --reply-dst {address} 2>/dev/null || true"
        ).splitlines()
    )


def decide(lab: Lab, *decisions: str) -> None:
    """Tell the uplinks' manager what a failover role would."""
    for decision in decisions:
        lab.sh("hub", f"/etc/hub/uplinks {decision}")


@pytest.fixture
def undecided(lab: Lab, steps: list[TaskResult]) -> Iterator[None]:
    """A hub all of whose uplinks work, with flows of its client on the preferred one."""
    lab.sh("client", "ping -q -c 1 -W 2 203.0.113.10")
    yield
    decide(lab, "prefer starlink", "prefer lte")


def test_the_backups_failure_is_nobodys_business(lab: Lab, undecided: None) -> None:
    """When the uplink that does not carry fails and comes back, no flow of the other one is forgotten."""
    before = tracked(lab, "starlink")
    decide(lab, "avoid lte", "prefer lte")

    assert 0 < before == tracked(lab, "starlink")


def test_what_leaves_with_an_uplink_is_forgotten(lab: Lab, undecided: None) -> None:
    """Flows of a failed uplink move to the next one with their next packet, and back at its return."""
    decide(lab, "avoid starlink")
    assert 0 == tracked(lab, "starlink")
    lab.sh("client", "ping -q -c 1 -W 2 203.0.113.10")
    assert 0 < tracked(lab, "lte")
    decide(lab, "prefer starlink")

    assert 0 == tracked(lab, "lte")


@pytest.mark.parametrize("carrier", ["starlink", "lte"])
def test_with_nowhere_to_go_an_outage_is_sat_out(lab: Lab, undecided: None, carrier: str) -> None:
    """When the last uplink fails its flows are kept, and it stays the one that carries until another is back."""
    first, last = ("lte", "starlink") if carrier == "starlink" else ("starlink", "lte")
    decide(lab, f"avoid {first}")
    lab.sh("client", "ping -q -c 1 -W 2 203.0.113.10")
    time.sleep(5.5)  # it has carried for a while
    route, before = best_route(lab), tracked(lab, carrier)
    decide(lab, f"avoid {last}")
    during = best_route(lab), tracked(lab, carrier)
    decide(lab, f"prefer {last}")

    assert 0 < before
    assert [(route, before)] * 2 == [during, (best_route(lab), tracked(lab, carrier))]


def test_a_dead_target_is_told_from_dead_uplinks(lab: Lab, steps: list[TaskResult]) -> None:
    """With a second target the first one's death takes no uplink out, is logged, and the failover still works."""
    lab.provision(failover_targets=["203.0.113.99", "203.0.113.1"], failover_silent_s=2, hub_cache=False)
    until(lambda: '"target": "203.0.113.99", "state": "silent"' in states(lab), 10)
    assert "avoided" not in states(lab)
    lab.cut("dish")
    until(lambda: best_route(lab) == "wan1", 5)
    lab.heal("dish")
    until(lambda: best_route(lab) == "wan0", 6)

    lab.provision()


def test_an_only_target_that_is_dead_is_noted(lab: Lab, steps: list[TaskResult]) -> None:
    """Every uplink is avoided, the preferred one goes on carrying, and a run that begins so says it."""
    topology = load.read(paths.TOPOLOGIES / "hub-two-uplinks.yaml", Topology)
    network = SimpleNamespace(topology=topology, devices={"hub": lab["hub"]})

    def noted() -> list[str]:
        return list(notes.of_hub(Scenario("t", 9, {}, ()), network))  # type: ignore[arg-type]

    assert [] == noted()
    lab.provision(failover_targets=["203.0.113.99"], hub_cache=False)
    until(lambda: len(noted()) == 1, 10)
    (note,) = noted()
    route = best_route(lab)
    lab.provision()

    assert note.startswith("the run begins with every uplink avoided: none of the hub's targets answers it")
    assert "wan0" == route


def states(lab: Lab) -> str:
    return lab.sh("hub", "cat /var/log/hub/uplinks.jsonl")


def test_a_renewed_lease_leaves_the_tunnels_rules(lab: Lab, steps: list[TaskResult]) -> None:
    """What others look up in an uplink's table they still look up after its lease was renewed."""
    lab.sh("hub", "ip rule add fwmark 101 lookup 101 priority 601; : > /run/hub/wan0.lease")
    lab.sh("hub", "kill -USR1 $(cat /run/hub/wan0.pid)")
    until(lambda: "100.64.10.100" in lab.sh("hub", "cat /run/hub/wan0.lease"), 10)
    rules = lab.sh("hub", "ip rule; ip rule delete priority 601")

    assert "from all fwmark 0x65 lookup 101" in rules
    assert 1 == rules.count("from 100.64.10.100 lookup 101")


@pytest.mark.parametrize("daemon", ["keepalived.pid", "hub/watch.pid", "hub/wan0.pid"])
def test_what_was_started_outlives_its_task(lab: Lab, steps: list[TaskResult], daemon: str) -> None:
    """Each daemon has a session of its own: Ansible ends its workers by their process group, late ones at any time."""
    pid = lab.sh("hub", f"cat /run/{daemon}").strip()

    assert pid == lab.sh("hub", f"ps -o sid= -p {pid}").strip()


def test_a_second_run_changes_nothing_but_runs_again(lab: Lab, steps: list[TaskResult]) -> None:
    """Provisioning again installs no file that is there already, and the hub works afterwards."""
    again: list[TaskResult] = []
    lab.provision(again.append)
    installed = [step for step in again if step.task.startswith(("Install the", "Configure"))]

    assert {TaskState.OK} == {step.state for step in installed} - {TaskState.SKIPPED}
    lab.sh("client", "ping -n -q -c 1 -W 2 203.0.113.10")


def test_a_failed_task_says_where_and_why(lab: Lab, steps: list[TaskResult]) -> None:
    """A port without a lease is an error that names device, role, task, command output and the port."""
    with pytest.raises(RunError) as caught:
        lab.provision(hub_uplinks=[{"name": "fibre", "interface": "wan9", "metric": 100, "table": 101}])
    message = str(caught.value)

    assert message.startswith("hub: role wan, task 'Bring up the WAN and LAN ports' failed: ")
    assert "no DHCP lease on wan9 (uplink fibre)" in message


def test_a_bad_configuration_is_not_installed(lab: Lab, steps: list[TaskResult]) -> None:
    """A file that its program refuses leaves the old one in place; the program's words are in the message."""
    with pytest.raises(RunError) as caught:
        lab.provision(cache_fresh="soon")

    assert 'invalid time value "soon"' in str(caught.value)
    assert "soon" not in lab.sh("hub", "cat /etc/nginx/nginx.conf")


def test_the_token_stays_on_the_hub(lab: Lab, steps: list[TaskResult]) -> None:
    """Neither messages nor files of provisioning hold the SAS token, and only root can read it on the hub."""
    signature = SAS.partition("sig=")[2]
    left = {path.name: path.read_text() for path in (lab.folder / "ansible").rglob("*") if path.is_file()}

    assert ["ansible.log"] == list(left)
    assert signature not in left["ansible.log"] + "".join(map(str, steps))
    assert "600 root\n" == lab.sh("hub", "stat -c '%a %U' /etc/hub/origin-sas.conf")
    written = subprocess.run(
        ["grep", "-rl", signature, f"{lab.folder}/nodes/hub"], capture_output=True, text=True
    )
    assert [f"{lab.folder}/nodes/hub/etc/hub/origin-sas.conf"] == written.stdout.split()
