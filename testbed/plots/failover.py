"""How long each part of a failover took, of several configurations side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from testbed.errors import InputError
from testbed.metrics.decomposition import Decomposition
from testbed.metrics.kinds import kind_of
from testbed.plots import sheet, style
from testbed.result.store import Result

PARTS: Mapping[str, tuple[str, str]] = {
    "until another uplink carries": ("impairment_ns", "first_backup_ns"),
    "no heartbeat answered": ("first_lost_ns", "first_good_ns"),
    "until the tenant answers": ("impairment_ns", "service_back_ns"),
    "back on it after its end": ("recovered_ns", "returned_ns"),
}
_LOOKS = ((style.BLUE, ""), (style.VERMILLION, "////"), (style.PURPLE, "...."), (style.GREEN, "\\\\\\\\"))


def draw(results: Sequence[Result]) -> Figure:
    """Draw a row of bars for each configuration: medians of the first event's parts, a dot for every run.

    A part that never came in a run is told in words. Raises InputError where no run has an event to take apart.
    """
    found = {
        name: [(d, _asks(each)) for each in runs for d in each.record.decomposition[:1] if d.uplink]
        for name, runs in sheet.groups(results).items()
    }
    found = {name: parts for name, parts in found.items() if parts}
    if not found:
        raise InputError(
            str(results[0].folder), "no failover in it", "name runs with an event on the carrying uplink"
        )
    figure = sheet.sheet(
        "Parts of a failover",
        "bar: median, dot: each run, from the first event on the uplink that carried",
        results,
        1.9 + 0.95 * len(found),
    )
    (axes,) = sheet.panels(figure, 1, left=0.24)
    axes.grid(True, axis="x", color=style.RULE, linewidth=0.4)
    axes.set_axisbelow(True)
    for row, parts in enumerate(found.values()):
        for place, ((label, ends), (colour, hatch)) in enumerate(zip(PARTS.items(), _LOOKS, strict=True)):
            y = row - 0.3 + 0.2 * place
            took = [_took(part, *ends) for part, asks in parts if asks or ends[1] != "service_back_ns"]
            if not took:
                continue
            known = [each for each in took if each is not None]
            if known:
                axes.barh(
                    y, float(np.median(known)), 0.18, color="white" if hatch else colour, edgecolor=colour,
                    hatch=hatch, linewidth=0.8, label=label if row == 0 else None,
                )  # fmt: skip
                axes.plot(known, [y] * len(known), "o", color=style.BLACK, markersize=2.5, zorder=3)
                axes.text(max(known), y, f"  {float(np.median(known)):.3g} s", va="center", fontsize=7)
            if len(known) < len(took):
                word = "never" if not known else f"never in {len(took) - len(known)} of {len(took)}"
                x = max(known, default=0.0)
                axes.text(
                    x, y, f"{'             ' if known else '  '}{label}: {word}", va="center", fontsize=7
                )
    axes.set_yticks(
        range(len(found)),
        [f"{sheet.wrapped(name, 32)}\n({sheet.counted(len(parts))})" for name, parts in found.items()],
    )
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.12)
    axes.set_xlabel("time (s)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    handles, labels = _legend()
    figure.legend(
        handles,
        labels,
        loc="upper right",
        bbox_to_anchor=(0.985, 0.995),
        ncols=2,
        frameon=False,
        fontsize=7.5,
    )
    return figure


def _asks(result: Result) -> bool:
    """Whether a run asked the tenant for anything."""
    return any(kind_of(table) == "http-get" for table in result.evidence.samples.values())


def _took(found: Decomposition, start: str, end: str) -> float | None:
    """Return the length of a part in s; None where it did not begin or never ended."""
    first, last = getattr(found, start), getattr(found, end)
    return None if first is None or last is None else max(0.0, (last - first) / 1e9)


def _legend() -> tuple[list[Patch], list[str]]:
    handles = [
        Patch(facecolor="white" if hatch else colour, edgecolor=colour, hatch=hatch)
        for colour, hatch in _LOOKS
    ]
    return handles, list(PARTS)
