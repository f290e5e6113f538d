"""What a report says in words: verdicts, their headline, sequences, the certificate, where it all comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.metrics import METRICS
from testbed.metrics.decomposition import Decomposition
from testbed.model.objective import Unit, format_value
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import Fidelity, Record, State, iso
from testbed.result.verdict import Outcome, Verdict
from testbed.units import format_duration, format_rate, format_share

SIGNS = {"pass": "✔", "fail": "✘", "inconclusive": "?", "invalid": "∅"}
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Bar:
    """A measured value against its bound, as shares of the bar's width."""

    value: float
    bound: float
    at_most: bool


@dataclass(frozen=True)
class VerdictRow:
    """A verdict for people: asked, measured, within which interval, how much room, and what it rests on."""

    outcome: str
    sign: str
    asked: str
    measured: str
    interval: str
    margin: str
    rests: str
    reason: str
    headline: str
    bar: Bar | None


@dataclass(frozen=True)
class Span:
    """A part of a failover: from, to (s since the event), and how it is drawn."""

    label: str
    start: float
    end: float | None
    look: str
    text: str


@dataclass(frozen=True)
class Sequel:
    """The parts of what followed an event, on one scale from ``low`` to ``high`` (s since the event)."""

    title: str
    spans: tuple[Span, ...]
    low: float
    high: float


def status(record: Record) -> tuple[str, str]:
    """Return a run's outcome (a word of SIGNS), and what it means in a sentence."""
    if record.state is not State.COMPLETE:
        first = next(iter(record.error.splitlines()), "") or "cut short"
        return "invalid", f"No verdict: the run was {record.state}: {first}"
    outcomes = [*(v.outcome for v in record.verdicts), *(v.outcome for v in record.fleet)]
    if not outcomes:
        return "inconclusive", "No objective was judged"
    if Outcome.INVALID in outcomes:
        return "invalid", f"Invalid: {record.invalid or 'the run counts for nothing'}"
    of = f"of {len(outcomes)} objective{'s' if len(outcomes) > 1 else ''}"
    if missed := outcomes.count(Outcome.FAIL):
        return "fail", f"Failed: {missed} {of} missed"
    if unsure := outcomes.count(Outcome.INCONCLUSIVE):
        return "inconclusive", f"Inconclusive: {unsure} {of} could not be told"
    return "pass", "Passed: the objective was met" if len(
        outcomes
    ) == 1 else f"Passed: all {len(outcomes)} objectives"


def rows(record: Record) -> list[VerdictRow]:
    """Return the verdicts in their scenario's order, then those on the fleet that its hub was one of."""
    return [*map(_row, record.verdicts), *map(_fleet_row, record.fleet)]


def first_things(rows: Sequence[VerdictRow]) -> list[VerdictRow]:
    """Return what a reader must see first: the verdicts that are no pass, the missed ones before the others."""
    order = ("invalid", "fail", "inconclusive")
    return sorted((row for row in rows if row.outcome in order), key=lambda row: order.index(row.outcome))


def _row(verdict: Verdict) -> VerdictRow:
    window = f"{verdict.window_ns[0] / 1e9:g} s to {verdict.window_ns[1] / 1e9:g} s"
    counted = METRICS[verdict.metric].samples if verdict.metric in METRICS else "samples"
    least = f", {verdict.minimum_samples:,} needed" if verdict.minimum_samples > 1 else ""
    rests = f"{verdict.samples:,} {counted}{least}; {window}"
    margin = "–" if verdict.margin is None else signed(verdict.margin, verdict.unit)
    return VerdictRow(
        outcome=str(verdict.outcome),
        sign=SIGNS[verdict.outcome],
        asked=verdict.title,
        measured=verdict.measured,
        interval=_interval(verdict),
        margin=margin,
        rests=rests,
        reason=verdict.reason,
        headline=_headline(verdict),
        bar=_bar(verdict),
    )


def _fleet_row(verdict: FleetVerdict) -> VerdictRow:
    return VerdictRow(
        outcome=str(verdict.outcome),
        sign=SIGNS[verdict.outcome],
        asked=verdict.title,
        measured=verdict.measured,
        interval="",
        margin="–",
        rests="the whole fleet",
        reason=verdict.reason,
        headline=verdict.measured if verdict.outcome is Outcome.FAIL else verdict.reason,
        bar=None,
    )


def _interval(verdict: Verdict) -> str:
    """Return between which values the true one lies, as far as the emulation can tell; empty where they read alike."""
    if verdict.value is None or not verdict.uncertainty or verdict.lower_bound:
        return ""
    low, high = (
        format_value(end, verdict.unit)
        for end in (max(0.0, verdict.value - verdict.uncertainty), verdict.value + verdict.uncertainty)
    )
    return f"{low} to {high}" if low != high else ""


def _headline(verdict: Verdict) -> str:
    if verdict.outcome is not Outcome.FAIL or verdict.margin is None:
        return verdict.reason
    by = format_difference(abs(verdict.margin), verdict.unit)
    times = verdict.value / verdict.bound if verdict.value and verdict.bound else 0
    told = times >= 1.5 and verdict.relation == "at most"
    return f"missed by {by}" + (f", {times:.1f} times what is allowed" if told else "")


def _bar(verdict: Verdict) -> Bar | None:
    if verdict.value is None:
        return None
    top = 1.0 if verdict.unit is Unit.SHARE else 1.15 * max(verdict.value, verdict.bound)
    if top <= 0:
        return None
    return Bar(
        min(1.0, max(0.0, verdict.value / top)), min(1.0, verdict.bound / top), verdict.relation == "at most"
    )


def signed(value: float, unit: Unit) -> str:
    """Write a margin with its sign; of shares in points."""
    return f"{'+' if value > 0 else _MINUS if value < 0 else ''}{format_difference(abs(value), unit)}"


def format_difference(value: float, unit: Unit) -> str:
    """Write the size of a difference; of shares in points."""
    text = format_value(value, unit)
    return text.replace(" %", " points") if unit is Unit.SHARE else text


def sequences(record: Record) -> list[Sequel]:
    """Return the parts of the failover after each event."""
    made = []
    for found in record.decomposition:
        spans = tuple(_spans(found))
        ends = [t for span in spans for t in (span.start, span.end) if t is not None]
        title = f"after the {found.uplink} {found.kind}".replace("_", " ").replace("  ", " ")
        made.append(Sequel(title, spans, min([0.0, *ends]), max([0.001, *ends])))
    return made


def _spans(found: Decomposition) -> Iterator[Span]:
    kind = found.kind.replace("_", " ")
    yield _span(found, kind, found.impairment_ns, found.recovered_ns, "event")
    if not found.uplink:
        yield _span(found, "until a request went wrong", found.impairment_ns, found.service_lost_ns, "wait")
        yield _span(found, "without an answer", found.service_lost_ns, found.service_back_ns, "gone")
        return
    yield _span(found, "no heartbeat answered", found.first_lost_ns, found.first_good_ns, "gone")
    backup = found.backup or "another uplink"
    yield _span(found, f"until {backup} carries", found.impairment_ns, found.first_backup_ns, "wait")
    if found.service_back_ns is not None:
        yield _span(found, "until the tenant answers", found.impairment_ns, found.service_back_ns, "wait")
    yield _span(found, f"back on {found.uplink} after its end", found.recovered_ns, found.returned_ns, "back")
    if found.new_returned_ns is not None:
        yield _span(found, f"new flows on {found.uplink}", found.recovered_ns, found.new_returned_ns, "back")


def _span(found: Decomposition, label: str, start_ns: int | None, end_ns: int | None, look: str) -> Span:
    start = None if start_ns is None else (start_ns - found.impairment_ns) / 1e9
    if start is None or start_ns is None:
        return Span(label, 0.0, None, look, "did not come")
    if end_ns is None:
        return Span(label, start, None, look, "never")
    return Span(label, start, (end_ns - found.impairment_ns) / 1e9, look, format_duration(end_ns - start_ns))


def certificate(record: Record) -> list[tuple[str, str]]:
    """Return what the emulation says of itself."""
    found = record.fidelity
    if found is None:
        return [("certificate", "none: the links were not closed")]
    told = [
        ("emulation", "valid" if found.valid else f"INVALID: {found.reason}"),
        ("back end", found.backend),
        ("RTT against the schedule (p95)", _maybe(found.rtt_error_p95_ns, format_duration)),
        ("taken by the hypervisor", _maybe(found.stolen_share, format_share)),
        ("longest wait for a processor", _waited(found)),
    ]
    if found.missing:
        told.append(("not told by this back end", ", ".join(found.missing)))
    told += [("ended unasked", f"{end}{': ' if end.said else ''}{end.said}") for end in record.ends]
    told += [(f"mishap: {mishap.step}", mishap.said) for mishap in record.mishaps]
    return told + [("note", note) for note in record.notes]


LINK_HEADINGS = (
    "link", "packets", "late p50", "late p99", "late p99.9", "latest", "loss asked", "loss achieved",
    "rate asked", "rate achieved", "not asked for",
)  # fmt: skip


def links(record: Record) -> list[tuple[str, ...]]:
    """Return a row for each link and direction of the certificate; what is not known is a dash."""
    return [
        _link(name, figures) for name, figures in (record.fidelity.links if record.fidelity else {}).items()
    ]


def _link(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    late_keys = ("late_p50_ns", "late_p99_ns", "late_p999_ns", "late_ns_max")
    late = [_maybe(figures.get(key), format_duration) for key in late_keys]
    loss = [_maybe(figures.get(key), format_share) for key in ("loss_asked", "loss_achieved")]
    rate = [_maybe(figures.get(key), format_rate) for key in ("rate_asked_bps", "rate_achieved_bps")]
    lost, moved = figures.get("unasked_losses"), figures.get("unasked_reorderings")
    unasked = f"{_maybe(lost, '{:,}'.format)} lost, {_maybe(moved, '{:,}'.format)} reordered"
    return (name, _maybe(figures.get("packets"), "{:,}".format), *late, *loss, *rate, unasked)


def _waited(found: Fidelity) -> str:
    return f"{_maybe(found.waited_ns_max, format_duration)} {found.waited}".strip()


def _maybe(value: Any, write: Any) -> str:
    return "–" if value is None else str(write(value))


def provenance(record: Record) -> list[tuple[str, str]]:
    """Return what must be known to make this run again."""
    host = record.host
    tools = [f"{name}: {said}" for name, said in record.versions.tools.items()]
    packages = ", ".join(f"{name} {version}" for name, version in record.versions.packages.items())
    return [
        ("scenario", record.title),
        ("started", f"{iso(record.started_ns or record.created_ns)}"),
        ("length", format_duration(record.duration_ns)),
        ("seed", str(record.seed)),
        ("hub's bench", record.bench),
        ("tenant", " in ".join(filter(None, (record.tenant.account or record.tenant.kind, record.tenant.region)))),
        (
            "testbed",
            f"{record.versions.testbed}, commit {record.versions.source}, Python {record.versions.python}",
        ),
        ("host", f"{host.cpu}, {host.cores} cores, {host.system}, Linux {host.kernel}"),
        ("tools", "; ".join(tools)),
        ("packages", packages),
    ]
