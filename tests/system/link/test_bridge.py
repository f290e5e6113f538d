"""`testbed link bridge`, `set` and `outage`, as a user of the in-line box types them."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.link import bridge, pair

COMMAND = [sys.executable, "-m", "testbed", "link"]
VALUES = ["--up", "delay 5ms rate 100Mbit", "--down", "delay 10ms", "--json"]


def rtts(left: pair.Namespace) -> list[float]:
    out = left.run("ping", "-c", "10", "-i", "0.02", "-W", "20", "10.0.0.2")
    return [float(x) for x in re.findall(r"time=([\d.]+)", out)]


@pytest.fixture
def hosts() -> Iterator[tuple[pair.Namespace, pair.Namespace]]:
    """Return a host with the address 10.0.0.1, and the one with the interfaces l0 towards it, r0 towards 10.0.0.2."""
    with ExitStack() as stack:
        left, middle, right = (stack.enter_context(pair.host()) for _ in range(3))
        for end, name, n in ((left, "l0", 1), (right, "r0", 2)):
            pair._plug(end, "e0", middle, name)
            pair._configure(end, 0, n)
        yield left, middle


@contextmanager
def bridged(middle: pair.Namespace, *ends: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a bridge, which plays by the time that its first line is there."""
    box = middle.spawn([*COMMAND, "bridge", *ends, *VALUES])
    assert box.stdout is not None
    assert box.stdout.readline()
    try:
        yield box
    finally:
        box.terminate()
        box.communicate(timeout=60)


def refused(where: pair.Namespace, *words: str) -> str:
    """Return what a command says that fails, and leaves no folder but those that are there."""
    before = sorted(bridge.FOLDERS.glob("*"))
    with pytest.raises(RunError) as said:
        where.run(*COMMAND, *words)
    assert before == sorted(bridge.FOLDERS.glob("*"))
    return str(said.value)


def test_a_bridge_takes_changes_while_it_runs_and_ends_with_its_certificate(
    hosts: tuple[pair.Namespace, pair.Namespace],
) -> None:
    """Delay as asked, changed and restored live; Ctrl-C ends it with a certificate and leaves no folder."""
    left, middle = hosts
    with bridged(middle, "l0", "r0") as box:
        assert 15 <= min(rtts(left)) < 25
        middle.run(*COMMAND, "set", "delay 20ms", "--direction", "up")
        assert 30 <= min(rtts(left)) < 45
        middle.run(*COMMAND, "set", "schedule")
        assert 15 <= min(rtts(left)) < 25
        middle.run(*COMMAND, "outage", "8s", "--hold")
        assert max(rtts(left)) > 100

        box.send_signal(signal.SIGINT)
        out, _ = box.communicate(timeout=60)
        certificate = json.loads(out.splitlines()[-1])
        assert 40 == certificate["directions"][0]["packets"]
        assert not (bridge.FOLDERS / "l0-r0").exists()


def test_an_interface_in_use_is_refused_with_its_owner(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """Played by two links every packet would come back several times; the first one goes on, undisturbed."""
    left, middle = hosts
    with bridged(middle, "l0", "r0"):
        said = refused(middle, "bridge", "r0", "l0", "--up", "delay 20ms", "--duration", "2s")
        assert 15 <= min(rtts(left)) < 25

    assert re.search(rf"interface r0: in use by another link, of process \d+ in {bridge.FOLDERS}/l0-r0", said)


def test_a_link_from_an_interface_to_itself_is_refused(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """It is named twice, and nothing of it stays."""
    said = refused(hosts[1], "bridge", "l0", "l0", "--up", "delay 20ms")
    assert "interface l0: named twice, expected a link between two interfaces" in said


def test_interfaces_of_one_name_may_be_in_two_namespaces(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """Another namespace's l0 and r0 are others: the second bridge runs beside the first, and has a name of its own."""
    left, middle = hosts
    with pair.host() as other:
        for name in ("l0", "r0"):
            other.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"far-{name}")
        with bridged(middle, "l0", "r0"), bridged(other, "l0", "r0"):
            assert ["l0-r0", "l0-r0.2"] == bridge.running()
            middle.run(*COMMAND, "set", "delay 40ms", "--link", "l0-r0", "--direction", "up")
            assert 50 <= min(rtts(left)) < 65


def test_a_mistyped_interface_leaves_nothing(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """The schedules that were packed for it, megabytes of memory, are gone with the refusal."""
    said = refused(hosts[1], "bridge", "l0", "nope", "--trace", "starlink-bent-pipe", "--duration", "10m")
    assert "interface nope: No such device" in said


def test_what_a_killed_bridge_left_is_swept_by_the_next(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """Its interfaces are free as soon as its linkd has ended, and its folder goes."""
    left, middle = hosts
    with bridged(middle, "l0", "r0") as killed:
        linkd = os.pidfd_open(linkd_of("l0-r0"))
        killed.kill()
        assert select.select([linkd], [], [], 10.0)[0]
        os.close(linkd)
    assert (bridge.FOLDERS / "l0-r0").exists()
    assert [] == bridge.running()
    with bridged(middle, "r0", "l0"):
        assert ["r0-l0"] == bridge.running() == [path.name for path in bridge.FOLDERS.iterdir()]


def test_sigterm_ends_a_bridge_as_ctrl_c_does(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """A service manager's way: with the certificate, and no folder left."""
    with bridged(hosts[1], "l0", "r0") as box:
        box.terminate()
        out, _ = box.communicate(timeout=60)
    assert "valid" in json.loads(out.splitlines()[-1])
    assert not (bridge.FOLDERS / "l0-r0").exists()


def test_the_other_back_end_keeps_the_same_claim(hosts: tuple[pair.Namespace, pair.Namespace]) -> None:
    """netem's links ask for the interface by the same name, and are told who has it."""
    program = (
        "import socket; from testbed.link.netemd.claim import claim; claim('l0', socket.if_nametoindex('l0'))"
    )
    ask = [sys.executable, "-c", program]
    hosts[1].run(*ask)
    with (
        bridged(hosts[1], "l0", "r0"),
        pytest.raises(RunError, match=r"in use by another link, of process \d+ in /"),
    ):
        hosts[1].run(*ask)


def linkd_of(name: str) -> int:
    """Return the process that has a bridge's folder as its own."""
    found = [p for p in Path("/proc").glob("[0-9]*") if (p / "comm").read_text() == "linkd\n"]
    return next(int(p.name) for p in found if (p / "cwd").readlink() == bridge.FOLDERS / name)


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("delay 25", "found 'delay 25'", "write such as"),
        ("dealy 25ms", "found 'dealy 25ms'", "write such as"),
        ("delay 5ms delay 6ms", "found 'delay 6ms'", "write such as"),
        ("loss 120%", "found '120%'", "a share from 0 % to 100 %"),
    ],
)
def test_wrong_values_are_refused(text: str, found: str, expected: str) -> None:
    """What was found and what would be right is said of each value."""
    with pytest.raises(Exception, match=f"--up: {re.escape(found)}.*{re.escape(expected)}"):
        bridge.parse_values(text, "--up")
