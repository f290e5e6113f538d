"""``testbed baseline``: what was measured before, kept beside the code, and held against."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import compare as comparing

_DESCRIPTION = """\
Keep what runs measured in small files, results/baselines/SCENARIO.json, to be committed and reviewed, and hold later
runs against them. A baseline is of one version of the testbed.
"""
_EXAMPLES = """\
examples:
  testbed baseline set results/20261127T101500Z-campaign-smoke     five repetitions become the baseline of smoke
  testbed baseline show
  testbed baseline check results/20261128T091200Z-campaign-smoke --junit compare.xml

exit status of check: 0 same or better, 1 something is worse, 2 bad input or nothing alike, 3 it could not be told
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed baseline``."""
    parser = commands.add_parser(
        "baseline",
        help="keep what runs measured, and hold later runs against it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    keep = actions.add_parser("set", help="make runs the baseline of their scenarios")
    keep.set_defaults(func=_set)
    show = actions.add_parser("show", help="what the baselines hold")
    show.set_defaults(func=_show)
    check = actions.add_parser("check", help="hold runs against the baselines of their scenarios")
    comparing.add_output(check)
    check.set_defaults(func=_check)
    for action in (keep, check):
        action.add_argument(
            "results", metavar="RESULT", nargs="+", type=Path, help="a run, a campaign, or a folder of them"
        )
    for action in (keep, show, check):
        action.add_argument(
            "--baselines", metavar="FOLDER", type=Path, default=paths.RESULTS / "baselines",
            help="where they lie (default: results/baselines/)",
        )  # fmt: skip


def _set(options: argparse.Namespace) -> int:
    from testbed.result import baseline, observed

    for path in baseline.keep(observed.read_all(options.results), options.baselines):
        print(paths.shown(path))
    return 0


def _show(options: argparse.Namespace) -> int:
    from testbed.model.objective import format_value
    from testbed.result import baseline

    console = Console(emoji=False, highlight=False)
    for path in baseline.files(options.baselines):
        kept = baseline.load(path)
        sources = ", ".join(sorted({run.versions.get("source", "") for run in kept.runs}))
        console.print(f"[bold]{path.stem}[/]: {len(kept.runs)} runs of testbed {kept.testbed}, {sources}")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("objective", "least", "mean", "most"):
            table.add_column(heading, justify="left" if heading == "objective" else "right")
        values = [value for run in kept.runs for value in run.values.items()]
        for key in dict.fromkeys(key for key, _ in values):
            of_key = [value for name, value in values if name == key]
            found = [value.value for value in of_key if value.value is not None]
            told = [min(found), sum(found) / len(found), max(found)] if found else []
            cells = [format_value(value, of_key[0].unit) for value in told] or ["–"] * 3
            table.add_row(of_key[0].title, *cells)
        console.print(table)
    return 0


def _check(options: argparse.Namespace) -> int:
    from testbed.result import baseline, observed
    from testbed.result.compare import compare

    thresholds = comparing.thresholds(options)
    kept = [baseline.load(path) for path in baseline.files(options.baselines)]
    base, candidate = baseline.partners(kept, observed.read_all(options.results))
    compared = compare(base, candidate, thresholds, options.across)
    return comparing.tell(compared, "baseline", ", ".join(map(str, options.results)), options)
