"""Which labs stand: names, locks, and what is left of those that died."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.paths import ROOT
from testbed.standing import registry
from testbed.standing.registry import Claim, StandingLab


def enter(claim: Claim, started_ns: int = 1) -> StandingLab:
    entry = StandingLab(claim.name, "smoke", "/nowhere", "amina", os.getpid(), started_ns, started_ns + 10)
    claim.write(entry)
    return entry


def test_a_lab_is_listed_while_it_is_held(tmp_path: Path) -> None:
    """Its folder, its entry and its socket are there, the oldest lab first, and gone with the context."""
    home = tmp_path / "labs"
    with registry.claimed("b", exactly=True, home=home) as b, registry.claimed("a", exactly=True, home=home) as a:
        entries = [enter(b, 1), enter(a, 2)]
        assert entries == registry.labs(home)
        assert entries[1] == registry.find("a", home)
        assert 0o600 == entries[0].control(home).stat().st_mode & 0o777
    assert [] == registry.labs(home)
    assert [] == list(home.iterdir())


def test_a_second_lab_of_a_name_gets_a_number(tmp_path: Path) -> None:
    """Unless it was asked for by this very name."""
    with registry.claimed("smoke", exactly=False, home=tmp_path), registry.claimed(
        "smoke", exactly=False, home=tmp_path
    ) as second:
        assert "smoke-2" == second.name
        with (
            pytest.raises(InputError, match="--name: a lab 'smoke' stands already; choose another, such as smoke-3"),
            registry.claimed("smoke", exactly=True, home=tmp_path),
        ):
            pass


@pytest.mark.parametrize("name", ["", "-x", "a/b", "Lab", "a" * 41, ".."])
def test_a_name_is_a_word(name: str, tmp_path: Path) -> None:
    """It becomes a folder's, and is typed often."""
    with pytest.raises(InputError, match="use up to 40 of a-z"), registry.claimed(name, exactly=True, home=tmp_path):
        pass


def test_the_only_lab_needs_no_name(tmp_path: Path) -> None:
    """With none or several it is said which there are."""
    with pytest.raises(InputError, match="no labs stand; bring one up: 'testbed lab up NAME'"):
        registry.find(None, tmp_path)
    with registry.claimed("one", exactly=True, home=tmp_path) as one:
        entry = enter(one)
        assert entry == registry.find(None, tmp_path)
        with pytest.raises(InputError, match="no lab 'won' stands; did you mean 'one'?"):
            registry.find("won", tmp_path)
        with registry.claimed("two", exactly=True, home=tmp_path) as two:
            enter(two, 2)
            with pytest.raises(InputError, match="2 labs stand; name one with --lab: one, two"):
                registry.find(None, tmp_path)


def test_what_a_killed_keeper_leaves_is_removed(tmp_path: Path) -> None:
    """The lock died with it, whatever its folder says."""
    program = (
        "import sys, time; from pathlib import Path; from testbed.standing import registry\n"
        f"with registry.claimed('dead', exactly=True, home=Path({str(tmp_path)!r})) as claim:\n"
        "    claim.write(registry.StandingLab('dead', 'smoke', '/', 'amina', 1, 1)); print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    keeper = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert keeper.stdout and "held\n" == keeper.stdout.readline()
    assert ["dead"] == [entry.name for entry in registry.labs(tmp_path)]

    assert not registry.wait_for_end("dead", 0.1, tmp_path)
    keeper.send_signal(signal.SIGKILL)
    assert registry.wait_for_end("dead", 60, tmp_path)
    keeper.communicate()

    assert [] == registry.labs(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_the_socket_takes_connections_from_the_first_moment(tmp_path: Path) -> None:
    """Who comes early waits for the sandbox to answer."""
    with registry.claimed("lab", exactly=True, home=tmp_path) as claim, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(enter(claim).control(tmp_path)))
