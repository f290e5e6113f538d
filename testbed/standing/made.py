"""What a lab is made of: a scenario without its course, or a topology with nothing but a heartbeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, did_you_mean
from testbed.lab.bench import Chosen
from testbed.model.scenario import Scenario, read_scenario
from testbed.model.topology import NodeKind, Topology
from testbed.run import plan
from testbed.run.plan import Plan
from testbed.yaml import load
from testbed.yaml.overrides import Override

_LIKE = {
    "starlink": "delay: 20 ms, rate: 150 Mbit/s",
    "lte": "delay: 25 ms, rate: 40 Mbit/s",
    "fibre": "delay: 5 ms, rate: 500 Mbit/s",
    "geo": "delay: 280 ms, rate: 25 Mbit/s",
}
_OTHER = "delay: 20 ms, rate: 100 Mbit/s"


def find(text: str) -> Path:
    """Return the file of a scenario or topology, by its name or path. Raises InputError with close names."""
    if "/" in text or text.endswith((".yaml", ".yml")):
        return plan.find_scenario(text) if Path(text).is_file() else plan.find_topology(text)
    for folder in (paths.SCENARIOS, paths.TOPOLOGIES):
        if (path := folder / f"{text}.yaml").is_file() and path != paths.DATASETS:
            return path
    known = [*plan.scenarios(), *plan.names(paths.TOPOLOGIES)]
    raise InputError("testbed lab up", f"no scenario and no topology {text!r}", did_you_mean(text, known))


def make(
    path: Path,
    changes: Sequence[Override],
    chosen: Chosen | None,
    for_ns: int,
    folder: Path,
    tenant: Path | None = None,
) -> Plan:
    """Return the plan of a lab for so long; of a topology the scenario is written to ``folder``.

    ``tenant`` is the file of a storage account, None for Azurite. Raises InputError with every problem found.
    """
    if is_topology(path):
        topology = load.read(path, Topology)
        if topology.fleet is not None:
            found = f"a fleet of {topology.fleet.hubs} hubs, and a lab has one"
            raise InputError(topology.place.at("fleet"), found, "take a topology without a fleet: hub-two-uplinks")
        written = folder / path.name
        written.write_text(scenario_of(topology, _reference(path)), encoding="utf-8")
        path = written
    scenario = read_scenario(path, changes)
    return plan.make(path, (*changes, *without_course(scenario, for_ns)), chosen, tenant=tenant)


def is_topology(path: Path) -> bool:
    """Whether a YAML file is a topology by its keys."""
    return any(line.startswith("nodes:") for line in path.read_text(encoding="utf-8").splitlines())


def scenario_of(topology: Topology, reference: str) -> str:
    """Return a scenario's YAML for a topology: links that never change, and a heartbeat that tells who carries."""
    uplinks = "\n".join(f"  {name}: {{fixed: {{{_like(name)}}}}}" for name in topology.uplinks)
    client, tenant = topology.of_kind(NodeKind.CLIENT)[0].name, topology.tenant.name
    return f"""\
# does the hub carry on, whatever is done to it by hand?
topology: {reference}
duration: 60 s
uplinks:
{uplinks}
hub: {{failover: ping-tracked, cache: on}}
traffic:
  heartbeat: {{kind: udp-echo, from: {client}, to: {tenant}, every: 100 ms}}
objectives:
  - {{metric: interruption, of: heartbeat, at_most: 5 s}}
"""


def without_course(scenario: Scenario, for_ns: int) -> Iterator[Override]:
    """Yield the changes that make a lab of a scenario: no events, links that go on, and all of the time there is."""
    windows = [objective.window[1] for objective in scenario.objectives if objective.window]
    yield Override(("duration",), f"{max([for_ns, *windows])} ns")
    yield Override(("shift",), "0 s")
    yield Override(("events",), "[]")
    for name, profile in scenario.uplinks.items():
        if profile.trace and not profile.repeat:
            yield Override(("uplinks", name, "repeat"), "true")
        if profile.terminal is not None and profile.terminal.faults:
            yield Override(("uplinks", name, "dish", "faults"), "[]")


def _reference(topology: Path) -> str:
    """Return how a scenario names a topology."""
    return topology.stem if topology.parent == paths.TOPOLOGIES else str(topology)


def _like(uplink: str) -> str:
    return next((values for name, values in _LIKE.items() if uplink.startswith(name)), _OTHER)
