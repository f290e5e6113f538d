"""A campaign's runs given to a crew: each result once, lost ones played again, nothing played twice.

A stand-in plays: a shell script in place of the player's command, which is the seam.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.campaign import agenda, bundle, spread
from testbed.campaign.agenda import Agenda, AgendaRun
from testbed.campaign.crew import LocalCrew, Over
from testbed.campaign.hosts import HOST, SAME, LabHost, asked, fault
from testbed.campaign.player import Assignment
from testbed.campaign.spread import Headway
from testbed.campaign.wire import Wire
from testbed.errors import HostError, InputError, RunError
from testbed.result.campaign import Campaign
from testbed.result.store import ResultWriter
from tests.unit.result.records import S, record, verdict

PLAYS = 'printf "%s\n" "$2" >> "$0/played"; cp "$0/result.json" "$2/"'
NEEDS = ("link=native", "root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign's folder with four jobs."""
    laid = tmp_path / "campaign"
    (laid / agenda.FOLDER).mkdir(parents=True)
    lay(laid, ("1", "2", "3", "4"))
    ResultWriter(tmp_path, record(verdict(2 * S)))
    return laid


def lay(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        inputs = folder / agenda.FOLDER / name / "inputs"
        inputs.mkdir(parents=True)
        (inputs / "job.json").write_text(f'"{name}"')


def of(names: Sequence[str]) -> Agenda:
    return Agenda("smoke", (), NEEDS, tuple(AgendaRun(Assignment(name), (), S) for name in names))


def crew(folder: Path, script: str = PLAYS, count: int = 2) -> LocalCrew:
    return LocalCrew(count, ("sh", "-euc", script, str(folder.parent)))


def played(folder: Path) -> list[str]:
    lines = (folder.parent / "played").read_text().splitlines()
    return sorted(Path(line).name for line in lines)


def test_each_run_is_played_once_and_kept(folder: Path) -> None:
    """The results are whole, in their order, and the jobs are gone."""
    told: list[Headway] = []
    with crew(folder) as local:
        campaign = spread.play(of("1234"), folder, local, told.append, time.monotonic)

    assert (("1", "2", "3", "4"), {}) == (campaign.runs, campaign.died)
    assert campaign == Campaign.load(folder)
    assert (4, 0) == (len(campaign.results), campaign.exit_status)
    assert ["1", "2", "3", "4"] == played(folder)
    assert '"3"' == (folder / "3" / "inputs" / "job.json").read_text()
    assert not (folder / agenda.FOLDER).exists()
    assert [1, 2, 3, 4] == [standing.done for standing in told if standing.over]


def test_what_is_on_disk_is_not_played_again(folder: Path) -> None:
    """Also a result that had come back when the process was killed, before it was noted."""
    (folder / agenda.FOLDER / "2").rename(folder / "2")
    ResultWriter(folder / "2", record(verdict(2 * S)))
    half = folder / agenda.FOLDER / "3" / "samples"
    half.mkdir()

    with crew(folder) as local:
        campaign = spread.play(of("1234"), folder, local, lambda _: None, time.monotonic)

    assert ["1", "3", "4"] == played(folder)
    assert ("1", "2", "3", "4") == campaign.runs
    assert not (folder / "3" / "samples").exists()


def test_a_lost_run_is_played_again_and_then_given_up(folder: Path) -> None:
    """Its player is killed each time: no verdict, the campaign cannot tell, and its job stays for another try."""
    script = f'{PLAYS}; case "$2" in */2) kill -KILL $$;; esac'
    with crew(folder, script) as local:
        campaign = spread.play(of("1234"), folder, local, lambda _: None, time.monotonic)

    assert ["1", *["2"] * spread.TRIES, "3", "4"] == played(folder)
    assert ["2"] == list(campaign.died)
    assert campaign.died["2"].startswith("lost: lab: its player was killed by signal 9")
    assert (3, 3) == (len(campaign.results), campaign.exit_status)
    with crew(folder) as local:
        again = spread.play(of("1234"), folder, local, lambda _: None, time.monotonic)
    assert ({}, 0) == (again.died, again.exit_status)


def test_a_run_that_died_keeps_what_it_left(folder: Path) -> None:
    """It is not played again: it died by itself, and its evidence says how."""
    with crew(folder, f"{PLAYS}; echo the sky fell; exit 71") as local:
        campaign = spread.play(of("1234"), folder, local, lambda _: None, time.monotonic)

    assert ["1", "2", "3", "4"] == played(folder)
    assert "the sky fell" == campaign.died["1"]
    assert 3 == campaign.exit_status


class _Twice:
    """A crew that brings each result two times, and then has no places."""

    def __init__(self, places: int = 9) -> None:
        self._over: list[Over] = []
        self._places = places

    def __enter__(self) -> _Twice:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def fault(self, needs: Sequence[str]) -> str:
        return "nobody is there"

    def places(self, needs: Sequence[str]) -> int:
        return self._places

    def begin(self, assignment: Assignment, folder: Path) -> None:
        for where in ("first", "second"):
            result = folder.parent / where
            result.mkdir(exist_ok=True)
            ResultWriter(result, record(verdict(2 * S), question=where))
            self._over.append(Over(assignment.name, where, bundle.pack(result)))

    def ended(self, timeout_s: float) -> Over | None:
        return self._over.pop(0) if self._over else None

    def heard(self) -> list[str]:
        return []


def test_a_second_result_is_dropped(folder: Path) -> None:
    """The first one is the run's."""
    told: list[Headway] = []
    campaign = spread.play(of("1234"), folder, _Twice(), told.append, time.monotonic)

    assert 4 == len(campaign.results)
    assert {"first"} == {result.record.question for result in campaign.results}
    assert 4 == sum(standing.over is not None for standing in told)


def test_nobody_left_ends_it_with_a_word(folder: Path) -> None:
    """It does not hang: it says so, and how it goes on."""
    ticks = iter(range(1000))
    with pytest.raises(HostError, match="nobody is there; .* --resume"):
        spread.play(of("1234"), folder, _Twice(0), lambda _: None, lambda: float(next(ticks)))


def test_one_process_plays_a_campaign(folder: Path) -> None:
    """A second one is refused while the first is at it."""
    second = agenda.at_work(folder)
    with agenda.at_work(folder), pytest.raises(HostError, match="being played by another process"):
        second.__enter__()
    with agenda.at_work(folder):
        pass


def test_time_left_is_told_once_a_run_is_done() -> None:
    """By the pace so far; before that, nobody knows."""
    assert (None, 90.0) == (spread.time_left_s(30.0, 0, 9), spread.time_left_s(30.0, 3, 9))


def test_an_archive_stays_in_its_folder(tmp_path: Path) -> None:
    """One that names files elsewhere is refused, and leaves nothing."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../evil"))

    with pytest.raises(RunError, match="could not be unpacked"):
        bundle.unpack(packed.getvalue(), tmp_path / "in" / "1")
    with pytest.raises(RunError, match="could not be unpacked"):
        bundle.unpack(b"no archive", tmp_path / "in" / "2")
    assert [] == [path.name for path in tmp_path.rglob("*") if path.name != "in"]


def host(name: str = "lab-1", *words: str, version: str = SAME) -> LabHost:
    return LabHost(name, dict.fromkeys((version, HOST, *words), 1.0), 4)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ([], "no worker is there; start one on each lab host"),
        ([host("lab-1", *NEEDS, version="testbed 0.0.1/1")], "lab-1 is testbed 0.0.1 (protocol 1), and this is"),
        ([LabHost("lab-1", {}, 4)], "lab-1 is no worker of the testbed, and this is"),
        ([host("lab-1", "root")], "no worker has link=native and root: lab-1 has root"),
        ([host(), host("lab-2", *NEEDS)], ""),
    ],
)
def test_nobody_who_can_is_told_before_the_start(known: list[LabHost], told: str) -> None:
    """With what each has; nothing where one can."""
    assert told in fault(NEEDS, known) if told else not fault(NEEDS, known)


def test_a_run_in_real_time_has_a_host_to_itself() -> None:
    """In virtual time as many as there are processors; both ask for a part of the same host."""
    both = host("lab-1", *NEEDS, "virtual-time")

    assert (1, 4) == (both.places_for(NEEDS), both.places_for(["virtual-time"]))
    assert 1.0 == asked(NEEDS)[HOST] < 5000 * asked(["virtual-time"])[HOST]


@pytest.mark.parametrize(
    ("text", "tls", "told"),
    [
        ("dask://lab-1:8786", None, "--on: lab-1 without TLS; beyond this host TLS is a must; make certificates"),
        ("dask://0.0.0.0:8786", None, "0.0.0.0 without TLS"),
        ("dask://lab-1", None, "is no address; write HOST:PORT"),
        ("http://127.0.0.1:1", None, "is no address"),
        ("dask://lab-1:8786", "empty", "has no ca.pem nor cert.pem nor key.pem; make certificates"),
    ],
)
def test_beyond_this_host_there_is_tls_or_nothing(tmp_path: Path, text: str, tls: str | None, told: str) -> None:
    """The refusal says how certificates are made."""
    with pytest.raises(InputError) as refused:
        Wire.parse(text, tmp_path / tls if tls else None, "--on")

    assert told in str(refused.value)
    assert "tcp://[::1]:8786" == str(Wire.parse("dask://[::1]:8786", None, "--on"))
