"""Traces in words: what `trace info`, `lint` and `mine` print."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from testbed.model.trace import Framing, Layer, Provenance, Trace
from testbed.traces.handover import Handovers
from testbed.traces.judgement import FEWEST_SLOTS, Judgement
from testbed.traces.likeness import Likeness
from testbed.traces.lint import Finding
from testbed.traces.mine import Excerpt
from testbed.traces.stats import Info, Losses, Rate
from testbed.units import format_duration, format_rate, format_share

_FEW = 8


def plain(value: Any) -> Any:
    """Return dataclasses, enums and tuples as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def info_lines(trace: Trace, numbers: Info) -> Iterator[str]:
    """Yield the lines of `trace info`."""
    yield f"{trace.name}  ({trace.provenance.kind})"
    yield from _rows(_provenance(trace.provenance))
    yield from _rows([("duration", format_duration(trace.duration_ns))])
    if numbers.probes:
        yield from _rows([("probes", f"{numbers.probes}, every {format_duration(numbers.cadence_ns)}")])
    if numbers.rtt_ns:
        name = "RTT" if "rtt" in trace.series else "one-way delay"
        yield from _rows([(name, "  ".join(f"{q} {format_duration(v)}" for q, v in numbers.rtt_ns.items()))])
    if numbers.losses:
        yield from _rows(_losses(numbers.losses))
    if numbers.outages:
        causes = ", ".join(f"{cause} {count}" for cause, count in numbers.outages.causes.items())
        total, longest = (
            format_duration(numbers.outages.total_ns),
            format_duration(numbers.outages.longest_ns),
        )
        yield from _rows(
            [("outages", f"{numbers.outages.count} ({causes}), {total} in all, longest {longest}")]
        )
    for name, share in numbers.loss_shares.items():
        yield from _rows([(name.replace("_", " ") + " share", f"{format_share(share)} on average")])
    for name, rate in numbers.rates.items():
        yield from _rows([(name.replace("_", " "), _rate(rate))])
    if trace.context:
        yield from _rows([("context", ", ".join(list(trace.context)[:_FEW]) + _more(len(trace.context)))])
    if numbers.handovers:
        yield from _rows(_handovers(numbers.handovers))
    for note in trace.provenance.notes:
        yield from _rows([("note", note)])


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        yield f"  {name:<14} {text}"


def _more(count: int) -> str:
    return f" and {count - _FEW} more" if count > _FEW else ""


def _provenance(provenance: Provenance) -> Iterator[tuple[str, str]]:
    yield "source", provenance.source
    yield "licence", provenance.licence
    if provenance.citation:
        yield "cite", provenance.citation
    if provenance.start_ns is not None:
        yield "start", f"{datetime.fromtimestamp(provenance.start_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    yield "made by", provenance.made_by
    for parent in provenance.parents:
        yield "from", f"{parent.name}  sha256 {parent.sha256[:16]}"


def _losses(losses: Losses) -> Iterator[tuple[str, str]]:
    yield (
        "lost",
        f"{losses.lost} ({format_share(losses.share)}), longest {format_duration(losses.longest_ns)}",
    )
    if losses.runs:
        runs = [f"{length}x{count}" for length, count in losses.runs.items()]
        yield (
            "loss runs",
            ", ".join(runs[: 2 * _FEW]) + (" ..." if len(runs) > 2 * _FEW else "") + "  (length x times)",
        )


def _rate(rate: Rate) -> str:
    shown = "  ".join(f"{q} {format_rate(v)}" for q, v in rate.bps.items() if q in ("p5", "p50", "p95"))
    mean, idle = format_rate(rate.mean_bps), format_share(rate.zero_share)
    window = f"means of {format_duration(round(rate.window_ns, -6))}"
    return f"{shown}  mean {mean}  at zero {idle}  ({window}; {counted(rate.framing)})"


def counted(framing: Framing) -> str:
    """Return what a rate counts, in words."""
    return COUNTED[framing.layer] + (
        "" if framing.layer is Layer.FRAME else f", {framing.payload_bytes} bytes"
    )


COUNTED: Mapping[Layer, str] = {
    Layer.FRAME: "frames",
    Layer.IP: "IP packets",
    Layer.UDP: "UDP payload",
    Layer.TCP: "TCP payload",
}


def _handovers(found: Handovers) -> Iterator[tuple[str, str]]:
    if not found.clear:
        yield "15 s cycle", "not found in the data"
        return
    utc = f", UTC modulo 15 s: {found.phase_utc_ns / 1e9:.2f} s" if found.phase_utc_ns is not None else ""
    yield "15 s cycle", f"first boundary at {found.phase_ns / 1e9:.2f} s{utc}"
    yield (
        "  step",
        f"{format_duration(found.step_ns)} at boundaries, {format_duration(found.step_elsewhere_ns)} elsewhere",
    )
    if found.gaps:
        yield "  gap", f"{format_duration(found.gap_ns)} at {found.gaps} of {found.boundaries} boundaries"
        yield "  after a gap", f"first RTT {format_duration(found.peak_ns)}"
    if found.near_share is not None:
        yield "  losses", f"{format_share(found.near_share)} within 1 s of a boundary (13.3 % by chance)"
    yield "  jitter", f"{format_duration(found.jitter_ns)} between neighbouring RTTs"


def lint_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of `trace lint`."""
    for finding in findings:
        yield f"{finding.code}: {finding.evidence}"
        yield f"  -> {finding.consequence}"
    if not findings:
        yield "nothing found that limits this trace"


def fit_lines(judgement: Judgement) -> Iterator[str]:
    """Yield what a fit is worth: the synthesis against the recording, and what the halves say of each other."""
    yield f"{'':<26} {'KS':>6} {'p95':>6} {'step':>6}  {'lost':<18} {'loss runs'}"
    yield _likeness("recording, synthesis", judgement.synthesis)
    if judgement.halves:
        yield _likeness("first half, second half", judgement.halves)
    for half, found in zip(("second", "first"), judgement.unseen, strict=False):
        yield _likeness(f"{half} half, fit on other", found)
    yield "KS: distance of the distributions; p95 and step at boundaries: the second by the first; runs: two samples"
    if judgement.why:
        yield f"not judged on the half that it has not seen: {judgement.why}"
    if judgement.slots < FEWEST_SLOTS:
        yield f"{judgement.slots} slots of 15 s are few: nothing is asked of fewer than {FEWEST_SLOTS}"


def _likeness(name: str, found: Likeness) -> str:
    step = "-" if found.step_ratio is None else f"{found.step_ratio:.2f}"
    lost = " / ".join(format_share(share) for share in found.loss)
    runs = "-" if found.runs_p is None else f"p = {found.runs_p:.2f}"
    return f"{name:<26} {found.ks:>6.3f} {found.p95_ratio:>6.2f} {step:>6}  {lost:<18} {runs}"


def mine_lines(name: str, windows: Sequence[Excerpt]) -> Iterator[str]:
    """Yield the lines of `trace mine`, each with the command that cuts its window out."""
    for window in windows:
        span = f"{window.from_ns / 1e9:g} s to {window.to_ns / 1e9:g} s"
        yield f"{window.metric:<13} {span:<24} {window.text}"
    if windows:
        span = f"--from {windows[0].from_ns / 1e9:g}s --to {windows[0].to_ns / 1e9:g}s"
        yield f"cut one out: testbed trace cut {name} {span} -o FILE"
