"""``testbed bench check``: what it says of a bench that is right, and of one that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.system.bench.conftest import Hardware, nics

Checks = Mapping[str, Mapping[str, str]]


def check(bench: Path, **environment: str) -> tuple[int, Checks]:
    """Return the command's exit status and what it says, by the checks' names; the NICs are back afterwards."""
    before = nics()
    command = [sys.executable, "-m", "testbed", "bench", "check", "--json", str(bench)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert before == nics()
    assert done.stdout, done.stderr
    return done.returncode, {line["name"]: line for line in json.loads(done.stdout)}


def test_a_bench_that_is_right_is_ready(hardware: Hardware) -> None:
    """Links, SSH, every cable's other end, programs and clock are looked at; the host key is offered for pinning."""
    status, said = check(hardware.bench)

    assert 0 == status, said
    assert {"eth0: link", "eth1: link", "eth2: link", "ssh", "programs", "clock"} <= set(said)
    assert "the cable from dish ends in eth0" == said["eth0: wiring"]["found"]
    assert "the cable from modem ends in eth1" == said["eth1: wiring"]["found"]
    assert said["host key"]["advice"].endswith(" ".join(hardware.host_key().split()[:2]))


def test_swapped_cables_are_found(hardware: Hardware) -> None:
    """A cable that does not end in the port that the file says is told by the carrier that stays."""
    text = hardware.bench.read_text()
    swapped = hardware.folder / "swapped.yaml"
    swapped.write_text(
        text.replace("as: eth0", "as: eth9").replace("as: eth1", "as: eth0").replace("eth9", "eth1")
    )
    _, said = check(swapped)

    assert "eth0 kept its carrier while the cable from modem was down" == said["eth0: wiring"]["found"]
    assert "eth1 kept its carrier while the cable from dish was down" == said["eth1: wiring"]["found"]


def test_a_port_that_the_hub_does_not_have_is_found(hardware: Hardware) -> None:
    """The ports that it has are listed."""
    wrong = hardware.folder / "wrong.yaml"
    wrong.write_text(hardware.bench.read_text().replace("as: eth1", "as: wan1"))
    status, said = check(wrong)

    assert 3 == status
    assert "the hub has no port 'wan1'" == said["wan1: wiring"]["found"]
    assert "eth0" in said["wan1: wiring"]["advice"]


def test_a_cable_that_is_not_plugged_in_is_found(hardware: Hardware) -> None:
    """A port without a carrier is named with the cable that is missing."""
    hardware.sh("ip link set eth1 down")
    try:
        status, said = check(hardware.bench)
    finally:
        hardware.sh("ip link set eth1 up")

    assert 3 == status
    assert ("no carrier", "plug in the cable from modem") == (
        said["eth1: link"]["found"],
        said["eth1: link"]["advice"],
    )


@pytest.fixture
def agent(hardware: Hardware) -> Iterator[Path]:
    """An SSH agent with the hub's key; its socket lies in /run, which a sandbox covers."""
    socket = Path("/run/test-agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # it listens
        add = ["ssh-add", "-q", str(hardware.folder / "client")]
        subprocess.run(add, env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True)
        yield socket
        process.kill()
    socket.unlink()


def test_the_agent_of_the_environment_opens_the_hub(hardware: Hardware, agent: Path) -> None:
    """Without a key file the keys stay in the agent, and its socket is reached from inside the sandbox."""
    bench = hardware.write_bench("agent", ssh="user: root")
    status, said = check(bench, SSH_AUTH_SOCK=str(agent))

    assert (0, "ok") == (status, said["ssh"]["state"])
