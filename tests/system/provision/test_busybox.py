"""The roles on a router: a hub whose tools are BusyBox's, but for the daemons that the roles install."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.provision.conftest import Lab
from tests.system.provision.test_cache import get
from tests.system.provision.test_hub import until

INSTALLED = ("nft", "conntrack", "dnsmasq", "keepalived", "nginx")
ROUTER = """
mkdir -p {tools}
cp /usr/bin/busybox {tools}/
for applet in $({tools}/busybox --list); do ln -s busybox {tools}/$applet; done
for daemon in {installed}; do cp $(which $daemon) {tools}/; done
mount --bind {tools} /usr/bin
mount --bind {tools} /usr/sbin
"""


@pytest.fixture(scope="module")
def router(lab: Lab, blobs: Path) -> Lab:
    """The lab with such a hub, provisioned twice: what the first run made, the second one has to end."""
    (blobs / "lesson.json").write_bytes(b"{}")
    lab.sh("hub", ROUTER.format(tools=f"{lab.folder}/tools", installed=" ".join(INSTALLED)))
    for _ in range(2):
        lab.provision()
    return lab


def route(lab: Lab) -> str:
    """Return the port by which the hub reaches the Internet, as this host's own tools see it."""
    look = ["nsenter", "--target", str(lab["hub"].pid), "--net", "ip", "route", "get", "203.0.113.10"]
    return re.findall(r"dev (\S+)", subprocess.run(look, capture_output=True, text=True, check=True).stdout)[
        0
    ]


def test_its_tools_are_busyboxs(router: Lab) -> None:
    """Nothing but BusyBox and the daemons is there, and BusyBox's own ping and date are the plain ones."""
    tools = router.sh("hub", "find /usr/bin /usr/sbin -type f | sed 's#.*/##' | sort -u").split()

    assert sorted(["busybox", *INSTALLED]) == tools
    assert 0 != router["hub"].run(["ping", "-c", "1", "-W", "0.9", "203.0.113.1"]).returncode
    assert not router.sh("hub", "date +%s%N").strip().isdigit()


def test_it_fails_over_and_returns(router: Lab) -> None:
    """A black-holed uplink is left and taken again; each change is logged with a time that is a number."""
    until(lambda: route(router) == "wan0", 10)
    router.cut("dish")
    until(lambda: route(router) == "wan1", 5)
    router.sh("client", "ping -q -c 1 -W 2 203.0.113.10")
    router.heal("dish")
    until(lambda: route(router) == "wan0", 10)
    changes = re.findall(
        r'"at_ns": (\d{19}), "uplink": "starlink", "state": "(avoided|preferred)"', log(router)
    )

    assert ["avoided", "preferred"] == [state for _, state in changes][-2:]


def log(lab: Lab) -> str:
    return lab.sh("hub", "cat /var/log/hub/uplinks.jsonl")


def test_it_serves_from_its_cache(router: Lab) -> None:
    """Content comes through it, and the second time from it."""
    assert ["MISS", "HIT"] == [get(router, "lesson.json").cache for _ in range(2)]


def test_it_asks_for_a_lease_anew(router: Lab) -> None:
    """A cable that was out and is back makes the DHCP client ask."""
    before = log(router).count("bound")
    router.sh("dish", "ip link set lan0 down")
    until(lambda: "unplugged" in router.sh("hub", "ls /run/hub"), 10)
    router.sh("dish", "ip link set lan0 up")
    until(lambda: log(router).count("bound") > before, 60)


FLOWS = """
import socket
for _ in range(60):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.sendto(b"", ("203.0.113.10", 9))
"""


def shares(lab: Lab) -> set[str]:
    """Return the marks that the hub gives sixty new flows of the client."""
    lab.sh("hub", "conntrack --flush 2> /dev/null")
    lab.sh("client", f"{sys.executable} -c '{FLOWS}'")
    return set(re.findall(r"dport=9 .*mark=(\d+)", lab.sh("hub", "conntrack --dump --proto udp 2> /dev/null")))


def test_it_shares_new_flows_and_fails_over_by_its_shell_alone(router: Lab) -> None:
    """The role weighted: both uplinks by the dice, the good one alone while the other is dark; nothing is left."""
    router.provision(hub_failover="weighted", failover_weights={"starlink": 3, "lte": 1}, failover_rise=2)
    both = shares(router)
    router.cut("dish")
    until(lambda: route(router) == "wan1", 15)
    dark = shares(router)
    router.heal("dish")
    until(lambda: route(router) == "wan0", 15)
    until(lambda: shares(router) == both, 15)
    router.provision(hub_failover="none")

    assert ({"101", "102"}, {"102"}) == (both, dark)
    assert "weighted" not in router.sh("hub", "nft list tables; ps; ip rule show")
