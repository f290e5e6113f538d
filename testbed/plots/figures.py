"""Every kind of figure by its name, and how one is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from testbed import plots
from testbed.errors import InputError
from testbed.plots import (
    delays,
    distribution,
    failover,
    handovers,
    heatmap,
    offload,
    style,
    sweep,
    timers,
)
from testbed.result.campaign import FILE, Campaign
from testbed.result.store import Result

DPI = 160
FORMATS: Mapping[str, Mapping[str, None | str]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Producer": None},
}
"""What a file's ending means; without a date, the same results give the same bytes."""


def write(kind: str, folders: Sequence[Path], out: Path) -> Path:
    """Draw a figure of results into a file. Raises InputError for an ending or results that it cannot take."""
    if out.suffix not in FORMATS:
        raise InputError(str(out), f"ending {out.suffix!r}", f"one of {', '.join(FORMATS)}")
    with matplotlib.rc_context(dict(style.RC)):
        FIGURES[kind](folders).savefig(out, dpi=DPI, metadata=dict(FORMATS[out.suffix]))
    return out


def runs(folders: Sequence[Path]) -> list[Result]:
    """Read runs, those of a campaign one by one. Raises InputError."""
    found: list[Result] = []
    for folder in folders:
        found += Campaign.load(folder).results if (folder / FILE).exists() else [Result.load(folder)]
    return found


def _timeline(folders: Sequence[Path]) -> Figure:
    return plots.draw(Result.load(_only(folders, "timeline")))


def _campaign(folders: Sequence[Path]) -> Figure:
    return sweep.draw(Campaign.load(_only(folders, "campaign")))


def _only(folders: Sequence[Path], kind: str) -> Path:
    if len(folders) != 1:
        raise InputError(f"testbed plot {kind}", f"{len(folders)} results", "name one")
    return folders[0]


FIGURES: Mapping[str, Callable[[Sequence[Path]], Figure]] = {
    "timeline": _timeline,
    "campaign": _campaign,
    "decomposition": lambda folders: failover.draw(runs(folders)),
    "handovers": lambda folders: handovers.draw(Result.load(_only(folders, "handovers"))),
    "distribution": lambda folders: distribution.draw(runs(folders)),
    "heatmap": lambda folders: heatmap.draw(runs(folders)),
    "offload": lambda folders: offload.draw(runs(folders)),
    "timers": lambda folders: timers.draw(runs(folders)),
    "delays": lambda folders: delays.draw(Result.load(_only(folders, "delays"))),
}
