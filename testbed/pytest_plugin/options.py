"""The options of runs. Each begins with ``--testbed-``: all of pytest's plugins share one space of names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.bench import VIRTUAL
from testbed.model.tenant import AZURITE
from testbed.model.times import TIMES
from testbed.units import parse_duration
from testbed.yaml.overrides import Override

if TYPE_CHECKING:
    from testbed.lab.bench import Chosen

BENCH = pytest.StashKey["Chosen | None"]()
"""The hub of the session's bench; None: it is virtual."""

TENANT = pytest.StashKey[Path | None]()
"""The file of the session's storage account; None: its tenant is Azurite."""

SCENARIOS = "testbed_scenarios"
"""The ini option that names the folders of scenarios."""

_SUPPORTED: Mapping[str, Sequence[str]] = {
    "link": ("native", "netem"),
    "time": TIMES,
}


def add(parser: pytest.Parser) -> None:
    """Add the options of runs."""
    parser.addini(
        SCENARIOS,
        "folders below which every YAML file is a scenario (default: scenarios/, beside topologies/)",
        type="paths",
        default=None,
    )
    group = parser.getgroup("testbed", "runs of scenarios")
    group.addoption(
        "--testbed-repeat",
        metavar="N",
        type=_count,
        default=1,
        help="run each scenario N times (default: 1)",
    )
    group.addoption(
        "--testbed-retry-invalid",
        metavar="N",
        type=_count_or_none,
        default=0,
        help="run a scenario again whose emulation missed its fidelity budget, N times at most (default: 0)",
    )
    group.addoption(
        "--testbed-strict",
        action="store_true",
        help="an inconclusive objective fails, so that a gate is never green for want of evidence"
        " (default: it is skipped)",
    )
    group.addoption(
        "--testbed-results",
        metavar="DIR",
        default=paths.RESULTS,
        help="where runs are written (default: results/)",
    )
    group.addoption(
        "--testbed-set",
        metavar="KEY=VALUE",
        type=_override,
        action="append",
        default=[],
        help="change a value of every scenario, such as hub.failover=bgp-bfd; repeatable",
    )
    group.addoption(
        "--testbed-mutated",
        action="store_true",
        help="run each scenario with its mutation, which must make it fail",
    )
    group.addoption(
        "--testbed-bench", metavar="FILE", default=VIRTUAL, help="the bench of the hub (default: virtual)"
    )
    group.addoption(
        "--testbed-hub", metavar="NAME", default="", help="which hub of the bench, where it has several"
    )
    group.addoption(
        "--testbed-wait", action="store_true", help="wait while another run has the bench's hub (default: an error)"
    )
    group.addoption(
        "--testbed-hold",
        nargs="?",
        const="always",
        choices=("always", "fail", "invalid"),
        help="leave each run's lab as it was at its end, to be looked into, until Enter: always, or where the run "
        "fails or is invalid; needs a terminal and -s",
    )
    group.addoption(
        "--testbed-tenant",
        metavar="FILE",
        default=AZURITE,
        help="the storage account that is the tenant (default: azurite, an emulator in the lab)",
    )
    for name, what in (("link", "the link engine"), ("time", "whose time runs play in")):
        known = _SUPPORTED[name]
        help = f"{what}; supported: {', '.join(known)}"
        group.addoption(f"--testbed-{name}", default=known[0], help=help)
    group.addoption(
        "--testbed-longest",
        metavar="DURATION",
        type=_duration,
        default="15 min",
        help="skip scenarios that would take longer in real time (default: 15 min); virtual time plays all",
    )


def check(config: pytest.Config) -> None:
    """Refuse what is not supported, and find the bench. Raises pytest.UsageError."""
    for name, known in _SUPPORTED.items():
        if (value := config.getoption(f"testbed_{name}")) not in known:
            raise pytest.UsageError(
                f"--testbed-{name} {value} is not supported; supported: {', '.join(known)}"
            )
    if config.getoption("testbed_hold"):
        _check_hold(config)
    config.stash[TENANT] = _tenant(config.getoption("testbed_tenant"))
    config.stash[BENCH] = _bench(config.getoption("testbed_bench"), config.getoption("testbed_hub"))


def _check_hold(config: pytest.Config) -> None:
    """Refuse to wait for somebody who cannot be there."""
    if config.getoption("capture") != "no" or not sys.stdin.isatty():
        raise pytest.UsageError("--testbed-hold waits for somebody at a terminal; give -s, and start it at one")
    if config.getoption("testbed_time") != TIMES[0]:
        raise pytest.UsageError("--testbed-hold: a lab of virtual time ends with its kernel; play in real time")
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("--testbed-hold: pytest-xdist's workers have no terminal; leave -n away")


def scenario_folders(config: pytest.Config) -> Sequence[Path]:
    """Return the folders whose YAML files are scenarios: those of the ini file, or a project's of our shape."""
    if named := config.getini(SCENARIOS):
        return [Path(folder) for folder in named]
    root = config.rootpath
    candidates = (root / "scenarios", root) if root.name == "scenarios" else (root / "scenarios",)
    return [folder for folder in candidates if (folder.parent / "topologies").is_dir()]


def _count(text: str) -> int:
    return _whole(text, 1)


def _count_or_none(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from {least}")
    return int(text)


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from error


def _override(text: str) -> Override:
    try:
        return Override.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _bench(name: str, hub: str) -> Chosen | None:
    if name == VIRTUAL and not hub:
        return None
    from testbed.lab import bench

    try:
        return bench.find(name, hub)
    except InputError as error:
        raise pytest.UsageError(f"--testbed-bench: {error}") from error


def _tenant(name: str) -> Path | None:
    if name == AZURITE:
        return None
    from testbed.run import plan

    try:
        return plan.find_tenant(name)
    except InputError as error:
        raise pytest.UsageError(f"--testbed-tenant: {error}") from error
