"""What a run measured and what it met, small enough to be kept and reviewed: what runs are compared by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from testbed.errors import InputError
from testbed.metrics.looks import Look
from testbed.model.objective import METRICS, Unit
from testbed.model.times import REAL, VIRTUAL
from testbed.result import campaign, store
from testbed.result.record import Record, State
from testbed.result.store import Result
from testbed.result.verdict import Verdict

SIMULATED = "simulated"
"""The back end under which the same run gives the same bits, as in virtual time: chance has no part in a difference."""


@dataclass(frozen=True)
class Value:
    """What one objective was measured to be. ``value`` is None where it could not be; see Verdict.

    ``look`` is when the hub next looked at the uplink that went out, where that is known and has a part in the value.
    """

    title: str
    metric: str
    unit: Unit
    value: float | None
    outcome: str
    lower_bound: bool = False
    resolution: float = 0.0
    look: Look | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> Value:
        """Return what a verdict rests on."""
        return cls(
            title=verdict.title,
            metric=verdict.metric,
            unit=verdict.unit,
            value=verdict.value,
            outcome=str(verdict.outcome),
            lower_bound=verdict.lower_bound,
            resolution=_resolution(verdict),
            look=msgspec.convert(verdict.details.get("look"), Look | None),
        )

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return METRICS[self.metric].more_is_better


def _resolution(verdict: Verdict) -> float:
    """Return the step in which a value can be read: one of what is counted; of a time, twice its uncertainty."""
    if verdict.unit is Unit.COUNT:
        return 1.0
    if verdict.unit is Unit.SHARE and verdict.samples:
        return float(f"{1 / verdict.samples:.3g}")
    return 2 * (verdict.uncertainty or 0.0)


@dataclass(frozen=True)
class Observed:
    """One run. ``void`` says why it counts for nothing; ``met`` is what the hub met, ``under_test`` what it was.

    Results of older versions say neither; there ``files`` stand in, the hashes of the files that they were made from.
    """

    run: str
    scenario: str
    seed: int
    versions: Mapping[str, str]
    met: Mapping[str, str]
    under_test: Mapping[str, str]
    values: Mapping[str, Value]
    changes: tuple[str, ...] = ()
    bench: str = ""
    created_ns: int = 0
    exact: bool = False
    void: str = ""
    host: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    time: str = REAL

    @classmethod
    def of(cls, record: Record, run: str) -> Observed:
        """Return what a run's record says; ``run`` is what to call it."""
        return cls(
            run=run,
            scenario=record.scenario,
            seed=record.seed,
            versions={"testbed": record.versions.testbed, "source": record.versions.source},
            met=record.met,
            files=_files(record),
            under_test=record.under_test,
            values={v.key or str(place): Value.of(v) for place, v in enumerate(record.verdicts)},
            changes=record.changes,
            bench=record.bench,
            created_ns=record.created_ns,
            exact=record.time == VIRTUAL or (record.fidelity is not None and record.fidelity.backend == SIMULATED),
            void=_void(record),
            time=record.time,
            host={"cpu": record.host.cpu, "kernel": record.host.kernel},
        )

    def unlike(self, other: Observed) -> set[str]:
        """Return the parts of what the hub met that are not the same in another run."""
        parts = differing(self.met, other.met) if self.met and other.met else differing(self.files, other.files)
        return parts | ({"time"} if self.time != other.time else set())

    def change(self, key: str) -> str:
        """Return what this run changed a key of the scenario to; empty: nothing."""
        pairs = (change.partition("=") for change in self.changes)
        return next((value for name, _, value in pairs if name == key), "")


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """Return the parts that are not the same on both sides, or are only on one."""
    return {part for part in {*one, *other} if one.get(part) != other.get(part)}


def _void(record: Record) -> str:
    if record.state is not State.COMPLETE:
        return f"the run is {record.state}"
    return record.invalid


def _files(record: Record) -> dict[str, str]:
    roles = {i.role: i.sha256 for i in record.inputs if i.role not in ("playbook", "bench")}
    return {"seed": str(record.seed), **{f"file of {role}": digest for role, digest in roles.items()}}


def read(folder: Path) -> tuple[Observed, ...]:
    """Return the runs of a folder: a result, a campaign, or a folder of either. Raises InputError without one."""
    if (folder / store.FILE).is_file():
        return (Observed.of(Result.load(folder).record, folder.name),)
    if (folder / campaign.FILE).is_file():
        return tuple(Observed.of(r.record, r.folder.name) for r in campaign.Campaign.load(folder).results)
    found = sorted(path for name in (store.FILE, campaign.FILE) for path in folder.glob(f"*/{name}"))
    if not found:
        expected = "name the folder of a run, of a campaign, or one that holds such folders"
        raise InputError(str(folder), f"no {store.FILE} and no {campaign.FILE}", expected)
    return tuple(one for path in found for one in read(path.parent))


def read_all(folders: Sequence[Path]) -> tuple[Observed, ...]:
    """Return the runs of several folders. Raises InputError where one holds none."""
    return tuple(one for folder in folders for one in read(folder))
