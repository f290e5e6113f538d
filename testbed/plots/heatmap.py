"""Scenario and objective against configuration: verdict and margin of each."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from testbed.model.objective import Unit, format_value
from testbed.plots import sheet, style
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict

_SIGNS = {Outcome.PASS: "✔", Outcome.FAIL: "✘", Outcome.INCONCLUSIVE: "?", Outcome.INVALID: "∅"}
_ORDER = (Outcome.FAIL, Outcome.INVALID, Outcome.INCONCLUSIVE, Outcome.PASS)  # the worst first
LETTERS = 58


def draw(results: Sequence[Result]) -> Figure:
    """Draw a cell for each objective of each scenario and each configuration, of its worst run.

    The darker a cell, the nearer to the bound (or beyond it): readable in grey; the sign and the words say the rest.
    """
    sheet.groups(results)  # some are complete
    configured = sheet.configurations(results)
    columns = list(dict.fromkeys(configured.values()))
    cells: dict[tuple[str, str], dict[str, list[Verdict]]] = {}
    for result in results:
        for verdict in result.record.verdicts:
            row = cells.setdefault((result.record.scenario, verdict.key or verdict.title), {})
            row.setdefault(configured[result.folder], []).append(verdict)
    titles = {key: next(iter(row.values()))[0].title for key, row in cells.items()}
    figure = sheet.sheet(
        "Verdicts by scenario and configuration",
        "each cell: the worst run's verdict, value, margin to the bound, how many runs passed; dark: missed",
        results,
        2.3 + 0.36 * max(3, len(cells)),
    )
    (axes,) = sheet.panels(figure, 1, left=0.4, bottom=0.5, top=1.15)
    for at, (key, judged) in enumerate(cells.items()):
        for column, name in enumerate(columns):
            _cell(axes, column, at, judged.get(name, []))
        scenario, _ = key
        title = titles[key] if len(titles[key]) <= LETTERS else f"{titles[key][: LETTERS - 1]}…"
        axes.text(-0.02, at - 0.17, scenario, ha="right", va="center", fontsize=6.5, color=style.GREY,
                  transform=axes.get_yaxis_transform())  # fmt: skip
        axes.text(
            -0.02,
            at + 0.17,
            title,
            ha="right",
            va="center",
            fontsize=7.5,
            transform=axes.get_yaxis_transform(),
        )
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), [name.replace(", ", "\n").replace("=", "=\n") for name in columns])
    axes.tick_params(labelsize=7.5 if len(columns) < 6 else 6)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _cell(axes: Axes, column: int, row: int, verdicts: Sequence[Verdict]) -> None:
    place = (column - 0.48, row - 0.45)
    if not verdicts:
        axes.add_patch(Rectangle(place, 0.96, 0.9, facecolor="white", edgecolor=style.RULE, linewidth=0.5))
        axes.text(column, row, "not asked", ha="center", va="center", fontsize=7, color=style.GREY)
        return
    worst = min(verdicts, key=lambda v: (_ORDER.index(v.outcome), v.margin if v.margin is not None else 0.0))
    shade, ink = _shade(worst)
    hatch = "////" if worst.outcome in (Outcome.INCONCLUSIVE, Outcome.INVALID) else None
    axes.add_patch(
        Rectangle(place, 0.96, 0.9, facecolor=shade, edgecolor=style.FAINT, hatch=hatch, linewidth=0.4)
    )
    passed = sum(v.outcome is Outcome.PASS for v in verdicts)
    margin = "" if worst.margin is None else _signed(worst.margin, worst.unit)
    count = f"{passed} of {len(verdicts)}" if len(verdicts) > 1 else ""
    text = axes.text(
        column, row - 0.17, f"{_SIGNS[worst.outcome]} {worst.measured}", ha="center", va="center"
    )
    text.set(fontsize=7.5, color=ink, weight="bold" if worst.outcome is Outcome.FAIL else "normal")
    below = axes.text(column, row + 0.2, "  ".join(filter(None, (margin, count))), ha="center", va="center")
    below.set(fontsize=6.5, color=ink)
    if hatch:
        below.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})


def _shade(verdict: Verdict) -> tuple[str, str]:
    """Return a cell's colour and that of its letters: lightness falls as the margin does."""
    if verdict.outcome is Outcome.FAIL:
        return "#8C3A00", "white"
    if verdict.outcome is not Outcome.PASS:
        return "#F2F2F2", style.BLACK
    room = (
        0.0
        if verdict.margin is None
        else verdict.margin / max(abs(verdict.bound), abs(verdict.margin), 1e-12)
    )
    return ("#B5DCCB", "#CFE9DE", "#E6F4EE", "#F4FAF7")[min(3, int(room * 4))], style.BLACK


def _signed(value: float, unit: Unit) -> str:
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    text = format_value(abs(value), unit)
    return f"{sign}{text.replace(' %', ' points') if unit is Unit.SHARE else text}"
