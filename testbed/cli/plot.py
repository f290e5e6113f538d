"""``testbed plot``: a figure from results."""

from __future__ import annotations

import argparse

from testbed import paths
from testbed.cli import options as cli_options

_DESCRIPTION = """\
Draw a figure from results alone, as PNG, SVG or PDF, by the ending of FILE.
"""
_EXAMPLES = """\
kinds:
{kinds}

examples:
  testbed plot timeline results/20261127T142401Z-starlink-blackout       its timeline.png again
  testbed plot decomposition results/*-starlink-blackout -o parts.pdf
"""
KINDS = {
    "timeline": "one run over time: carrier, round trips, throughput, requests, verdicts",
    "campaign": "a campaign: each objective's value in every run, against what was varied",
    "decomposition": "the parts of a failover, configurations side by side",
    "handovers": "round trips over Starlink's 15 s slot, recording against replay (one run)",
    "distribution": "round trips and times to first byte by configuration, cumulative",
    "heatmap": "scenario and objective against configuration: verdict and margin",
    "offload": "what the cache spared the backhaul over each run",
    "timers": "detection time against false alarms, over a sweep of timers",
    "delays": "delay asked for against delay achieved (one run)",
}
"""What can be drawn, for the help and for completion; testbed.plots.figures draws them, a test compares the two."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed plot``."""
    width = max(map(len, KINDS))
    parser = commands.add_parser(
        "plot",
        help="draw a figure from results",
        description=_DESCRIPTION,
        epilog=_EXAMPLES.format(kinds="\n".join(f"  {name:{width}}  {told}" for name, told in KINDS.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", metavar="KIND", choices=list(KINDS), help="what to draw, see below")
    cli_options.add_drawn(parser, "KIND.png")
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    from testbed.plots import figures  # matplotlib takes longer to load than the other commands take to run

    folders, out = cli_options.drawn(options, f"{options.kind}.png")
    print(paths.shown(figures.write(options.kind, folders, out).resolve()))
    return 0
