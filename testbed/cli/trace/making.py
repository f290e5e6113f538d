"""`trace synth` and `fit`: synthetic traces, and profiles for them."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.cli.trace.common import DURATION, OUT, Subparsers, T, command, duration, load, save, show, target
from testbed.traces import profile, render, synth
from testbed.traces.fit_yaml import to_yaml
from testbed.traces.judgement import fitted


def add_making(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the commands that make traces."""
    add = command(
        commands,
        "synth",
        _synth,
        f"Make a synthetic trace from a profile ({', '.join(profile.names())}, or a YAML file).",
        "synth starlink-mobile --duration 1h --seed 7 -o drive.parquet",
    )
    add.add_argument("profile", metavar="PROFILE", help="a profile's name, or a YAML file")
    add.add_argument("--duration", type=duration, required=True, help=DURATION)
    add.add_argument("--seed", type=int, required=True, help="the same seed gives the same trace")
    add.add_argument("-o", "--out", required=True, help=OUT)
    add = command(commands, "fit", _fit, "Make a profile from a recording.", "fit ping.txt -o mine.yaml")
    add.add_argument("trace", metavar="T", help=T)
    add.add_argument("-o", "--out", required=True, help="the profile to write, YAML")
    add.add_argument("--json", action="store_true", help="what the fit is worth, as JSON")


def _synth(args: argparse.Namespace) -> int:
    made_from = profile.read(args.profile)
    name = Path(args.out).stem
    return save(synth.synthesise(made_from, duration_ns=args.duration, seed=args.seed, name=name), args.out)


def _fit(args: argparse.Namespace) -> int:
    out = target(args.out)
    trace, parent = load(args.trace)
    found, judgement = fitted(trace)
    out.write_text(to_yaml(found, f"Fit on {parent.name}, sha256 {parent.sha256}"))
    tried = (
        f"wrote {args.out}; try it: testbed trace synth {args.out} --duration 5min --seed 1 -o try.parquet"
    )
    return show([*render.fit_lines(judgement), tried], judgement.as_dict(), args.json)
