"""A job: a planned run as a folder of its own, with all that it needs but the program and the bench.

    scenario.yaml topology.yaml    as resolved: changes of this run are carried out in them
    catalogues/TRAFFIC.yaml        what is asked for
    tenant.yaml                    the storage account that is its tenant, if one is; no secret
    fleet.yaml fleet.plan          the fleet that its hub is one of, if it is: as resolved, and as the engine plays it
    schedules/UPLINK.npz           what the links play, compiled
    role/NAME/                     the failover, where it is a role of one's own
    job.json                       names, changes and the hashes of all that the outcome depends on

It is planned once and can be played on any host that has the same version of the testbed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

import testbed
from testbed import paths
from testbed.errors import InputError
from testbed.lab import bench as benches
from testbed.lab.bench import Chosen
from testbed.link.light_plan import LightPlan
from testbed.model.bench import Bench
from testbed.model.catalogue import Catalogue
from testbed.model.fleet_scenario import FleetScenario
from testbed.model.link import Direction, LinkSchedule, QueueLimit
from testbed.model.scenario import Scenario, read_scenario
from testbed.model.tenant import TenantAccount
from testbed.model.topology import Topology
from testbed.result.record import Input
from testbed.run import conditions, unplayed
from testbed.run import fleet as fleets
from testbed.run import role as roles
from testbed.run.among import Among
from testbed.run.plan import Plan
from testbed.traces.compile import LinkPair
from testbed.yaml import load, overrides

FOLDER = "inputs"
"""Where a run's folder holds its job: it is the run's evidence of what was asked, too."""

TENANT = "tenant.yaml"
FLEET, FLEET_PLAN = "fleet.yaml", "fleet.plan"
_ROLE = "role"
_COLUMNS = ("t_ns", "delay_ns", "loss", "rate_bps", "state")


@dataclass(frozen=True)
class Manifest:
    """What job.json holds; ``schedules`` are the SHA-256 of what each uplink plays, whatever it was made from, ``role``
    those of the files of the failover role below role/, ``fleet`` that of fleet.plan.

    ``met`` and ``under_test`` are what two runs are compared by, see testbed.run.conditions.
    """

    name: str
    question: str
    link: str
    version: str
    changes: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    schedules: Mapping[str, str] = msgspec.field(default_factory=dict)
    met: Mapping[str, str] = msgspec.field(default_factory=dict)
    under_test: Mapping[str, str] = msgspec.field(default_factory=dict)
    role: Mapping[str, str] = msgspec.field(default_factory=dict)
    fleet: str = ""


@dataclass(frozen=True, eq=False)
class Job:
    """A job as a run plays it; ``topology`` is that of the bench, where there is one. ``role`` is the folder of its
    failover, where that is a role of one's own."""

    manifest: Manifest
    scenario: Scenario
    topology: Topology
    schedules: Mapping[str, LinkPair]
    catalogues: Mapping[str, Catalogue]
    bench: Bench | None = None
    role: Path | None = None
    tenant: TenantAccount | None = None
    among: Among | None = None

    @property
    def hubs(self) -> range:
        """The numbers of its real hubs."""
        return range(1, (self.among.real if self.among else 1) + 1)


def pack(made: Plan, folder: Path) -> None:
    """Write a plan as a job into a run's ``folder``."""
    job = folder / FOLDER
    for part in ("catalogues", "schedules"):
        (job / part).mkdir(parents=True)
    (job / "scenario.yaml").write_text(overrides.resolved(made.path, made.changes), encoding="utf-8")
    (job / "topology.yaml").write_bytes(made.topology_path.read_bytes())
    for traffic, path in made.catalogue_paths.items():
        (job / "catalogues" / f"{traffic}.yaml").write_bytes(path.read_bytes())
    for uplink, link in made.links.items():
        _write(job / "schedules" / f"{uplink}.npz", link.pair)
    schedules = played(made)
    if made.tenant_path is not None:
        (job / TENANT).write_bytes(made.tenant_path.read_bytes())
    if made.fleet is not None:
        (job / FLEET).write_text(overrides.resolved(made.fleet.path, ()), encoding="utf-8")
        made.fleet.among.block.tofile(job / FLEET_PLAN)
    if made.role is not None:
        _copy(made.role, job / _ROLE / made.role.name)
    manifest = Manifest(
        name=made.name,
        question=made.question,
        link=made.link,
        version=testbed.__version__,
        changes=tuple(map(str, made.changes)),
        inputs=tuple(Input(role, paths.shown(path), sha256(path)) for role, path in made.inputs()),
        schedules=schedules,
        met=conditions.met(made, schedules),
        under_test=conditions.under_test(made),
        role=_hashes(job / _ROLE),
        fleet=sha256(job / FLEET_PLAN) if made.fleet is not None else "",
    )
    (job / "job.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def unpack(folder: Path, chosen: Chosen | None = None) -> Job:
    """Read the job of a run's ``folder``, for the hub of a bench of this host or the virtual one.

    Raises InputError where it is broken, or of another version of the testbed.
    """
    job = folder / FOLDER
    place = paths.shown(job / "job.json")
    try:
        manifest = msgspec.json.decode((job / "job.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(place, f"no job: {error}", "name a folder that a run was planned into") from error
    if manifest.version != testbed.__version__:
        found = f"planned by testbed {manifest.version}, and this is {testbed.__version__}"
        raise InputError(place, found, "plan it again here")
    topology = load.read(job / "topology.yaml", Topology)
    bench = benches.read(chosen) if chosen else None
    schedules = {uplink: _read(job / "schedules" / f"{uplink}.npz") for uplink in manifest.schedules}
    for uplink, pair in schedules.items():
        if _hash(pair) != manifest.schedules[uplink]:
            raise InputError(
                place, f"the schedules of {uplink} are not those that were planned", "plan it again"
            )
    if _hashes(job / _ROLE) != manifest.role:
        raise InputError(place, "the role is not the one that was planned", "plan it again")
    role = next((job / _ROLE).iterdir()) if manifest.role else None
    catalogues = {path.stem: load.read(path, Catalogue) for path in sorted((job / "catalogues").iterdir())}
    scenario = read_scenario(job / "scenario.yaml")
    if problems := list(unplayed.problems(scenario, schedules)):
        raise InputError.of(problems)
    topology = scenario.played_on(topology)
    tenant = load.read(job / TENANT, TenantAccount) if (job / TENANT).exists() else None
    fitted = bench.fit(topology) if bench else topology
    among = _among(job, topology, manifest.fleet) if manifest.fleet else None
    return Job(manifest, scenario, fitted, schedules, catalogues, bench, role, tenant, among)


def _among(job: Path, topology: Topology, planned: str) -> Among:
    place = paths.shown(job / FLEET_PLAN)
    if topology.fleet is None or sha256(job / FLEET_PLAN) != planned:
        raise InputError(place, "the fleet is not the one that was planned", "plan it again")
    scenario = load.read(job / FLEET, FleetScenario)
    fleet = fleets.sized(topology.fleet, scenario)
    stations = tuple(name for _, _, name in fleets.stations(fleet))
    light = LightPlan(np.fromfile(job / FLEET_PLAN, np.uint8), stations)
    return Among(scenario, list(fleet.all(topology.hub_ports)), light, fleet.real)


def _copy(role: Path, target: Path) -> None:
    for path in roles.files(role):
        copy = target / path.relative_to(role)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)  # its mode, too


def _hashes(folder: Path) -> Mapping[str, str]:
    """Return the SHA-256 of each file below a folder; of one that is not there, none."""
    return {str(path.relative_to(folder)): sha256(path) for path in roles.files(folder)}


def played(made: Plan) -> dict[str, str]:
    """Return the SHA-256 of what each uplink plays."""
    return {uplink: _hash(link.pair) for uplink, link in made.links.items()}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, pair: LinkPair) -> None:
    arrays: dict[str, np.ndarray] = {}
    for direction, schedule in zip(Direction, pair, strict=True):
        arrays |= {f"{direction}.{name}": getattr(schedule, name) for name in _COLUMNS}
        arrays[f"{direction}.rest"] = _rest(schedule)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def _read(path: Path) -> LinkPair:
    with np.load(path, allow_pickle=False) as arrays:
        return LinkPair(*(_schedule(arrays, direction) for direction in Direction))


def _schedule(arrays: Mapping[str, np.ndarray], direction: Direction) -> LinkSchedule:
    columns = {name: arrays[f"{direction}.{name}"] for name in _COLUMNS}
    end_ns, repeat, interpolate, *queue = map(int, arrays[f"{direction}.rest"])
    return LinkSchedule(
        **columns, end_ns=end_ns, repeat=bool(repeat), interpolate=bool(interpolate), queue=QueueLimit(*queue)
    )


def _rest(schedule: LinkSchedule) -> np.ndarray:
    queue = schedule.queue
    values = (
        schedule.end_ns,
        schedule.repeat,
        schedule.interpolate,
        queue.bytes,
        queue.packets,
        queue.time_ns,
    )
    return np.array(values, np.int64)


def _hash(pair: Iterable[LinkSchedule]) -> str:
    digest = hashlib.sha256()
    for schedule in pair:
        for values in (*(getattr(schedule, name) for name in _COLUMNS), _rest(schedule)):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
