"""What a run's outcome depends on, hashed part by part: what the hub meets, and what is under test.

Two runs that meet the same can be compared, whatever is under test; see docs/compare.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from testbed import paths
from testbed.model.topology import Topology
from testbed.run import sources
from testbed.run.plan import Plan
from testbed.run.role import files as role_files
from testbed.units import format_duration
from testbed.yaml import load

ENGINE = paths.ROOT / "testbed" / "link" / "core"


def met(made: Plan, schedules: Mapping[str, str]) -> dict[str, str]:
    """Return what the hub meets in a run, part -> hash or value; ``schedules`` are those of what the links play."""
    scenario = made.scenario
    return {
        "seed": str(scenario.seed),
        "duration": format_duration(scenario.duration),
        "topology": _value(load.read(made.topology_path, Topology)),  # without what a bench makes of it
        "traffic": _value(scenario.traffic),
        "events": _value(scenario.events),
        **({"tenant": _value(made.tenant)} if made.tenant else {}),
        **({"fleet": hashlib.sha256(made.fleet.among.block.tobytes()).hexdigest()} if made.fleet else {}),
        **{f"link of {uplink}": digest for uplink, digest in schedules.items()},
        **{f"catalogue of {traffic}": _value(read) for traffic, read in made.catalogues.items()},
    }


def under_test(made: Plan) -> dict[str, str]:
    """Return what a comparison of runs is about, part -> hash: the hub, its roles, its bench, and what plays the links.

    ``engine`` are the C sources of the links, ``program`` all files of the testbed that a run depends on, these too.
    """
    roles = [path for role, path in made.inputs() if role == "playbook"]
    engine = (path for path in sources.program() if path.is_relative_to(ENGINE))
    parts = {"hub": _value(made.scenario.hub), "roles": _files(roles), "engine": _files(engine)}
    parts["program"] = _files(sources.program())
    if made.role is not None:
        parts["role"] = _files(role_files(made.role), made.role)
    return parts | ({"bench": _file(made.chosen.path)} if made.chosen else {})


def plain(value: Any) -> Any:
    """Return a model as JSON values, without what has its default: a key that a later version adds changes nothing."""
    if is_dataclass(value):
        kept = (f for f in fields(value) if f.compare)
        return {f.name: plain(found) for f in kept if (found := getattr(value, f.name)) != _default(f)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not MISSING:
        return f.default_factory()
    return f.default


def _value(value: Any) -> str:
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(found: Iterable[Path], base: Path = paths.ROOT) -> str:
    """Return one hash of several files below ``base``, their names included."""
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(base)} {_file(path)}\n".encode())
    return digest.hexdigest()
