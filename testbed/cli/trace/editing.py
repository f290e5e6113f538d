"""`trace cut`, `splice`, `scale`, `repeat`, `join`: new traces from old ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from testbed import units
from testbed.cli.trace.common import OUT, Subparsers, T, command, duration, load, save
from testbed.errors import InputError
from testbed.model.trace import SeriesName
from testbed.traces import edit
from testbed.traces.send_times import as_sent


def add_editing(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the commands that edit traces."""
    add = command(
        commands, "cut", _cut, "Cut a part out of a trace.", "cut T --from 30s --to 90s -o part.parquet"
    )
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("--from", dest="begin", type=duration, default=0, help="where it begins (default: 0 s)")
    add.add_argument("--to", dest="end", type=duration, help="where it ends (default: the trace's end)")
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(
        commands, "splice", _splice, "Put traces one after the other.", "splice A B -o both.parquet"
    )
    add.add_argument("traces", nargs="+", metavar="T", help=T)
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(
        commands, "scale", _scale, "Multiply delays and rates.", "scale T --rate 0.5 -o half.parquet"
    )
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("--delay", type=float, default=1.0, help="factor of all delays")
    add.add_argument("--rate", type=float, default=1.0, help="factor of all rates")
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(
        commands, "repeat", _repeat, "Play a trace several times.", "repeat T --times 3 -o long.parquet"
    )
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("--times", type=int, required=True, help="how often in all")
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(
        commands,
        "as-sent",
        _as_sent,
        "Correct a recording whose times are those of the answers: each probe an RTT earlier.",
        "as-sent T -o sent.parquet",
    )
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(
        commands,
        "join",
        _join,
        "Make one trace of several recordings: RTT from one, rate from another, outages from a third.",
        "join ping.txt iperf.json history.out --only ping.txt=rtt --only history.out=events -o all.parquet",
    )
    add.add_argument("traces", nargs="+", metavar="T", help=T)
    add.add_argument("-o", "--out", required=True, help=OUT)
    add.add_argument(
        "--only", action="append", default=[], metavar="T=SERIES,...", help="take these of T alone"
    )
    add.add_argument(
        "--offset", action="append", default=[], metavar="T=5s", help="when T begins, instead of clocks"
    )


def _cut(args: argparse.Namespace) -> int:
    trace, parent = load(args.trace)
    return save(
        edit.cut(trace, args.begin, trace.duration_ns if args.end is None else args.end, [parent]), args.out
    )


def _splice(args: argparse.Namespace) -> int:
    loaded = [load(name) for name in args.traces]
    return save(edit.splice([trace for trace, _ in loaded], [parent for _, parent in loaded]), args.out)


def _scale(args: argparse.Namespace) -> int:
    trace, parent = load(args.trace)
    return save(edit.scale(trace, delay=args.delay, rate=args.rate, parents=[parent]), args.out)


def _repeat(args: argparse.Namespace) -> int:
    trace, parent = load(args.trace)
    return save(edit.repeat(trace, args.times, [parent]), args.out)


def _as_sent(args: argparse.Namespace) -> int:
    trace, parent = load(args.trace)
    return save(as_sent(trace, [parent]), args.out)


def _join(args: argparse.Namespace) -> int:
    only, offsets = _pairs(args.only, args.traces), _pairs(args.offset, args.traces)
    traces = []
    for name in args.traces:
        trace, _ = load(name)
        if name in only:
            wanted = only[name].split(",")
            unknown = [word for word in wanted if word not in [*SeriesName, "events"]]
            if unknown:
                raise InputError(
                    "--only", f"unknown series {unknown[0]!r}", f"known: {', '.join(SeriesName)}, events"
                )
            trace = edit.only(trace, [SeriesName(w) for w in wanted if w != "events"], "events" in wanted)
        traces.append(trace)
    at = {
        id(trace): _offset(offsets.get(name, "0s")) for name, trace in zip(args.traces, traces, strict=True)
    }
    return save(edit.join(traces, align=(lambda trace: at[id(trace)]) if offsets else None), args.out)


def _offset(text: str) -> int:
    try:
        return units.parse_duration(text)
    except ValueError as error:
        raise InputError("--offset", f"found {text!r}", f"write {error}") from None


def _pairs(options: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    found = dict(option.partition("=")[::2] for option in options)
    for name in found:
        if name not in names:
            raise InputError(
                "--only or --offset", f"{name!r} is none of the traces", f"write one of {', '.join(names)}"
            )
    return found
