"""A hub that is not ours: a box that its vendor has configured, with nothing but ports. It is cabled and measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.result.record import State
from testbed.result.store import Result
from tests.system.bench.conftest import nics
from tests.system.run.conftest import Testbed

CABLES = {"wan0": ("boxA", "eth0"), "wan1": ("boxB", "eth1"), "lan0": ("boxC", "eth2")}
# The vendor's idea of a hub: DHCP clients of its own, routes whose metrics a loop of pings changes, NAT. It knows
# nothing of the testbed, has no SSH, and goes on when a run ends.
BOX = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
cat > /run/lease << 'END'
#!/bin/sh
metric=10; [ $interface = eth0 ] || metric=20
case $1 in
deconfig) ip address flush dev $interface; ip link set $interface up ;;
bound | renew)
    ip address replace $ip/$mask dev $interface
    ip route replace default via $router dev $interface metric $metric
    echo $router > /run/router.$interface ;;
esac
END
chmod +x /run/lease
ip link set lo up
ip address add 192.168.10.1/24 dev eth2
for port in eth0 eth1 eth2; do ip link set $port up; done
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 2 > /proc/sys/net/ipv4/conf/all/rp_filter
nft -f - << 'END'
table ip box {
    chain post {
        type nat hook postrouting priority srcnat
        oifname { eth0, eth1 } masquerade
    }
}
END
for port in eth0 eth1; do udhcpc -f -i $port -s /run/lease -t 3 -T 1 -A 1 > /dev/null 2>&1 & done
echo booted
failed=0
while sleep 0.5; do
    [ -s /run/router.eth0 ] || continue
    read -r router < /run/router.eth0
    if ping -q -c 1 -W 0.5 -I eth0 203.0.113.1 > /dev/null 2>&1; then
        [ $failed -lt 3 ] || { ip route delete default dev eth0 metric 30; conntrack -F > /dev/null 2>&1; }
        ip route replace default via $router dev eth0 metric 10
        failed=0
    else
        failed=$((failed + 1))
        [ $failed = 3 ] || continue
        ip route replace default via $router dev eth0 metric 30
        ip route delete default dev eth0 metric 10
        conntrack -F > /dev/null 2>&1
    fi
done
"""
SIGNED = re.compile(rb"sig=(?!\*\*\*)")
SCENARIO = """\
# closed.yaml: does the vendor's box carry the heartbeat over LTE when the dish goes dark?
topology: hub-two-uplinks
duration: 9 s
seed: 7
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
hub: {provision: none}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
  lessons: {kind: http-get, from: client2, to: tenant, catalogue: lessons-in-work, rate: 5/s}
events:
  - {at: 2 s, uplink: starlink, outage: 6 s}
fidelity: {late_share: 50 %, late_max: 1 s, away_share: 50 %}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 5 s}
  - {metric: interruption, id: at-once, of: heartbeat, at_most: 200 ms}
  - {metric: failovers, of: heartbeat, at_least: 1}
  - {metric: correctness, of: lessons, at_least: 100 %}
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bench file of a box on the shelf, which is on."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("plays a lab host with NICs: 'make test-system' runs it in a sandbox")
    unshare = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child=KILL", "--mount-proc"]
    holding = ["sh", "-c", f"echo here; read -r _; {BOX}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([*unshare, "--", *holding], text=True, **pipes)  # type: ignore[call-overload]
    try:
        assert process.stdin and process.stdout and "here\n" == process.stdout.readline()
        for nic, port in CABLES.values():
            wire = f"ip link add {nic} type veth peer name {port} netns {process.pid}"
            subprocess.run(wire.split(), check=True)
        print("on", file=process.stdin, flush=True)
        assert "booted\n" == process.stdout.readline()
        path = tmp_path_factory.mktemp("bench") / "box.yaml"
        path.write_text("ports:\n" + "".join(f"  {port}: {{nic: {nic}}}\n" for port, (nic, _) in CABLES.items()))
        yield path
    finally:
        for nic, _ in CABLES.values():  # the kernel would take its time, and the next test looks at the host's NICs
            subprocess.run(["ip", "link", "delete", nic], check=False)
        process.kill()
        process.wait()


def test_a_closed_hub_is_judged_from_outside(box: Path, tmp_path: Path) -> None:
    """Nothing is configured on it or fetched: links, clients and tenant say how it did; what is unknown is said."""
    before, testbed = nics(), Testbed(tmp_path / "results")
    (tmp_path / "closed.yaml").write_text(SCENARIO)
    output, errors = testbed.start(tmp_path / "closed.yaml", "--bench", box).communicate(timeout=300)
    assert (tmp_path / "results").exists(), errors
    folder, said = testbed.result()
    result = Result.load(folder)

    assert (State.COMPLETE, "") == (result.record.state, errors), output
    assert ["pass", "fail", "pass", "pass"] == [verdict.outcome for verdict in result.record.verdicts], output
    assert ["starlink", "lte"] == [result.carrier("heartbeat", at) for at in ("1 s", "7.5 s")]
    assert ["lte"] == [after.backup for after in result.record.decomposition]
    assert "box" == result.record.bench
    assert {"logs", "uplinks as the hub sees them", "promise of the failover"} == set(said["unknown"])
    assert [] == [name for name in said["files"] if name.startswith("logs/hub/")]
    lessons = result.evidence.samples["lessons"]
    assert {200} <= set(lessons["status"].to_pylist()) and {None} == set(lessons["cache"].to_pylist())
    assert [] == [path for path in folder.rglob("*") if path.is_file() and SIGNED.search(path.read_bytes())]
    assert before == nics()


def test_a_closed_hub_is_checked_from_outside(box: Path) -> None:
    """Its cables, the leases that it takes, and whether it is where the topology's clients look for it."""
    command = [sys.executable, "-m", "testbed", "bench", "check", "--json", str(box)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = {check["name"]: check["state"] for check in json.loads(done.stdout)}

    assert (0, "limited") == (done.returncode, found.pop("ssh")), done.stderr
    assert {"wan0: link", "wan1: link", "lan0: link", "starlink: lease", "lte: lease", "lan: address"} == set(found)
    assert {"ok"} == set(found.values())
