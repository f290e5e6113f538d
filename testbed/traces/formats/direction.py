"""Which direction a recording counts: by the words of its file's name, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from testbed.errors import InputError
from testbed.model.trace import Loss, Series, SeriesName
from testbed.traces.formats import base


class Way(StrEnum):
    """A direction as the user names it: ``up`` is away from the hub."""

    UP = "up"
    DOWN = "down"


_WORDS: Mapping[str, Way] = {
    **dict.fromkeys(("up", "uplink", "upload", "upstream", "uploading", "ul"), Way.UP),
    **dict.fromkeys(("down", "downlink", "download", "downstream", "downloading", "dl"), Way.DOWN),
}
_ENDINGS = (".gz", ".txt", ".log", ".dat", ".csv", ".trace")
_SERIES = (
    (SeriesName.UP_DELAY, SeriesName.DOWN_DELAY),
    (SeriesName.UP_RATE, SeriesName.DOWN_RATE),
    (SeriesName.UP_LOSS, SeriesName.DOWN_LOSS),
)


def of_name(path: Path) -> Way | None:
    """Return the direction that a file's name tells: by its ending (.up, .down), else by its words."""
    name = path.name.lower()
    while name.endswith(_ENDINGS):
        name = name.rsplit(".", 1)[0]
    if (way := _WORDS.get(name.rsplit(".", 1)[-1])) and "." in name:
        return way
    found = {_WORDS[word] for word in re.split(r"[^a-z]+", name) if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def taken(path: Path, otherwise: Way) -> tuple[Way, str]:
    """Return the direction of a recording that has one, and in words where that is known from."""
    if way := of_name(path):
        return way, f"direction {way} by the file's name"
    return otherwise, f"nothing tells the direction: taken for {otherwise} (--direction says another)"


def turned(recording: base.Recording, way: Way) -> base.Recording:
    """Return a recording of one direction as one of ``way``.

    Raises InputError where it has both directions, or none.
    """
    names = [name for pair in _SERIES for name in pair if name in recording.series]
    found = {_way(name) for name in names}
    if len(found) != 1:
        what = "both directions" if found else "no series of one direction"
        raise InputError("--direction", f"the recording has {what}", "leave it out")
    if found == {way}:
        return recording
    series = {_other(name): _lost_in(series, way) for name, series in recording.series.items()}
    framing = {_other(name): framing for name, framing in recording.framing.items()}
    notes = (*recording.notes, f"direction {way} as the user said")
    return replace(recording, series=series, framing=framing, notes=notes)


def _way(name: SeriesName) -> Way:
    return Way.UP if any(name is up for up, _ in _SERIES) else Way.DOWN


def _other(name: SeriesName) -> SeriesName:
    pair = next((pair for pair in _SERIES if name in pair), (name, name))
    return pair[1] if name is pair[0] else pair[0]


def _lost_in(series: Series, way: Way) -> Series:
    there, here = (Loss.DOWN, Loss.UP) if way is Way.UP else (Loss.UP, Loss.DOWN)
    loss = series.loss.copy()
    loss[series.loss == there] = here
    return Series.of(series.t_ns, series.value, loss)
