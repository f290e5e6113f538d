"""What a recording cannot tell: each finding with its evidence and its consequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from testbed.model.trace import EventKind, Layer, Loss, Origin, SeriesName, Trace, Trait
from testbed.traces import slots
from testbed.traces.handover import handovers
from testbed.traces.losses import loss_runs
from testbed.traces.round_trips import INTERPOLATE_BELOW_NS
from testbed.traces.send_times import steps
from testbed.traces.waits import waits
from testbed.units import format_duration, format_share

_SEES_GAPS_NS = 100 * 10**6
_SEES_SLOTS_NS = 3 * 10**9
_SLOT_CADENCES = 20 * 10**6


@dataclass(frozen=True)
class Finding:
    """A limit of a recording: what it is, what shows it, what follows for replaying it."""

    code: str
    evidence: str
    consequence: str


def lint(trace: Trace) -> tuple[Finding, ...]:
    """Return what this trace cannot tell, in the order of the checks."""
    return tuple(finding for check in CHECKS for finding in check(trace))


def _cadence(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if probes is None or len(probes) < 2:
        yield Finding("no-delay", "no probes", "delay and loss must come from another recording (trace join)")
        return
    cadence = probes.cadence_ns
    evidence = f"a probe every {format_duration(cadence)}"
    if cadence > _SEES_SLOTS_NS:
        yield Finding(
            "too-sparse", evidence, "15 s slots and outages fall between probes: context, not replay"
        )
    elif cadence > _SEES_GAPS_NS:
        yield Finding(
            "aliases-handovers",
            evidence,
            "gaps of 0.5 s at handovers are 1 or 2 lost probes; steps blur into jitter",
        )
    elif cadence > _SLOT_CADENCES:
        yield Finding(
            "coarse", evidence, "losses shorter than a probe's distance are not seen, or last as long as it"
        )


def _irregular(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if probes is None or len(probes) < 20 or waits(trace) is not None:
        return
    distances = np.diff(probes.t_ns)
    holes = distances > max(5 * probes.cadence_ns, 50 * 10**6)
    if holes.any():
        worst = int(distances.argmax())
        linear = probes.cadence_ns < INTERPOLATE_BELOW_NS
        yield Finding(
            "holes",
            f"{int(holes.sum())} times there is no probe for 5 times the usual distance, at the longest "
            f"{format_duration(int(distances[worst]))} from {format_duration(int(probes.t_ns[worst]))} on: "
            "none was sent, or lost ones were left out",
            "nothing is known there; "
            + ("the delay runs linearly to the next sample" if linear else "the sample in front is held"),
        )


def _stop_and_wait(trace: Trace) -> Iterator[Finding]:
    probes, found = trace.probes, waits(trace)
    if found is None or probes is None:
        return
    lost, cadence = int(probes.lost.sum()), format_duration(found.cadence_ns)
    how = "each probe waits for the one before" if found.declared else "the same hole follows each loss"
    evidence = f"{how}: {cadence} after an answer"
    evidence += (
        f", {format_duration(found.hole_ns)} after a loss, {lost} lost" if found.hole_ns else f", {lost} lost"
    )
    if not found.held_ns:
        yield Finding(
            "stop-and-wait", evidence, "shorter interruptions than the prober's time-out cannot be told apart"
        )
        return
    assumed, else_lost = lost * found.cadence_ns, lost * found.cadence_ns + found.held_ns
    yield Finding(
        "stop-and-wait",
        evidence,
        f"a lost probe stands for {cadence}, and the sample in front holds till the next one: "
        f"{format_share(assumed / trace.duration_ns)} of the time is lost; held till the next probe it were "
        f"{format_share(else_lost / trace.duration_ns)}",
    )
    if found.in_a_row:
        yield Finding(
            "stop-and-wait-outages",
            f"{found.in_a_row} lost probes follow a lost one, {format_duration(found.hole_ns)} behind it",
            "they may be one interruption, which is played as several short ones: mark it as an outage event",
        )


def _received(trace: Trace) -> Iterator[Finding]:
    found = steps(trace)
    if found is not None and found.received:
        yield Finding(
            "receive-times",
            f"times less RTTs step more evenly than the times: sd {found.less_rtt_ns / 1e6:.1f} ms against "
            f"{found.recorded_ns / 1e6:.1f} ms",
            "they are the times of the answers, and probes seem to overtake: testbed trace as-sent corrects that",
        )


def _loss(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if Trait.LOSS_OMITTED in trace.provenance.traits and probes is not None and len(probes) > 1:
        distances = np.diff(probes.t_ns)
        missing = int((np.round(distances / max(probes.cadence_ns, 1)) - 1).clip(0).sum())
        yield Finding(
            "loss-omitted",
            f"no row for a lost probe; the times leave room for about {missing}",
            "loss reads as 0: import the tool's own output instead",
        )


def _direction(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if probes is None:
        return
    unknown = int((probes.loss == Loss.UNKNOWN).sum())
    if unknown and trace.provenance.kind is Origin.MEASURED:
        yield Finding(
            "loss-direction",
            f"{unknown} losses of unknown direction",
            "replay draws the direction of runs of 1 and 2 by the seed and loses longer ones both ways",
        )


def _censored(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if probes is None or not len(probes) or probes.lost.all():
        return
    runs = loss_runs(probes)
    if probes.lost[0] or probes.lost[-1]:
        at = "start" if probes.lost[0] else "end"
        length = int(runs.length[0 if probes.lost[0] else -1])
        yield Finding(
            "censored-loss",
            f"the recording's {at} lies in a run of {length} losses",
            "that run was longer than it shows, and its probes may have been on their way when it ended",
        )
    edges = [e for e in trace.events if e.kind is EventKind.OUTAGE and _touches(e.t_ns, e.duration_ns, trace)]
    for event in edges:
        yield Finding(
            "censored-outage",
            f"outage {event.cause} at {format_duration(event.t_ns)} touches the recording's edge",
            "its duration is a lower bound",
        )


def _touches(t_ns: int, duration_ns: int, trace: Trace) -> bool:
    return t_ns == 0 or t_ns + duration_ns >= trace.duration_ns


def _clock(trace: Trace) -> Iterator[Finding]:
    traits = trace.provenance.traits
    if Trait.NO_SEND_TIMES in traits:
        yield Finding(
            "no-send-times",
            "no times in front of the replies",
            "probes are placed evenly; record with ping -D",
        )
    if slots.first_boundary(trace.provenance) is None and trace.provenance.kind is Origin.MEASURED:
        found = handovers(trace)
        how = "" if found is not None and found.clear else ", and the data do not show the cycle"
        yield Finding(
            "no-clock", f"no UTC start{how}", "slots cannot be aligned by the clock ('align: slot')"
        )
    if Trait.OFFSET_CLOCKS in traits:
        notes = [note for note in trace.provenance.notes if "clocks differ" in note]
        evidence = notes[0] if notes else "one-way delays below 0"
        yield Finding("clock-offset", evidence, "the RTT is split in halves: asymmetry is not replayed")
    probes = trace.probes
    if probes is not None and len(probes) > 1:
        behind = int((np.diff(probes.t_ns) == 1).sum())
        if behind > len(probes) // 1000:
            yield Finding(
                "clock-steps",
                f"{behind} probes seem sent at or before the one in front of them",
                "the clock stepped back, or rounding hides the order: their times are 1 ns apart",
            )


def _source(trace: Trace) -> Iterator[Finding]:
    traits = trace.provenance.traits
    if Trait.ICMP in traits:
        yield Finding(
            "icmp-only", "taken with ping", "Starlink queues ICMP apart from TCP and UDP: theirs may differ"
        )
    if Trait.DISH_SMOOTHED in traits:
        yield Finding(
            "dish-smoothed",
            f"1 s averages by the dish ({_cadence_text(trace)})",
            "steps and spikes are flattened, and the drop rate lags by about 3 s",
        )
    if Trait.USAGE in traits:
        rates = any(name in trace.series for name in (SeriesName.UP_RATE, SeriesName.DOWN_RATE))
        yield Finding(
            "usage",
            "throughput counted by the phone" if rates else "throughput counted by the dish",
            "what was used, not what there was: "
            + ("the path's only where a transfer filled it" if rates else "kept as context"),
        )
    if Trait.SENDER_SIDE in traits:
        name, what = SeriesName.UP_RATE, "an upload"
        if name not in trace.series:  # a server that sent
            name, what = SeriesName.DOWN_RATE, "a download"
        zeros = trace.series[name].value == 0 if name in trace.series else np.array([])
        share = format_share(float(zeros.mean())) if len(zeros) else "0 %"
        yield Finding(
            "sender-side",
            f"{what} seen by its sender; {share} of intervals are 0",
            "zeros are write() batches",
        )
    if Trait.WHOLE_MS in traits:
        yield Finding(
            "whole-ms", "delays in whole milliseconds", "jitter below 1 ms is lost; delays move in steps"
        )


def _layer(trace: Trace) -> Iterator[Finding]:
    for framing in dict.fromkeys(trace.framing.values()):
        names = [name for name in trace.series if trace.framing.get(name) == framing]
        if framing.layer is not Layer.FRAME:
            yield Finding(
                "above-frames",
                f"{', '.join(names)} counted as {framing.layer.upper()}, {framing.payload_bytes} bytes a packet",
                f"replay serves {framing.frame_bytes}/{framing.payload_bytes} = {framing.factor:.4f} times that in "
                "frames: packets of this size get the recorded rate, smaller ones less",
            )


def _cadence_text(trace: Trace) -> str:
    return f"every {format_duration(trace.probes.cadence_ns)}" if trace.probes is not None else "no probes"


def _rounding(trace: Trace) -> Iterator[Finding]:
    probes = trace.probes
    if probes is None or Trait.WHOLE_MS in trace.provenance.traits:
        return
    high = probes.value[~probes.lost & (probes.value >= 100 * 10**6)]
    if len(high) > 100 and not np.any(high % 10**6):
        share = format_share(len(high) / max(1, int((~probes.lost).sum())))
        yield Finding(
            "rounded",
            f"all RTTs from 100 ms on ({share}) are whole milliseconds",
            "as ping prints: jitter is +-0.5 ms",
        )


CHECKS: tuple[Callable[[Trace], Iterator[Finding]], ...] = (
    _cadence,
    _irregular,
    _stop_and_wait,
    _received,
    _loss,
    _direction,
    _censored,
    _clock,
    _source,
    _layer,
    _rounding,
)
