"""A profile: the parameters of a synthetic path, each section with the source of its figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from testbed import units
from testbed.errors import NOWHERE, InputError, Place, Problem, did_you_mean
from testbed.model.quantities import Duration, Rate, Share
from testbed.model.trace import Layer, Parameter
from testbed.yaml import load

FOLDER = Path(__file__).parents[2] / "scenarios" / "profiles"
_CADENCE = "chosen: as fine as the finest recording (uvic-leonetem), so that gaps at handovers are seen"


@dataclass(frozen=True)
class DurationQuantiles:
    """A spread of durations: 5 %, half and 95 % lie below these."""

    p5: Duration
    p50: Duration
    p95: Duration


@dataclass(frozen=True)
class RateQuantiles:
    """A spread of rates: 5 %, half and 95 % lie below these; ``layer`` says what was counted."""

    p5: Rate
    p50: Rate
    p95: Rate
    layer: Layer = Layer.FRAME


@dataclass(frozen=True)
class Level:
    """The RTT below which the path does not fall for a while; a new one is drawn ``every`` so often.

    ``memory`` is the correlation of one level with the next, 0 to 1.
    """

    every: Duration
    memory: float
    rtt: DurationQuantiles
    source: str


@dataclass(frozen=True)
class Jitter:
    """What queues and the radio's frames add to the level; half of it drifts over ``correlation``."""

    added: DurationQuantiles
    correlation: Duration
    source: str


@dataclass(frozen=True)
class Spread:
    """The RTT of a recording, in place of level and jitter: what `trace fit` reads off.

    ``rtt``: its quantiles at even distances, from the least to the greatest; ``tail``: the same between the last two
    of them. A level lasts ``every``; levels explain the share ``between`` of the variance (of normal scores), and
    neighbouring ones are ``step`` apart (median). Of the rest the share ``drift`` drifts over ``correlation``.
    """

    every: Duration
    rtt: tuple[Duration, ...]
    between: Share
    step: Duration
    drift: Share
    correlation: Duration
    source: str
    tail: tuple[Duration, ...] = ()


@dataclass(frozen=True)
class Spell:
    """So many ``times`` something ``lasted`` so long; probes were ``lost`` in it for less, where said."""

    lasted: Duration
    times: int = 1
    lost: Duration | None = None


@dataclass(frozen=True)
class Handover:
    """What a reassignment of satellites does at the boundary of two levels.

    In ``share`` of them nothing passes for ``gap``, from ``lead`` before the boundary; the first RTT
    after a gap is ``peak`` above the level, and falls back within ``settle`` (time constant). ``gaps`` are the recorded
    ones, in place of ``gap``.
    """

    lead: Duration
    share: Share
    gap: DurationQuantiles
    peak: Duration
    settle: Duration
    source: str
    gaps: tuple[Spell, ...] = ()


@dataclass(frozen=True)
class Bursts:
    """Losses that no handover explains: one ``every`` so often, ``single`` of them one probe long.

    ``runs`` are the recorded ones, in place of ``single`` and ``longest``.
    """

    every: Duration
    single: Share
    longest: Duration
    source: str
    runs: tuple[Spell, ...] = ()


@dataclass(frozen=True)
class Outage:
    """Longer absences of one cause: how often, and how long (log-normal, cut at ``longest``).

    ``recorded`` are those of a recording, in place of ``median`` and ``longest``.
    """

    cause: str
    every: Duration
    median: Duration
    longest: Duration
    source: str
    recorded: tuple[Spell, ...] = ()


@dataclass(frozen=True)
class RateModel:
    """Capacity of both directions; new values are drawn ``every`` so often, correlated by ``memory``."""

    every: Duration
    memory: float
    down: RateQuantiles
    up: RateQuantiles
    source: str


@dataclass(frozen=True)
class Profile:
    """A kind of path. ``cadence`` is the distance of the probes in what is made from it.

    Its RTT is ``level`` and ``jitter``, or the ``spread`` of a recording.
    """

    about: str
    cadence: Duration
    level: Level | None = None
    jitter: Jitter | None = None
    spread: Spread | None = None
    rate: RateModel | None = None
    handover: Handover | None = None
    bursts: Bursts | None = None
    outages: tuple[Outage, ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        stated = (self.level is not None, self.jitter is not None, self.spread is not None)
        if stated not in ((True, True, False), (False, False, True)):
            yield Problem(self.place, "no RTT, or two", "write level and jitter, or spread")
            return
        if self.spread:
            yield from self._spread_problems(self.spread)
        if self.cadence <= 0 or self.every < self.cadence:
            yield Problem(
                self.place.at("cadence"),
                "cadence is longer than a level lasts, or 0",
                "write 10 ms",
            )
        for section, key in self._quantiles():
            if not 0 < section.p5 <= section.p50 <= section.p95:
                yield Problem(
                    self.place.at(key),
                    f"{key} is not in order",
                    "write p5 <= p50 <= p95, all above 0",
                )
        for memory, key in (
            (self.level.memory if self.level else 0, "level"),
            (self.rate.memory if self.rate else 0, "rate"),
        ):
            if not 0 <= memory < 1:
                yield Problem(self.place.at(key), f"memory is {memory}", "write 0 to less than 1")

    def _spread_problems(self, spread: Spread) -> Iterator[Problem]:
        rtt = (*spread.rtt[:-1], *spread.tail, *spread.rtt[-1:])
        if len(spread.rtt) < 2 or sorted(rtt) != list(rtt) or rtt[0] <= 0:
            yield Problem(
                self.place.at("spread"), "rtt is not in order", "write two or more, rising, all above 0"
            )
        if spread.correlation <= 0:
            yield Problem(self.place.at("spread"), "correlation is 0", "write the cadence or more")

    @property
    def every(self) -> int:
        """How long a level lasts, ns."""
        section = self.spread or self.level
        return section.every if section else 0

    def _quantiles(self) -> Iterator[tuple[DurationQuantiles | RateQuantiles, str]]:
        if self.level and self.jitter:
            yield from ((self.level.rtt, "level"), (self.jitter.added, "jitter"))
        if self.handover:
            yield self.handover.gap, "handover"
        if self.rate:
            yield from ((self.rate.down, "rate"), (self.rate.up, "rate"))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every number of the profile with its source, for the provenance of what is made from it."""
        sections = [
            (name, getattr(self, name))
            for name in ("level", "jitter", "spread", "handover", "bursts", "rate")
        ]
        sections += [(f"outage {outage.cause}", outage) for outage in self.outages]
        found = [Parameter("cadence", units.format_duration(self.cadence), _CADENCE)]
        return tuple(found + [p for name, section in sections if section for p in _parameters(name, section)])


def _parameters(name: str, section: Any) -> Iterator[Parameter]:
    for key, value in _leaves(name, section):
        yield Parameter(key, value, section.source)


def _leaves(name: str, section: Any) -> Iterator[tuple[str, str]]:
    hints = get_type_hints(type(section), include_extras=True)
    for item in dataclasses.fields(section):
        value = getattr(section, item.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(f"{name}.{item.name}", value)
        elif item.name not in ("source", "cause") and value != ():
            yield f"{name}.{item.name}", _written(value, hints[item.name])


def _written(value: Any, hint: Any) -> str:
    """Write a value with its unit, as it stands in the YAML."""
    writers = {
        Duration: units.format_duration,
        Rate: units.format_rate,
        Share: units.format_share,
    }
    if isinstance(value, tuple):
        return ", ".join(
            _stretch(one) if isinstance(one, Spell) else units.format_duration(one) for one in value
        )
    return writers[hint](value) if hint in writers else str(value)


def _stretch(stretch: Spell) -> str:
    lost = "" if stretch.lost is None else f" ({units.format_duration(stretch.lost)} lost)"
    return f"{stretch.times} x {units.format_duration(stretch.lasted)}{lost}"


def names(folder: Path = FOLDER) -> list[str]:
    """Return the profiles that exist."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read(name: str, folder: Path = FOLDER) -> Profile:
    """Read a profile by name, or a YAML file by path. Raises InputError."""
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file():
        raise InputError("", f"no profile {name!r}", did_you_mean(name, names(folder)))
    return dataclasses.replace(load.read(path, Profile), name=path.stem)
