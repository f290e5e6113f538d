"""A campaign's jobs on disk: planned once, each played until its result is there, whoever plays them.

    jobs/agenda.json    what there is to play
    jobs/NAME/inputs/   one run's job, until it is over
    NAME/               a run that is over: it appears whole, by a rename

What is on disk is not played again: a campaign whose process was killed goes on from there.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from testbed import paths
from testbed.campaign import bundle
from testbed.campaign.hosts import ROOT, VIRTUAL_TIME
from testbed.campaign.player import Assignment, bench_hash
from testbed.errors import HostError, InputError
from testbed.model.times import REAL
from testbed.result.campaign import FILE, Campaign
from testbed.run import job
from testbed.run.plan import Plan

FOLDER = "jobs"
_FILE = "agenda.json"


@dataclass(frozen=True)
class AgendaRun:
    """A run that is planned: what is changed in it, and its length in ns of the scenario's time."""

    assignment: Assignment
    changes: tuple[str, ...]
    duration_ns: int


@dataclass(frozen=True)
class Agenda:
    """All runs of a campaign, over or not; ``needs`` are what a host must have to play one."""

    scenario: str
    keys: tuple[str, ...]
    needs: tuple[str, ...]
    runs: tuple[AgendaRun, ...]

    @property
    def time(self) -> str:
        """The time of its runs, real or virtual."""
        return self.runs[0].assignment.time


def lay_out(plans: Sequence[Plan], keys: tuple[str, ...], needs: Sequence[str], folder: Path) -> Agenda:
    """Write each plan as a job below ``folder``, and return what is to be played."""
    width = len(str(len(plans)))
    runs = []
    for number, made in enumerate(plans, 1):
        name = f"{number:0{width}d}"
        job.pack(made, folder / FOLDER / name)
        runs.append(AgendaRun(_order(name, made, folder.name), tuple(map(str, made.changes)), made.scenario.duration))
    agenda = Agenda(plans[0].name, keys, tuple(needs), tuple(runs))
    partial = folder / FOLDER / f"{_FILE}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(agenda), indent=1))
    partial.replace(folder / FOLDER / _FILE)
    Campaign(folder, agenda.scenario, agenda.keys).saved()
    return agenda


def needs_of(made: Plan, words: Sequence[str]) -> tuple[str, ...]:
    """Return what a host must have to play a plan: what the plan takes, and the user's ``words``."""
    asked = {VIRTUAL_TIME} if made.time != REAL else {ROOT, f"link={made.link}"}
    if made.chosen is not None:
        asked.add(f"bench={made.chosen.title}")
    return tuple(sorted({*words, *asked}))


def read(folder: Path) -> Agenda:
    """Return what a campaign that was cut short had to play. Raises InputError."""
    path = folder / FOLDER / _FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Agenda)
    except (OSError, msgspec.MsgspecError) as error:
        found = "it is over" if (folder / FILE).exists() and not path.exists() else f"no jobs: {error}"
        expected = "name the folder of a campaign that was started with --on and cut short"
        raise InputError(paths.shown(folder), found, expected) from error


def left(agenda: Agenda, folder: Path) -> list[AgendaRun]:
    """Return the runs without a result."""
    return [run for run in agenda.runs if not (folder / run.assignment.name).exists()]


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Play a campaign's jobs by this process alone. Raises HostError where another one does."""
    with (folder / FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HostError(f"{paths.shown(folder)} is being played by another process") from error
        yield


def seat(folder: Path, name: str) -> Path:
    """Return the folder of a run's job, as it was planned: what a killed player has left in it is gone."""
    found = folder / FOLDER / name
    for path in found.iterdir():
        if path.name != job.FOLDER:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return found


def keep(folder: Path, name: str, packed: bytes | None) -> bool:
    """Keep a run's result: what was ``packed`` elsewhere, or what lies in its seat. A second one is dropped: False."""
    found = folder / FOLDER / name
    if packed is None:
        if (folder / name).exists():
            return False
        found.rename(folder / name)
        return True
    kept = bundle.unpack(packed, folder / name)
    shutil.rmtree(found, ignore_errors=True)
    return kept


def so_far(agenda: Agenda, folder: Path) -> Campaign:
    """Return the campaign with all results that are on disk, those of a process that was killed at any point too.

    A run that was given up is played again.
    """
    campaign = Campaign.load(folder) if (folder / FILE).exists() else Campaign(folder, agenda.scenario, agenda.keys)
    there = tuple(run.assignment.name for run in agenda.runs if (folder / run.assignment.name).exists())
    died = {name: why for name, why in campaign.died.items() if name in there}
    return Campaign(folder, agenda.scenario, agenda.keys, there, died).saved()


def over(folder: Path) -> None:
    """Remove the jobs of a campaign that has all its results."""
    shutil.rmtree(folder / FOLDER)


def _order(name: str, made: Plan, campaign: str) -> Assignment:
    seed = made.scenario.seed
    if made.chosen is None:
        return Assignment(name, seed, made.time, campaign=campaign)
    chosen = made.chosen
    return Assignment(name, seed, made.time, chosen.path.stem, chosen.hub, bench_hash(chosen), campaign)

