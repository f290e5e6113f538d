"""`testbed link ...`: what the user types, and what is done for it."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from testbed.checks.replay import MEASURES, Verification, verify
from testbed.errors import InputError
from testbed.link import bridge
from testbed.link.backend import Counters, LinkEvent, LinkSpec, Restore, outage
from testbed.link.fidelity import MS, Certificate, DirectionFidelity
from testbed.model.link import Direction, LinkSchedule
from testbed.model.trace import Trace
from testbed.traces import store
from testbed.traces.compile import compile_link
from testbed.units import format_duration, format_rate, format_share, parse_duration

Subparsers = argparse._SubParsersAction
INVALID = 3
_VALUES = "such as 'delay 25ms rate 100Mbit loss 0.1%%'"


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `link` and its subcommands; each sets ``func(args) -> int``."""
    parser = subparsers.add_parser("link", help="emulate a link between two interfaces, or check the engine")
    commands = parser.add_subparsers(dest="link_command", required=True, metavar="COMMAND")
    _add_bridge(commands)
    _add_changes(commands)
    _add_verify(commands)


def _add(
    commands: Subparsers[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    help: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help, epilog=f"example: testbed link {example}")
    parser.set_defaults(func=func)
    return parser


def _add_bridge(commands: Subparsers[argparse.ArgumentParser]) -> None:
    example = "bridge eth1 eth2 --trace starlink-bent-pipe"
    p = _add(
        commands, "bridge", _bridge, "put the engine between two interfaces (NICs, veths, taps)", example
    )
    p.add_argument("hub_interface", metavar="IFACE_A", help="towards the hub")
    p.add_argument("net_interface", metavar="IFACE_B", help="towards the Internet")
    p.add_argument("--trace", metavar="T", help="play a trace, again and again")
    p.add_argument("--up", metavar="VALUES", help=f"from A to B, {_VALUES}")
    p.add_argument("--down", metavar="VALUES", help="from B to A; without it as --up")
    p.add_argument("--netns", metavar="NAME", help="the network namespace that holds the interfaces")
    p.add_argument("--duration", type=_duration, metavar="TIME", help="such as 60s; without it until Ctrl-C")
    p.add_argument("--seed", type=int, default=0, help="of the losses (default: 0)")
    p.add_argument("--json", action="store_true", help="print JSON lines")


def _add_changes(commands: Subparsers[argparse.ArgumentParser]) -> None:
    change = _add(commands, "set", _set, "change a running link", "set 'loss 2%' --for 10s")
    change.add_argument("values", help=f"{_VALUES}; or 'schedule': back to what it was started with")
    fault = _add(commands, "outage", _outage, "interrupt a running link", "outage 5s")
    fault.add_argument("duration", type=_duration)
    fault.add_argument("--hold", action="store_true", help="packets wait instead of being dropped")
    change.add_argument(
        "--for", dest="for_ns", type=_duration, metavar="TIME", help="then the schedule's again"
    )
    for p in (change, fault):
        p.add_argument("--link", metavar="NAME", help="IFACE_A-IFACE_B[@NETNS], where several run")
        p.add_argument("--direction", choices=[*map(str, Direction), "both"], default="both")


def _add_verify(commands: Subparsers[argparse.ArgumentParser]) -> None:
    help = "replay a trace, probe it at its own cadence, and compare the recordings"
    p = _add(commands, "verify", _verify, help, "verify starlink-bent-pipe --duration 60s")
    p.add_argument("trace", metavar="TRACE")
    p.add_argument("--link", choices=list(MEASURES), default="native", help="back end (default: native)")
    p.add_argument("--duration", type=_duration, default=60 * 10**9, metavar="TIME", help="default: 60s")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--json", action="store_true")


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from None


def _load(name: str) -> Trace:
    return store.read(Path(name) if Path(name).is_file() else store.find(name))


def _schedules(args: argparse.Namespace) -> tuple[LinkSchedule, LinkSchedule]:
    if (args.trace is None) == (args.up is None):
        raise InputError("testbed link bridge", "neither or both of --trace and --up", "give one of them")
    if args.trace is not None and args.down is not None:
        raise InputError("testbed link bridge", "both of --trace and --down", "give --down with --up")
    if args.trace is not None:
        trace = _load(args.trace)
        length = args.duration or trace.duration_ns
        return compile_link(trace, duration_ns=length, seed=args.seed, repeat=True, place="--trace")
    up = bridge.parse_values(args.up, "--up").schedule()
    return up, bridge.parse_values(args.down, "--down").schedule() if args.down else up


def _bridge(args: argparse.Namespace) -> int:
    up, down = _schedules(args)
    name = bridge.link_name(args.hub_interface, args.net_interface)
    spec = LinkSpec(name, args.hub_interface, args.net_interface, up, down, args.seed)
    last: dict[Direction, int] = dict.fromkeys(Direction, 0)

    def show(t: float, counters: Counters) -> None:
        rows = {d: counters[name, d] for d in Direction}
        if args.json:
            print(json.dumps({"t_s": round(t, 1), **{d: vars(c) for d, c in rows.items()}}), flush=True)
            return
        words = [f"{d} {format_rate((c.bytes_out - last[d]) * 8)} out, {c.inside} inside, "
                 f"{c.lost + c.cut + c.queue_drops} lost" for d, c in rows.items()]  # fmt: skip
        last.update({d: c.bytes_out for d, c in rows.items()})
        print(f"{t:6.0f} s  {'   '.join(words)}", flush=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: in order, with the certificate
    certificate = bridge.run(spec, netns=args.netns, duration_ns=args.duration, show=show)
    return _certified(certificate, args.json)


def _certified(certificate: Certificate, as_json: bool) -> int:
    faults = certificate.faults_against()
    if as_json:
        print(json.dumps({"valid": not faults, **certificate.as_dict(), "faults": faults}))
        return INVALID if faults else 0
    for d in certificate.directions:
        print(f"{d.direction}: {d.packets} packets, {_lateness(d)}; unasked: {d.unasked_losses} lost, "
              f"{d.unasked_reorderings} reordered")  # fmt: skip
    print(_judged(certificate, faults))
    return INVALID if faults else 0


def _lateness(d: DirectionFidelity) -> str:
    p50, p99, longest = d.late_p50_ns, d.late_p99_ns, d.late_ns_max
    if p50 is None or p99 is None or longest is None or d.late_share is None:
        return "lateness not known"
    return (f"late p50 {format_duration(p50)}, p99 {format_duration(p99)}, max {format_duration(longest)}; "
            f"over 1 ms {format_share(d.late_share)}")  # fmt: skip


def _judged(certificate: Certificate, faults: Sequence[str]) -> str:
    if faults:
        return "INVALID: " + "; ".join(faults)
    if certificate.missing:
        return (
            f"valid as far as {certificate.backend} can tell; it cannot tell {', '.join(certificate.missing)}"
        )
    return "valid"


def _inject(args: argparse.Namespace, event: LinkEvent) -> int:
    control = bridge.connect(args.link)
    control.inject("*", None if args.direction == "both" else Direction(args.direction), event)
    control.close()
    return 0


def _set(args: argparse.Namespace) -> int:
    if args.values.strip() != "schedule":
        return _inject(args, bridge.parse_values(args.values, "values").change(args.for_ns, "values"))
    if args.for_ns is not None:
        raise InputError("--for", "found beside 'schedule'", "leave it out; the schedule holds for good")
    return _inject(args, Restore())


def _outage(args: argparse.Namespace) -> int:
    return _inject(args, outage(args.duration, hold=args.hold))


def _verify(args: argparse.Namespace) -> int:
    trace = _load(args.trace)
    length = format_duration(min(args.duration, trace.duration_ns))
    told, watched = f"replaying {length} of {trace.name} on {args.link}", Console(emoji=False, stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn(told), TimeElapsedColumn(),
        console=watched, disable=not watched.is_terminal, transient=True, refresh_per_second=2,
    ) as progress:  # fmt: skip
        progress.add_task("")
        result = verify(trace, duration_ns=args.duration, seed=args.seed, link=args.link)
    values: Mapping[str, Any] = result.as_dict()
    if args.json:
        print(json.dumps(values))
    else:
        _print_agreement(result)
        print(_judged(result.certificate, values["faults"]))
    return 0 if values["valid"] else INVALID


def _print_agreement(result: Verification) -> None:
    a = result.agreement
    print(f"{result.trace} on {result.certificate.backend}: {result.probes} probes in "
          f"{format_duration(result.duration_ns)}, {a.compared} compared")  # fmt: skip
    errors = (a.rtt_error_p50_ns, a.rtt_error_p95_ns, a.rtt_error_p99_ns, a.rtt_error_max_ns)
    print("RTT error p50 {} ms, p95 {} ms, p99 {} ms, max {} ms".format(*(f"{e / MS:.3f}" for e in errors)))
    table = Table("", "recorded", "replayed", "", box=None, pad_edge=False, header_style="dim")
    worst = f"{a.lost_one_only} in one only, {a.loss_per_second} apart in the worst second"
    table.add_row("lost probes", *map(str, a.lost), worst)
    for length, counts in a.runs.items():
        table.add_row(f"loss runs of {length}", *map(str, counts))
    if a.handover is not None:
        table.add_row("handover step", *map(format_duration, a.handover.step_ns), "median")
        gaps = "median of {} and {}".format(*a.handover.gaps)
        table.add_row("handover gap", *map(format_duration, a.handover.gap_ns), gaps)
    Console(emoji=False, highlight=False, soft_wrap=True).print(table)
    if a.handover is None:
        print("no 15 s cycle is clear in this part of the recording")
