"""``testbed schema``: the schemas of the YAML files, for editors; ``--write`` brings docs/schemas/ up to date."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from testbed import paths
from testbed.cli import options as cli_options
from testbed.errors import InputError, did_you_mean
from testbed.model.bench import BenchFile
from testbed.model.catalogue import Catalogue
from testbed.model.fleet_scenario import FleetScenario
from testbed.model.scenario import Scenario
from testbed.model.tenant import TenantAccount
from testbed.model.threshold import Thresholds
from testbed.model.topology import Topology
from testbed.traces.catalogue import Datasets as Datasets
from testbed.traces.profile import Profile
from testbed.yaml.schema import Schema
from testbed.yaml.schema import schema as schema_of

FOLDER = paths.ROOT / "docs" / "schemas"
KINDS: Mapping[str, type] = {
    "scenario": Scenario,
    "topology": Topology,
    "fleet": FleetScenario,
    "bench": BenchFile,
    "catalogue": Catalogue,
    "tenant": TenantAccount,
    "profile": Profile,
    "datasets": Datasets,
    "thresholds": Thresholds,
}
"""What a YAML file can be -> the model that it is read as."""


def schema(kind: str) -> Schema:
    """Return the JSON Schema of one kind of file. Raises InputError with the known kinds."""
    if kind not in KINDS:
        raise InputError("", f"no kind of file {kind!r}", did_you_mean(kind, KINDS))
    return schema_of(kind, KINDS[kind])


def text(kind: str) -> str:
    """Return the schema of one kind of file as it is committed."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def file(kind: str) -> Path:
    """Return where the schema of one kind of file is committed."""
    return FOLDER / f"{kind}.json"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `schema`; it sets ``func(options) -> int``."""
    parser = commands.add_parser(
        "schema",
        help="JSON Schemas of the YAML files, for editors",
        description="Print the JSON Schema of one kind of YAML file; without a kind, list all kinds and "
        "whether docs/schemas/ is up to date.",
        epilog="example: testbed schema scenario",
    )
    cli_options.completed(
        parser.add_argument("kind", nargs="?", metavar="KIND", help=" | ".join(KINDS)), lambda: KINDS
    )
    parser.add_argument("--write", action="store_true", help="write docs/schemas/KIND.json; all without KIND")
    parser.set_defaults(func=_main)


def _main(options: argparse.Namespace) -> int:
    kinds = [options.kind] if options.kind else list(KINDS)
    for kind in kinds:
        content = text(kind)
        if options.write:
            FOLDER.mkdir(parents=True, exist_ok=True)
            file(kind).write_text(content, encoding="utf-8")
            print(paths.shown(file(kind)))
        elif options.kind:
            print(content, end="")
        else:
            fresh = file(kind).is_file() and file(kind).read_text(encoding="utf-8") == content
            print(f"{kind:<10} {paths.shown(file(kind))}  {'up to date' if fresh else 'stale: add --write'}")
    return 0
