"""``testbed lab check`` and ``save``: what the hub made of it, and what was done by hand, kept."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from testbed import paths
from testbed.cli import screen
from testbed.cli.lab import common
from testbed.cli.lab.common import Commands
from testbed.standing import client, registry, saved


def add_parsers(actions: Commands[argparse.ArgumentParser]) -> None:
    """Add what judges and keeps."""
    check = common.add(actions, "check", _check, "judge the objectives so far, and keep the evidence", json=True)
    check.add_argument("--last", default="", metavar="TIME", help="over the last 60s (default: since the lab is up)")
    save = common.add(actions, "save", _save, "write what was done by hand as a scenario, which 'testbed run' plays")
    save.add_argument("file", type=Path, metavar="NAME.yaml")


def _check(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    checked = client.ask(entry, "check", last=options.last)
    words = {objective["word"] for objective in checked["objectives"]}
    status = 1 if "broken" in words and "invalid" not in words else 0 if words == {"holds"} else 3
    if options.json:
        print(screen.as_json({**checked, "exit_status": status}))
        return status
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    start, end = (f"{t_ns / 1e9:.1f} s" for t_ns in checked["window_ns"])
    console.print(f"{entry.name} from {start} to {end} of its time", markup=False)
    for objective in checked["objectives"]:
        console.print(screen.held(**objective))
    for said in checked["by_hand"]:
        console.print(f"  by hand: {said}", style="dim", markup=False)
    console.print(f"kept in {paths.shown(Path(checked['folder']))}/; no pass of the scenario: run it", markup=False)
    return status


def _save(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    found = client.ask(entry, "save")
    notes = saved.save(options.file, Path(found["scenario"]), entry.name, found["events"], found["lasted_ns"])
    for note in dict.fromkeys([*found["notes"], *notes]):
        print(f"note: {note}", file=sys.stderr)
    count = len(found["events"])
    print(f"{options.file}: {count} event{'s' * (count != 1)}; 'testbed run {options.file} --dry-run' shows them")
    return 0
