"""`testbed trace ...`: what the user types, and what is done for it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbed import units
from testbed.errors import InputError
from testbed.model.trace import Parent, SeriesName, Trace
from testbed.traces import catalogue, edit, formats, lint, mine, profile, render, stats, store, synth

Subparsers = argparse._SubParsersAction
_DURATION = "such as 90s or 1h"
_T = "a trace's name ('testbed trace list'), a path below a trace folder, or a file"
_OUT = f"the trace to write, ending in {store.SUFFIX}"


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `trace` and its subcommands; each sets ``func(args) -> int``."""
    parser = subparsers.add_parser(
        "trace",
        help="import, check, understand, make and cut traces",
        description="Recordings and synthetic traces: what a link plays. T is a trace's name, a path below a "
        "trace folder, or a file; a recording is imported on the fly.",
        epilog="example: testbed trace info starlink-bent-pipe",
    )
    commands = parser.add_subparsers(dest="trace_command", required=True, metavar="COMMAND")
    for add in (_add_reading, _add_editing, _add_making, _add_getting):
        add(commands)


def _command(
    commands: Subparsers[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    help: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=help, description=help, epilog=f"example: testbed trace {example}"
    )
    parser.set_defaults(func=func)
    return parser


def _duration(text: str) -> int:
    try:
        return units.parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from None


def _load(name: str) -> tuple[Trace, Parent]:
    """Return a trace and what it is called in another one's ancestry."""
    path = Path(name) if Path(name).is_file() else store.find(name)
    return store.read(path), Parent(path.name, store.sha256(path))


def _target(out: str) -> Path:
    path = Path(out)
    if not path.parent.is_dir():
        raise InputError(out, "its folder does not exist", f"make it: mkdir -p {path.parent}")
    return path


def _save(trace: Trace, out: str) -> int:
    path = _target(out)
    if path.suffix != store.SUFFIX:
        raise InputError(out, "no name of a trace", f"end it in {store.SUFFIX}")
    store.write(trace, path)
    print(
        f"wrote {out}: {units.format_duration(trace.duration_ns)}, {', '.join(sorted(trace.series)) or 'context only'}"
    )
    return 0


def _show(lines: Iterable[str], data: Any, as_json: bool) -> int:
    if as_json:
        json.dump(render.plain(data), sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines))
    return 0


# --- reading


def _add_reading(commands: Subparsers[argparse.ArgumentParser]) -> None:
    add = _command(
        commands, "list", _list, "List the traces and recordings that can be named.", "list --json"
    )
    add.add_argument("--json", action="store_true", help="as JSON")
    add = _command(
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
    for name, func, help in (
        ("info", _info, "Show a trace in numbers: provenance, RTT, losses, outages, rate, the 15 s cycle."),
        ("lint", _lint, "Show what a trace cannot tell, with evidence and consequence."),
    ):
        add = _command(commands, name, func, help, f"{name} uvic-leonetem/latency/ping-example-isl.txt")
        add.add_argument("trace", metavar="T", help=_T)
        add.add_argument("--json", action="store_true", help="as JSON (times in ns)")
    add = _command(
        commands,
        "plot",
        _plot,
        "Draw a trace: a figure for a design review.",
        "plot starlink-bent-pipe -o t.png",
    )
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument("-o", "--out", help="PNG, SVG or PDF (default: the trace's name, .png)")
    add = _command(commands, "mine", _mine, "Find the worst windows of a trace.", "mine T --window 60s")
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument(
        "--window", type=_duration, default=60 * 10**9, help=f"how long a window is, {_DURATION}"
    )
    add.add_argument("--count", type=int, default=3, help="how many of each kind (default: 3)")
    add.add_argument("--json", action="store_true", help="as JSON (times in ns)")


def _list(args: argparse.Namespace) -> int:
    found = store.names(store.folders())
    return _show(found, found, args.json)


def _import(args: argparse.Namespace) -> int:
    if args.out and len(args.files) > 1:
        raise InputError(
            "--out", f"one name for {len(args.files)} files", "import them one by one, or join them"
        )
    for name in args.files:
        path = Path(name) if Path(name).is_file() else store.find(name)
        trace = store.import_file(path, args.format)
        print(f"{path.name}: {trace.provenance.made_by}, licence {trace.provenance.licence}")
        _save(trace, args.out or f"{path.stem}{store.SUFFIX}")
    return 0


def _info(args: argparse.Namespace) -> int:
    trace, _ = _load(args.trace)
    numbers = stats.info(trace)
    data = {"name": trace.name, "provenance": trace.provenance, "info": numbers}
    return _show(render.info_lines(trace, numbers), data, args.json)


def _lint(args: argparse.Namespace) -> int:
    trace, _ = _load(args.trace)
    findings = lint.lint(trace)
    return _show(render.lint_lines(findings), findings, args.json)


def _plot(args: argparse.Namespace) -> int:
    from testbed.traces import plot  # matplotlib takes half a second to load

    trace, _ = _load(args.trace)
    out = _target(args.out or f"{trace.name}.png")
    plot.draw(trace, out)
    print(f"wrote {out}")
    return 0


def _mine(args: argparse.Namespace) -> int:
    trace, _ = _load(args.trace)
    windows = mine.worst(trace, length_ns=args.window, count=args.count)
    return _show(render.mine_lines(args.trace, windows), windows, args.json)


# --- editing


def _add_editing(commands: Subparsers[argparse.ArgumentParser]) -> None:
    add = _command(
        commands, "cut", _cut, "Cut a part out of a trace.", "cut T --from 30s --to 90s -o part.parquet"
    )
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument("--from", dest="begin", type=_duration, default=0, help="where it begins (default: 0 s)")
    add.add_argument("--to", dest="end", type=_duration, help="where it ends (default: the trace's end)")
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add = _command(
        commands, "splice", _splice, "Put traces one after the other.", "splice A B -o both.parquet"
    )
    add.add_argument("traces", nargs="+", metavar="T", help=_T)
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add = _command(
        commands, "scale", _scale, "Multiply delays and rates.", "scale T --rate 0.5 -o half.parquet"
    )
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument("--delay", type=float, default=1.0, help="factor of all delays")
    add.add_argument("--rate", type=float, default=1.0, help="factor of all rates")
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add = _command(
        commands, "repeat", _repeat, "Play a trace several times.", "repeat T --times 3 -o long.parquet"
    )
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument("--times", type=int, required=True, help="how often in all")
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add = _command(
        commands,
        "join",
        _join,
        "Make one trace of several recordings: RTT from one, rate from another, outages from a third.",
        "join ping.txt iperf.json history.out --only ping.txt=rtt --only history.out=events -o all.parquet",
    )
    add.add_argument("traces", nargs="+", metavar="T", help=_T)
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add.add_argument(
        "--only", action="append", default=[], metavar="T=SERIES,...", help="take these of T alone"
    )
    add.add_argument(
        "--offset", action="append", default=[], metavar="T=5s", help="when T begins, instead of clocks"
    )


def _cut(args: argparse.Namespace) -> int:
    trace, parent = _load(args.trace)
    return _save(
        edit.cut(trace, args.begin, trace.duration_ns if args.end is None else args.end, [parent]), args.out
    )


def _splice(args: argparse.Namespace) -> int:
    loaded = [_load(name) for name in args.traces]
    return _save(edit.splice([trace for trace, _ in loaded], [parent for _, parent in loaded]), args.out)


def _scale(args: argparse.Namespace) -> int:
    trace, parent = _load(args.trace)
    return _save(edit.scale(trace, delay=args.delay, rate=args.rate, parents=[parent]), args.out)


def _repeat(args: argparse.Namespace) -> int:
    trace, parent = _load(args.trace)
    return _save(edit.repeat(trace, args.times, [parent]), args.out)


def _join(args: argparse.Namespace) -> int:
    only, offsets = _pairs(args.only, args.traces), _pairs(args.offset, args.traces)
    traces = []
    for name in args.traces:
        trace, _ = _load(name)
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
    return _save(edit.join(traces, align=(lambda trace: at[id(trace)]) if offsets else None), args.out)


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


# --- making


def _add_making(commands: Subparsers[argparse.ArgumentParser]) -> None:
    add = _command(
        commands,
        "synth",
        _synth,
        f"Make a synthetic trace from a profile ({', '.join(profile.names())}, or a YAML file).",
        "synth starlink-mobile --duration 1h --seed 7 -o drive.parquet",
    )
    add.add_argument("profile", metavar="PROFILE", help="a profile's name, or a YAML file")
    add.add_argument("--duration", type=_duration, required=True, help=_DURATION)
    add.add_argument("--seed", type=int, required=True, help="the same seed gives the same trace")
    add.add_argument("-o", "--out", required=True, help=_OUT)
    add = _command(commands, "fit", _fit, "Make a profile from a recording.", "fit ping.txt -o mine.yaml")
    add.add_argument("trace", metavar="T", help=_T)
    add.add_argument("-o", "--out", required=True, help="the profile to write, YAML")


def _synth(args: argparse.Namespace) -> int:
    made_from = profile.read(args.profile)
    name = Path(args.out).stem
    return _save(synth.synthesise(made_from, duration_ns=args.duration, seed=args.seed, name=name), args.out)


def _fit(args: argparse.Namespace) -> int:
    from testbed.traces import fit

    trace, parent = _load(args.trace)
    _target(args.out).write_text(fit.to_yaml(fit.fit(trace), f"Fit on {parent.name}, sha256 {parent.sha256}"))
    print(f"wrote {args.out}; try it: testbed trace synth {args.out} --duration 5min --seed 1 -o try.parquet")
    return 0


# --- getting


def _add_getting(commands: Subparsers[argparse.ArgumentParser]) -> None:
    add = _command(
        commands,
        "pull",
        _pull,
        "Get a public recording of the catalogue and import it; without NAME, list them.",
        "pull leocc/leoreplayer/replayer/example/Cubic/delay_example.txt --from ~/traces --yes",
    )
    add.add_argument("name", nargs="?", metavar="NAME")
    add.add_argument(
        "--from", dest="source", metavar="DIR", help="take it from a folder instead of the network"
    )
    add.add_argument("--yes", action="store_true", help="accept the licence without being asked")
    add.add_argument("-o", "--out", help="the trace to write (default: the file's name, .parquet)")
    add = _command(
        commands,
        "record",
        _record,
        "Record this lab's own uplink with ping, and the dish's status where there is one, on one clock.",
        "record --uplink wan0 --to 203.0.113.10 --duration 10min --interval 20ms -o recording/",
    )
    add.add_argument("--uplink", required=True, metavar="DEV", help="the interface to send from")
    add.add_argument("--to", required=True, metavar="HOST", help="who answers the pings")
    add.add_argument(
        "--interval", type=_duration, default=20 * 10**6, help="distance of probes (default: 20ms)"
    )
    add.add_argument("--duration", type=_duration, help="how long (default: until Ctrl-C)")
    add.add_argument(
        "--dish", metavar="HOST:PORT", help="the dish's gRPC address, such as 192.168.100.1:9200"
    )
    add.add_argument("-o", "--out", required=True, metavar="FOLDER")


def _pull(args: argparse.Namespace) -> int:
    known = catalogue.read()
    if not args.name:
        print("\n".join(known.names))
        return 0
    dataset, path = known.find(args.name)
    print(catalogue.terms(dataset))
    if not args.yes and not _agreed():
        print("not taken: accept with --yes")
        return 2
    out = args.out or f"{Path(path).stem}{store.SUFFIX}"
    local = _served(args.source, dataset, path)
    if local is None:
        local = Path(out).with_name(f"{dataset.name}--{Path(path).name}")
        catalogue.fetch(dataset, path, local)
    return _save(_of_dataset(store.import_file(local, dataset.files[path].format), dataset), out)


def _served(source: str | None, dataset: catalogue.Dataset, path: str) -> Path | None:
    """Return the file in a folder: the given one (where it must be), or one of TESTBED_TRACES."""
    folders = [Path(source)] if source else store.folders()
    found = next((f / dataset.name / path for f in folders if (f / dataset.name / path).is_file()), None)
    if found is None and source:
        raise InputError(source, f"no {dataset.name}/{path} in it", "download it there, or leave --from out")
    if found is not None:
        catalogue.check(found, dataset.files[path])
    return found


def _of_dataset(trace: Trace, dataset: catalogue.Dataset) -> Trace:
    source = f"{dataset.name}: {dataset.title}; {trace.provenance.parents[0].name}"
    provenance = replace(trace.provenance, source=source, licence=dataset.licence, citation=dataset.citation)
    return replace(trace, provenance=provenance)


def _agreed() -> bool:
    return sys.stdin.isatty() and input("use it under this licence? [y/N] ").strip().lower() in ("y", "yes")


def _record(args: argparse.Namespace) -> int:
    from testbed.traces import record

    return record.record(
        record.Order(args.uplink, args.to, args.interval, args.duration, args.dish, Path(args.out)),
        print,
    )
