"""The written parts of the figure: title, table of objectives, sequence of a failover, footer."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.metrics.decomposition import Decomposition
from testbed.metrics.kinds import kind_of
from testbed.model.objective import Unit, format_value
from testbed.plots import style
from testbed.result.record import Record, State, iso
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict
from testbed.units import format_duration

SHORT_HASH = 8
TITLE_LETTERS = 72  # of an objective, in the table
WARNING_LETTERS = 90
_SIGNS = {Outcome.PASS: "✔", Outcome.FAIL: "✘", Outcome.INCONCLUSIVE: "?", Outcome.INVALID: "∅"}
# Of the table of objectives: x as a share of its width, and the side on which the text is aligned.
_COLUMNS = ((0.0, "left"), (0.13, "left"), (0.76, "right"), (0.885, "right"), (1.0, "right"))


def title(figure: Figure, record: Record) -> None:
    """Write the scenario, its question, and how the run ended where it did not complete."""
    figure.text(0.015, 0.984, record.title, fontsize=14, weight="bold", va="top")
    question = record.question[:1].upper() + record.question[1:]
    figure.text(0.015, 0.953, question, fontsize=10.5, va="top", color=style.GREY)
    figure.text(0.985, 0.984, _warning(record), va="top", ha="right", color=style.VERMILLION, weight="bold")


def _warning(record: Record) -> str:
    """Return why the figure must not be taken for a good run's; ``""`` where it may."""
    if record.state is not State.COMPLETE:
        first = next(iter(record.error.splitlines()), "")
        return _cut(f"{record.state}: {first or 'cut short'}", WARNING_LETTERS)
    if record.fidelity is not None and not record.fidelity.valid:
        return _cut(f"invalid: {record.fidelity.reason}", WARNING_LETTERS)
    return ""


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def verdict_table(axes: Axes, record: Record) -> None:
    """Write each objective with its verdict, value, margin and number of samples."""
    axes.set_axis_off()
    rows = [("", "objective", "measured", "margin", "samples")]
    rows += [_row(verdict) for verdict in record.verdicts]
    height = 1 / max(len(rows), 7)
    size = min(8.5, 100 * height * 0.85)  # the table is about 100 points high
    for line, row in enumerate(rows):
        y = 1 - (line + 0.5) * height
        outcome = record.verdicts[line - 1].outcome if line else None
        for (x, side), text in zip(_COLUMNS, row, strict=True):
            strong = outcome is not None and x == 0
            colour = (
                style.OUTCOME_COLOURS[outcome]
                if strong and outcome
                else style.GREY
                if line == 0
                else style.BLACK
            )
            axes.text(
                x,
                y,
                text,
                ha=side,
                va="center",
                color=colour,
                size=size,
                weight="bold" if strong else "normal",
            )
    axes.axhline(1 - height, color=style.FAINT, linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    if not record.verdicts:
        axes.text(0, 1 - 1.6 * height, "no objective was judged", color=style.GREY, style="italic")


def _row(verdict: Verdict) -> tuple[str, str, str, str, str]:
    margin = "" if verdict.margin is None else _signed(verdict.margin, verdict.unit)
    outcome = f"{_SIGNS[verdict.outcome]} {verdict.outcome}"
    title = f"{verdict.title}: {verdict.reason}" if verdict.outcome is Outcome.INCONCLUSIVE else verdict.title
    return outcome, _cut(title, TITLE_LETTERS), verdict.measured, margin, f"{verdict.samples:,}"


def _signed(value: float, unit: Unit) -> str:
    sign = "+" if value > 0 else "−"  # noqa: RUF001
    text = f"{abs(value) * 100:.4g} points" if unit is Unit.SHARE else format_value(abs(value), unit)
    return f"{sign}{text}" if value else "0"


def sequence(axes: Axes, result: Result) -> None:
    """Write what followed the first event, step by step, with the time since the event."""
    record = result.record
    asked = any(kind_of(table) == "http-get" for table in result.evidence.samples.values())
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    if not record.decomposition:
        return
    found = record.decomposition[0]
    height = 1 / (8 if record.facts.new_flows else 7)
    what = f"{found.uplink} {found.kind}".strip().replace("_", " ")
    axes.text(0, 1 - height / 2, f"after the {what}", color=style.GREY, va="center")
    axes.text(1, 1 - height / 2, "time since", color=style.GREY, va="center", ha="right")
    axes.axhline(1 - height, color=style.FAINT, linewidth=0.6)
    moments = _moments(found, asked, bool(record.facts.new_flows))
    for line, (what, when) in enumerate(moments, start=1):
        y = 1 - (line + 0.5) * height
        axes.text(0, y, what, va="center")
        axes.text(1, y, when, va="center", ha="right")


def _moments(found: Decomposition, asked: bool, new_flows: bool) -> Iterator[tuple[str, str]]:
    start, end = found.impairment_ns, found.recovered_ns
    if not found.uplink:
        yield "first request failed", _since(found.service_lost_ns, start)
        yield "next answer from the tenant", _since(found.service_back_ns, start)
        yield f"{found.kind.replace('_', ' ')} over", _since(end, start)
        return
    yield "first lost heartbeat sent", _since(found.first_lost_ns, start)
    yield f"first packet on {found.backup or 'another uplink'}", _since(found.first_backup_ns, start)
    yield "first good heartbeat sent", _since(found.first_good_ns, start)
    if asked:
        yield "first answer from the tenant", _since(found.service_back_ns, start)
    yield f"{found.kind.replace('_', ' ')} over", _since(end, start)
    if new_flows:
        yield f"new flows back on {found.uplink} (since its end)", _since(found.new_returned_ns, end)
    yield f"back on {found.uplink} (since its end)", _since(found.returned_ns, end)


def _since(t_ns: int | None, origin_ns: int) -> str:
    if t_ns is None:
        return "never"
    return format_duration(t_ns - origin_ns) if t_ns != origin_ns else "0 s"


def footer(figure: Figure, record: Record) -> None:
    """Write where the figure comes from: inputs with hashes, commit, seed, date, host, fidelity."""
    hashes = [i for i in record.inputs if i.role == "scenario" or i.role.startswith("trace")]
    inputs = "   ".join(f"{i.role}: {i.name.rsplit('/', 1)[-1]} {i.sha256[:SHORT_HASH]}" for i in hashes)
    host = record.host
    run = (
        f"testbed {record.versions.testbed}, commit {record.versions.source}   seed {record.seed}   "
        f"{(iso(record.started_ns or record.created_ns) or '')[:19].replace('T', ' ')} UTC   "
        f"{host.cpu}, {host.cores} cores, Linux {host.kernel}"
    )
    figure.text(0.015, 0.030, inputs, fontsize=7, color=style.GREY, va="bottom")
    figure.text(0.015, 0.012, run, fontsize=7, color=style.GREY, va="bottom")
    figure.text(0.985, 0.030, _fidelity(record), fontsize=7, color=style.GREY, va="bottom", ha="right")


def _fidelity(record: Record) -> str:
    if record.fidelity is None:
        return "emulation: no certificate"
    if not record.fidelity.valid:
        return "emulation INVALID: it missed its fidelity budget"
    error = record.fidelity.rtt_error_p95_ns
    shown = "" if error is None else f", RTT within {format_duration(error)} of the schedule (p95)"
    unchecked = f", as far as {record.fidelity.backend} can tell" if record.fidelity.missing else ""
    return f"emulation valid{unchecked}{shown}"
