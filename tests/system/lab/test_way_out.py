"""The way out of a sandbox, between namespaces that play the host and a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

HOST = """
import os, subprocess, sys
from testbed.lab import way_out
from pathlib import Path

def state():
    looks = ("ip -brief link", "nft list ruleset")
    return [*(subprocess.check_output(look.split(), text=True) for look in looks), Path(FORWARDING).read_text()]

FORWARDING = "/proc/sys/net/ipv4/conf/lan0/forwarding"
subprocess.check_call("ip link add lan0 type veth peer name lan1; ip address add 192.0.2.2/24 dev lan0;"
    "ip link set lan0 up; ip link set lan1 up; ip route add default via 192.0.2.1", shell=True)
Path(FORWARDING).write_text("0")
before, open_gate = state(), lambda pid: way_out.open_gate(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))
"""


@contextmanager
def namespace(*, sees: str = "") -> Iterator[subprocess.Popen[str]]:
    """A network namespace with somebody in it, whose standard input ends it."""
    command = ["unshare", "--net", "--mount", "sh", "-c", f"{sees} echo up; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def host() -> Iterator[subprocess.Popen[str]]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    with namespace(sees="mount -t sysfs sysfs /sys;") as process:
        yield process


def ask(host: subprocess.Popen[str], script: str) -> str:
    """Execute a script at the host."""
    command = ["nsenter", "--net", "--mount", "--target", str(host.pid), sys.executable, "-c", HOST + script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_what_was_left_of_a_way_out_is_taken_back(host: subprocess.Popen[str]) -> None:
    """Where nobody closed it: not while its sandbox lives, and then all of it, forwarding too."""
    with namespace() as first:
        script = f"""
open_gate({first.pid})
way_out.sweep()
assert "testbed-out0" in state()[1] and "1\\n" == state()[2]
subprocess.check_call(["ip", "link", "delete", "testbed-out0"])  # as it goes with its sandbox
way_out.sweep()
print(before == state())
"""
        assert "True\n" == ask(host, script)


def test_the_last_way_out_takes_back_what_the_first_changed(host: subprocess.Popen[str]) -> None:
    """Whichever is closed last."""
    with namespace() as first, namespace() as second:
        script = f"""
gates = [open_gate(pid) for pid in ({first.pid}, {second.pid})]
for gate in gates:
    way_out.close_gate(gate)
print(before == state())
"""
        assert "True\n" == ask(host, script)
