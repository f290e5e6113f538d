"""`trace pull` and `record`: traces from elsewhere, and of one's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from testbed import units
from testbed.cli.trace.common import Subparsers, command, duration, save
from testbed.errors import InputError
from testbed.model.trace import Trace
from testbed.traces import catalogue, store


def add_getting(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the commands that get traces."""
    add = command(
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
    add = command(
        commands,
        "record",
        _record,
        "Record this lab's own uplink with irtt or ping, and the dish's status where there is one, on one clock.",
        "record --uplink wan0 --to 203.0.113.10 --duration 10min --interval 20ms -o recording/",
    )
    add.add_argument("--uplink", required=True, metavar="DEV", help="the interface to send from")
    add.add_argument("--to", required=True, metavar="HOST", help="who answers the probes")
    add.add_argument(
        "--prober", choices=("irtt", "ping"), help="default: irtt where the far end answers it, else ping"
    )
    add.add_argument(
        "--interval", type=duration, default=20 * 10**6, help="distance of probes (default: 20ms)"
    )
    add.add_argument("--duration", type=duration, help="how long (default: until Ctrl-C)")
    add.add_argument(
        "--dish",
        metavar="HOST:PORT",
        default="192.168.100.1:9200",
        help="the Starlink dish's gRPC address, or 'none' (default: 192.168.100.1:9200)",
    )
    add.add_argument("-o", "--out", required=True, metavar="FOLDER")


def _pull(args: argparse.Namespace) -> int:
    known = catalogue.read()
    if not args.name:
        print("\n".join(_listed(known)))
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
        catalogue.fetch(dataset, path, local, _shown if sys.stderr.isatty() else lambda done, total: None)
        print(f"downloaded {local}: {units.format_size(local.stat().st_size)}")
    return save(_of_dataset(store.import_file(local, dataset.files[path].format), dataset), out)


def _listed(known: catalogue.Datasets) -> Iterator[str]:
    for name, dataset in known.datasets.items():
        yield f"{name}: {dataset.title}; licence: {dataset.licence}"
        yield from (f"  {name}/{path}" for path in dataset.files)
        if not dataset.files:
            yield f"  {dataset.note}"


def _shown(done: int, total: int | None) -> None:
    """Show on the terminal how much is here, in one line that is written over."""
    of = f" of {units.format_size(total)}" if total else ""
    end = "\n" if done == total else ""
    print(f"\r  {units.format_size(done)}{of}\x1b[K", end=end, file=sys.stderr, flush=True)


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

    dish = None if args.dish == "none" else args.dish
    order = record.Order(
        args.uplink, args.to, args.interval, args.duration, dish, Path(args.out), args.prober
    )
    return record.record(order, print)
