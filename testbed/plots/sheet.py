"""What figures of several runs share: groups by configuration, title, footer, looks that grey keeps apart."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from testbed.errors import InputError
from testbed.plots import style
from testbed.result.record import State
from testbed.result.store import Result

WIDTH_INCHES = 9.5
LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = "osD^vPX*"
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.BLACK, style.SKY, style.VERMILLION)
_REPETITION = ("seed", "shift")  # changes that make another run of the same configuration
FOOTER_LETTERS = 165


def configurations(results: Sequence[Result]) -> dict[Path, str]:
    """Return by each run's folder what was changed in it, but for seeds and phases; ``as written``: nothing was.

    Runs of a scenario of which that is the same, and what was under test is not, are told apart by their commits.
    """
    tested: dict[tuple[str, str], set[tuple[tuple[str, str], ...]]] = {}
    for result in results:
        key = (result.record.scenario, _changed(result))
        tested.setdefault(key, set()).add(tuple(sorted(result.record.under_test.items())))
    return {
        result.folder: f"{name}, {result.record.versions.source}"
        if len(tested[result.record.scenario, name]) > 1
        else name
        for result in results
        for name in [_changed(result)]
    }


def _changed(result: Result) -> str:
    kept = [change for change in result.record.changes if change.partition("=")[0] not in _REPETITION]
    return ", ".join(kept) or "as written"


def groups(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return complete runs by their configuration, in the order given. Raises InputError where none is complete."""
    complete = [result for result in results if result.record.state is State.COMPLETE]
    if not complete:
        raise InputError(
            str(results[0].folder) if results else "results", "no complete run", "name some that ended"
        )
    several, configured = len({result.record.scenario for result in complete}) > 1, configurations(complete)
    found: dict[str, list[Result]] = {}
    for result in complete:
        name = configured[result.folder]
        name = f"{result.record.scenario}: {name}" if several else name
        found.setdefault(name, []).append(result)
    return found


def sheet(title: str, told: str, results: Sequence[Result], height: float) -> Figure:
    """Return an empty figure with its title, a line below it, and the footer that says where it comes from."""
    figure = Figure(figsize=(WIDTH_INCHES, height))
    FigureCanvasAgg(figure)
    style.fit(figure.text(0.015, 1 - 0.10 / height, title, fontsize=12.5, weight="bold", va="top"), figure)
    figure.text(0.015, 1 - 0.36 / height, told, fontsize=9, va="top", color=style.GREY)
    figure.text(0.015, 0.07 / height, footer(results), fontsize=6.5, va="bottom", color=style.GREY)
    return figure


def panels(
    figure: Figure,
    rows: int,
    *,
    left: float = 0.09,
    right: float = 0.975,
    bottom: float = 0.85,
    gap: float = 0.35,
    top: float = 0.72,
) -> list[Axes]:
    """Return axes below each other between the title and the footer; ``bottom`` and ``top`` are the rooms
    below and above them, in inches."""
    height = figure.get_size_inches()[1]
    edges = {"left": left, "right": right, "bottom": bottom / height, "top": 1 - top / height}
    grid = figure.add_gridspec(rows, 1, **edges, hspace=gap)
    return [figure.add_subplot(grid[row]) for row in range(rows)]


def footer(results: Sequence[Result]) -> str:
    """Return scenarios, traces, commits and seeds of all runs, files by hash; many are told by one hash of them all."""
    inputs = dict.fromkeys(
        f"{i.role}: {i.name.rsplit('/', 1)[-1]} {i.sha256[:8]}"
        for result in results
        for i in result.record.inputs
        if i.role == "scenario" or i.role.startswith("trace")
    )
    files = "   ".join(inputs)
    if len(files) > FOOTER_LETTERS:
        whole = hashlib.sha256("\n".join(sorted(inputs)).encode()).hexdigest()[:8]
        files = f"{len(inputs)} inputs, together {whole}"
    commits = ", ".join(sorted({result.record.versions.source for result in results}))
    seeds = sorted({result.record.seed for result in results})
    seed = ", ".join(map(str, seeds)) if len(seeds) <= 8 else f"{len(seeds)} of them"
    version = ", ".join(sorted({result.record.versions.testbed for result in results}))
    names = [_told(result.folder) for result in results]
    runs = names[0] if len(names) == 1 else f"{len(names)} runs, {min(names)} to {max(names)}"
    return f"{files}\ntestbed {version}, commit {commits}   seed {seed}   {runs}"


def _told(folder: Path) -> str:
    """Return a run's name; of one in a campaign, the campaign's, too."""
    return f"{folder.parent.name}/{folder.name}" if folder.name.isdecimal() else folder.name


def wrapped(name: str, letters: int) -> str:
    """Return a configuration's name in lines of at most so many letters."""
    return "\n".join(textwrap.wrap(name, letters, break_on_hyphens=False))


def plain_decades(axis: Axis) -> None:
    """Number a logarithmic axis as people do, between its decades too where it has but one or two of them."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))


def counted(number: int) -> str:
    """Return ``1 run``, ``2 runs``."""
    return f"{number} run{'' if number == 1 else 's'}"


def legend_below(axes: Axes) -> None:
    """Put a legend below an axis of times, a row each, where it hides nothing."""
    figure = axes.get_figure(root=True)
    if figure is not None and axes.get_legend_handles_labels()[0]:
        drop = 0.36 / (axes.get_position().height * figure.get_size_inches()[1])
        axes.legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(-0.01, -drop), borderaxespad=0)
