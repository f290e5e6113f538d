"""One run at a time on a hub, as the kernel's locks say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.errors import HostError, InputError
from testbed.lab import bench as benches
from testbed.lab import hold, nics
from testbed.lab.bench import Chosen
from testbed.lab.nics import Nic

BENCH = """\
hubs:
  east: {ports: {wan0: {nic: e0}, wan1: {nic: e1}, lan0: {nic: e2}}}
  west: {ports: {wan0: {nic: w0}, wan1: {nic: w1}, lan0: {nic: w2}}}
"""
AT = 1_800_000_000 * 10**9
# Has a hub until it is killed.
OTHER = """
import sys, time
from pathlib import Path
from testbed.lab import hold, nics
from testbed.lab.bench import Chosen
nics.LOCKS, nics.read, nics.problems = Path(sys.argv[2]), dict, lambda *_: []
with hold.held(Chosen(Path(sys.argv[1]), "east"), "smoke", 1, wait=False, tell=print):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bench of two hubs, on a host that has their NICs."""
    names = ("e0", "e1", "e2", "w0", "w1", "w2")
    there = {name: Nic(name, up=True, carrier=True, default_route=False) for name in names}
    monkeypatch.setattr(nics, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(nics, "read", lambda: there)
    monkeypatch.setenv("SUDO_USER", "amina")
    (tmp_path / "b.yaml").write_text(BENCH)
    return tmp_path / "b.yaml"


@pytest.fixture
def other(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the hub in the east."""
    command = [sys.executable, "-c", OTHER, str(file), str(nics.LOCKS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and "has it\n" == process.stdout.readline()
        yield process
        process.kill()


def take(chosen: Chosen | None) -> AbstractContextManager[int | None]:
    return hold.held(chosen, "starlink-blackout", AT, wait=False, tell=print)


def test_a_hub_says_who_has_it(file: Path) -> None:
    """The user who called sudo, the process, since when and what for; afterwards nobody has it."""
    east, west = Chosen(file, "east"), Chosen(file, "west")
    with take(east):
        during = hold.holder(east), hold.holder(west)

    assert (hold.Holder("amina", os.getpid(), AT, "starlink-blackout"), None) == during
    assert hold.holder(east) is None


def test_who_comes_second_is_told_who_has_it(file: Path, other: subprocess.Popen[str]) -> None:
    """And how to wait; the bench's other hub is free."""
    with pytest.raises(HostError) as refused, take(Chosen(file, "east")):
        pass
    with take(Chosen(file, "west")) as lock:
        assert lock is not None

    assert str(refused.value).startswith("hub b/east is in use by amina since ")
    assert str(refused.value).endswith(f"(smoke, process {other.pid}); add --wait to wait for it")


def test_who_waits_has_it_when_the_other_has_died(file: Path, other: subprocess.Popen[str]) -> None:
    """SIGKILL frees the hub: the kernel's lock, not a file, says that it is in use."""
    told: list[str] = []

    def tell(words: str) -> None:
        told.append(words)
        other.kill()

    with hold.held(Chosen(file, "east"), "smoke", AT, wait=True, tell=tell):
        found = hold.holder(Chosen(file, "east"))

    assert found is not None and os.getpid() == found.pid
    assert [f"(smoke, process {other.pid}); waiting for it"] == [words[words.index("(") :] for words in told]


def test_what_a_dead_process_wrote_counts_no_more(file: Path, other: subprocess.Popen[str]) -> None:
    """Its words are still in the file, and nobody holds the lock."""
    other.kill()
    other.wait(timeout=60)

    assert hold.holder(Chosen(file, "east")) is None
    with take(Chosen(file, "east")):
        pass


def test_the_virtual_hub_is_nobody_s() -> None:
    """Two runs at once do not meet."""
    with take(None) as one, take(None) as two:
        assert (None, None) == (one, two)


def test_benches_are_listed_with_who_has_them(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each hub a line: how it is reached, by whom it is in use, since when and for what."""
    monkeypatch.chdir(file.parent)
    with take(Chosen(file, "west")):
        assert 0 == main(["bench", "list", "b.yaml"])
        _, east, west = (line.split() for line in capsys.readouterr().out.splitlines())
        main(["bench", "list", "--json", "b.yaml"])
    said = json.loads(capsys.readouterr().out)

    assert ["b.yaml", "east", "closed", "–", "–", "–"] == east
    assert ["b.yaml", "west", "closed", "amina"] == west[:4]
    assert "starlink-blackout" == west[-1]
    assert [None, {"user": "amina", "pid": os.getpid(), "since_ns": AT, "what": "starlink-blackout"}] == [
        row["in_use"] for row in said
    ]


@pytest.mark.parametrize(
    ("hub", "message"),
    [
        ("", "b.yaml: the bench has several hubs; add --hub: east, west"),
        ("eas", "b.yaml: the bench has no hub 'eas'; did you mean 'east'?"),
    ],
)
def test_one_of_several_hubs_is_chosen(
    hub: str, message: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names them."""
    monkeypatch.chdir(file.parent)
    with pytest.raises(InputError) as refused:
        benches.find("b.yaml", hub)

    assert message == str(refused.value)
    assert "b/east" == benches.read(Chosen(file, "east")).name


def test_a_hub_of_no_bench_is_refused() -> None:
    """The virtual hub has no name."""
    with pytest.raises(InputError, match="--hub: hub 'east' of no bench; add --bench FILE"):
        benches.find("virtual", "east")
