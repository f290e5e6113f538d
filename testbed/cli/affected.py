"""``testbed affected``: which scenarios have to be run again."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.run import plan

_DESCRIPTION = """\
Tell which scenarios' results a change may have changed: trace, topology, catalogue, roles, scenario, engine, and the
files of the program that a run depends on, of the metrics only those that the scenario asks for. Figures, docs
and tests change no result.
"""
_EXAMPLES = """\
examples:
  testbed affected --since origin/main                       with the files that affect them
  testbed affected --since v1.2 --names | xargs -r -n1 sudo testbed run
  testbed affected --since results/baselines                 by the hashes that the kept runs have

exit status: 0 some are affected or none, as told; 2 bad input
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed affected``."""
    parser = commands.add_parser(
        "affected",
        help="which scenarios a change may have changed the result of",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_options.completed(
        parser.add_argument("scenarios", metavar="SCENARIO", nargs="*", help="look at these only (default: all)"),
        plan.scenarios,
    )
    parser.add_argument(
        "--since", metavar="REV|FOLDER", required=True, help="a revision, or a folder of results or baselines"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--names", action="store_true", help="print only the names, a line each")
    how.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    from testbed.campaign import affected
    from testbed.result import baseline, observed

    folder = Path(options.since)
    if folder.is_dir():
        kept = [run for path in sorted(folder.glob("*.json")) for run in baseline.load(path).runs]
        found = affected.since_runs(kept or observed.read(folder))
        found = [one for one in found if not options.scenarios or one.scenario in options.scenarios]
    else:
        names = options.scenarios or plan.scenarios()
        found = affected.since(options.since, [plan.find_scenario(name) for name in names])
    hit = [one for one in found if one.reasons]
    if options.json:
        print(screen.as_json({one.scenario: list(one.reasons) for one in hit}))
    elif options.names:
        print("".join(f"{one.scenario}\n" for one in hit), end="")
    else:
        console = Console(emoji=False, highlight=False, soft_wrap=True)
        for one in hit:
            console.print(f"[bold]{one.scenario}[/]")
            for reason in one.reasons[:_SHOWN]:
                console.print(f"  {reason}", markup=False)
            if len(one.reasons) > _SHOWN:
                console.print(f"  and {len(one.reasons) - _SHOWN} more", style="dim")
        console.print(f"{len(hit)} of {len(found)} scenarios are affected since {options.since}")
    return 0


_SHOWN = 5
