"""`trace list`, `formats`, `import`, `info`, `lint`, `plot`, `mine`: what is there, and what it says."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed import paths
from testbed.cli.trace.common import DURATION, Subparsers, T, command, duration, load, save, show, target
from testbed.errors import InputError
from testbed.model.trace import Trace
from testbed.traces import formats, lint, mine, render, stats, store
from testbed.traces.formats import base, direction, page


def add_reading(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the commands that read traces."""
    add = command(commands, "list", _list, "List the traces and recordings that can be named.", "list --json")
    add.add_argument("--json", action="store_true", help="as JSON")
    add = command(
        commands, "formats", _formats, "List the formats of recordings that can be imported.", "formats"
    )
    add.add_argument("--write", action="store_true", help=f"bring {paths.shown(page.FILE)} up to date")
    add = command(
        commands,
        "import",
        _import,
        f"Import recordings; the format is recognised by content. Formats: {', '.join(formats.FORMATS)}.",
        "import ping.txt -o scenarios/traces/mine.parquet",
    )
    add.add_argument("files", nargs="+", metavar="FILE", help="a recording, plain or gzipped")
    add.add_argument(
        "-o", "--out", help="the trace to write (default: FILE's name, .parquet, in this folder)"
    )
    add.add_argument("--format", default="", help="do not recognise the format, take this one")
    add.add_argument(
        "--direction",
        type=direction.Way,
        choices=list(direction.Way),
        help="which direction a recording of one counts, where neither it nor its name tells it",
    )
    add.add_argument(
        "--cadence",
        type=duration,
        help="how far apart probes are in a recording without times, such as 200ms",
    )
    for name, func, help in (
        ("info", _info, "Show a trace in numbers: provenance, RTT, losses, outages, rate, the 15 s cycle."),
        ("lint", _lint, "Show what a trace cannot tell, with evidence and consequence."),
    ):
        add = command(commands, name, func, help, f"{name} uvic-leonetem/latency/ping-example-isl.txt")
        add.add_argument("trace", metavar="T", help=T)
        add.add_argument("--json", action="store_true", help="as JSON (times in ns)")
    add = command(
        commands,
        "plot",
        _plot,
        "Draw a trace: a figure for a design review.",
        "plot starlink-bent-pipe -o t.png",
    )
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("-o", "--out", help="PNG, SVG or PDF (default: the trace's name, .png)")
    add = command(commands, "mine", _mine, "Find the worst windows of a trace.", "mine T --window 60s")
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("--window", type=duration, default=60 * 10**9, help=f"how long a window is, {DURATION}")
    add.add_argument("--count", type=int, default=3, help="how many of each kind (default: 3)")
    add.add_argument("--json", action="store_true", help="as JSON (times in ns)")


def _list(args: argparse.Namespace) -> int:
    found = store.names(store.folders())
    return show(found, found, args.json)


def _formats(args: argparse.Namespace) -> int:
    if args.write:
        page.FILE.write_text(page.text(), encoding="utf-8")
        print(f"wrote {paths.shown(page.FILE)}")
    else:
        print("\n".join(f"{name:<19} {format.reads}" for name, format in formats.FORMATS.items()))
    return 0


def _import(args: argparse.Namespace) -> int:
    if args.out and len(args.files) > 1:
        raise InputError(
            "--out", f"one name for {len(args.files)} files", "import them one by one, or join them"
        )
    for name in args.files:
        path = Path(name) if Path(name).is_file() else store.find(name)
        trace = store.import_file(path, args.format, args.direction, args.cadence)
        how = "as --format says" if args.format else f"recognised by {_format_of(trace).sign}"
        print(f"{path.name}: {trace.provenance.made_by}, licence {trace.provenance.licence}")
        print("\n".join([f"  {how}", *(f"  note: {note}" for note in trace.provenance.notes)]))
        save(trace, args.out or f"{path.stem}{store.SUFFIX}")
    return 0


def _format_of(trace: Trace) -> base.Format:
    return formats.by_name(trace.provenance.made_by.rsplit(" ", 1)[0])


def _info(args: argparse.Namespace) -> int:
    trace, _ = load(args.trace)
    numbers = stats.info(trace)
    data = {"name": trace.name, "provenance": trace.provenance, "info": numbers}
    return show(render.info_lines(trace, numbers), data, args.json)


def _lint(args: argparse.Namespace) -> int:
    trace, _ = load(args.trace)
    findings = lint.lint(trace)
    return show(render.lint_lines(findings), findings, args.json)


def _plot(args: argparse.Namespace) -> int:
    from testbed.traces import plot  # matplotlib takes half a second to load

    trace, _ = load(args.trace)
    out = target(args.out or f"{trace.name}.png")
    plot.draw(trace, out)
    print(f"wrote {out}")
    return 0


def _mine(args: argparse.Namespace) -> int:
    trace, _ = load(args.trace)
    windows = mine.worst(trace, length_ns=args.window, count=args.count)
    return show(render.mine_lines(args.trace, windows), windows, args.json)
