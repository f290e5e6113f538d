"""``testbed calibrate``: what measuring itself adds on this host."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from testbed import paths
from testbed.checks.calibrate import EVERY_NS, calibrate
from testbed.cli import screen
from testbed.errors import InputError
from testbed.link import calibration
from testbed.units import format_duration, format_share, parse_duration

_DESCRIPTION = """\
Probe a plain veth, without any emulated link, and keep what the host alone adds to a round trip. Runs take it into the
uncertainty of their values: a value that is nearer to its bound than its uncertainty is inconclusive. Needs root.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed calibrate``."""
    parser = commands.add_parser(
        "calibrate", help="measure what this host adds to a round trip, and keep it", description=_DESCRIPTION
    )
    parser.add_argument("--duration", metavar="TIME", default="10 s", help="how long to probe (default: 10 s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    try:
        duration_ns = parse_duration(options.duration)
    except ValueError as error:
        raise InputError("--duration", f"{options.duration!r}", f"write {error}") from None
    if duration_ns < 200 * EVERY_NS:
        raise InputError("--duration", options.duration, f"write {format_duration(200 * EVERY_NS)} or more")
    found = calibrate(duration_ns)
    found.keep()
    if options.json:
        print(screen.as_json(asdict(found)))
        return 0
    p50, p99 = format_duration(found.rtt_p50_ns), format_duration(found.rtt_p99_ns)
    print(f"round trip over a plain veth: {p50} (p50), {p99} (p99), {found.lost} of {found.probes} probes lost")
    print(f"the hypervisor took {format_share(found.stolen_share)} of the processors' time meanwhile")
    print(f"kept in {paths.shown(calibration.FILE)}: from now on runs add {p99} to what is uncertain of their times")
    return 0
