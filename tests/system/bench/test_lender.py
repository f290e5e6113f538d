"""The lender of NICs: it gives every NIC back as it was, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from testbed.errors import HostError, RunError
from testbed.lab import lender
from testbed.lab.lender import Lender
from tests.system.bench.conftest import nics
from tests.system.run.host import ENDS_S

NIC = "nicL"
SETTINGS = (
    f"link add {NIC} type veth peer name peerL",
    f"link set {NIC} mtu 1400 alias dad's#1",
    f"address add 10.6.0.1/24 dev {NIC}",
    f"address add 2001:db8:6::1/64 dev {NIC} nodad",
    f"link set {NIC} up",
    "link set peerL up",
    "route add 10.66.0.0/16 via 10.6.0.9 metric 7",
)
# Borrows a NIC for a namespace that is a child's, says so, and waits for its end.
BORROWER = f"""
import subprocess, sys
from contextlib import closing, contextmanager
from pathlib import Path
from testbed.lab import lender
with lender.lending(["{NIC}"], Path(sys.argv[1])) as fd:
    node = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "echo; exec sleep 300"],
                            stdout=subprocess.PIPE)
    node.stdout.readline()
    ours = lender.Lender(fd)  # as long as it is there; the lender takes its end for the run's
    ours.lend("{NIC}", node.pid, "lan0")
    print("lent", flush=True)
    node.wait()
"""


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def nic() -> Iterator[str]:
    """A NIC that the lab host uses for something of its own."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("moves NICs: 'make test-system' runs it in a sandbox")
    for line in SETTINGS:
        ip(*line.split())
    yield NIC
    ip("link", "delete", NIC)


@pytest.fixture
def node() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a network namespace of its own."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


@contextmanager
def borrowing(nic: str, folder: Path) -> Iterator[Lender]:
    """A run's end of a lender at work; leaving waits until the NIC is back."""
    with lender.lending([nic], folder / "log") as fd:
        assert fd is not None
        with closing(Lender(os.dup(fd))) as mine:
            yield mine


def test_the_hubs_power_is_switched_by_the_benchs_commands(nic: str, tmp_path: Path) -> None:
    """Each way by its command, outside of the run; one that fails says why, and one that is not there, too."""
    done = tmp_path / "switched"
    commands = {"off": f"echo off > {done}", "on": "echo no such plug >&2; exit 3"}
    with (
        lender.lending([nic], tmp_path / "log", switch=commands) as fd,
        closing(Lender(os.dup(fd or -1))) as mine,
    ):
        mine.switch("off")
        with pytest.raises(RunError, match="cannot be switched on: its command ended with status 3: no such plug"):
            mine.switch("on")
        assert mine.poll() is None
    with borrowing(nic, tmp_path) as mine, pytest.raises(RunError, match="the bench has no command for it"):
        mine.switch("off")

    assert "off\n" == done.read_text()


def links_of(node: subprocess.Popen[bytes]) -> str:
    return ip_in(node, "-brief", "link")


def ip_in(node: subprocess.Popen[bytes], *arguments: str) -> str:
    command = ["nsenter", "--target", str(node.pid), "--net", "ip", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_lent_nic_is_a_port_of_the_node_and_comes_back(
    nic: str, node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It has the port's name there, and its own name, addresses, routes, MTU and state when it is back."""
    before, routes = nics(), ip("route")
    with borrowing(nic, tmp_path) as mine:
        mine.lend(nic, node.pid, "lan0")

        assert "lan0" in links_of(node)
        assert nic not in nics()

    assert "lan0" not in links_of(node)
    assert (before, routes) == (nics(), ip("route"))


def test_a_nic_outlives_the_namespace_it_was_lent_to(
    nic: str, node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Even a veth, which ends with its namespace, comes back when all of the run is dead."""
    before = nics()
    with borrowing(nic, tmp_path) as mine:
        mine.lend(nic, node.pid, "lan0")
        node.kill()
        node.wait()

    assert before == nics()


def test_a_nic_comes_back_when_the_run_is_killed(nic: str, tmp_path: Path) -> None:
    """SIGKILL of the process that started lender and run: the lender outlives it and gives back."""
    before = nics()
    command = [sys.executable, "-c", BORROWER, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout and "lent\n" == run.stdout.readline()
            assert nic not in nics()
        finally:
            run.kill()
    deadline = time.monotonic() + ENDS_S
    while (after := nics()) != before and time.monotonic() < deadline:
        time.sleep(0.1)

    assert before == after


def test_what_cannot_be_lent_is_said_so(nic: str, node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A NIC that the bench does not name, and one that is lent already, are refused with the reason."""
    with borrowing(nic, tmp_path) as mine:
        mine.lend(nic, node.pid, "lan0")
        with pytest.raises(
            RunError, match="NIC peerL cannot become the port wan0: the bench does not name 'peerL'"
        ):
            mine.lend("peerL", node.pid, "wan0")
        with pytest.raises(
            RunError, match=f"NIC {nic} cannot become the port wan0: it is lent to another run"
        ):
            mine.lend(nic, node.pid, "wan0")


def test_a_port_that_exists_is_not_replaced(nic: str, node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """What ip says is passed on, and the NIC comes home as it was: the kernel may have moved it before it refused."""
    before = nics()
    ip_in(node, "link", "add", "lan0", "type", "bridge")
    refusal = f"NIC {nic} cannot become the port lan0: ip link set .*File exists"
    with borrowing(nic, tmp_path) as mine, pytest.raises(RunError, match=refusal):
        mine.lend(nic, node.pid, "lan0")

    assert before == nics()


def test_a_killed_lender_is_noticed(nic: str, node: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Who borrowed sees that it is gone, and what is lent stays where it is until the borrower ends."""
    with pytest.raises(HostError, match="not every NIC"), borrowing(nic, tmp_path) as mine:
        mine.lend(nic, node.pid, "lan0")
        living = mine.poll()
        os.kill(lender_s_pid(), signal.SIGKILL)
        deadline = time.monotonic() + ENDS_S
        while mine.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)

        assert (None, 0) == (living, mine.poll())
        assert "lan0" in links_of(node)
    ip_in(node, "link", "set", "dev", "lan0", "name", nic, "netns", str(os.getpid()))
    ip("link", "set", "dev", nic, "alias", "")


def lender_s_pid() -> int:
    """Return the one lender that this process has started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (found,) = [c for c in children if "testbed.lab.lender" in Path(f"/proc/{c}/cmdline").read_text()]
    return int(found)
