"""The search for the smallest event that breaks an objective: which point to run next, from what the others told.

A search is a generator: it gives a point, is sent the objective's margin there (negative where it is broken, None where
the run could not tell) and gives the next. It has no state but that, and no luck but its seed: sent the same margins,
it gives the same points, so a hunt that was interrupted continues by sending what is already known.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from testbed.errors import InputError

Point = tuple[int, ...]
Parts = tuple[float, ...]
Search = Generator[Point, float | None, None]

_NEAR = 0.15
"""How far from the least margin every other point of the exploration lies, as a part of each dimension."""
_TRIES = 1000
"""How many points are looked for in one place before it counts as searched, most of which may be known."""


@dataclass(frozen=True)
class Dimension:
    """A key that is searched from ``low`` to ``high``, in steps of ``step``: whole numbers of one unit.

    Of a ``size``, less is a smaller event, and it is shrunk; where an event is placed is only explored.
    """

    key: str
    low: int
    high: int
    step: int
    size: bool = True

    def __post_init__(self) -> None:
        """Refuse a range without room. Raises InputError."""
        if self.step <= 0 or self.high - self.low < self.step:
            found = f"{self.low}..{self.high} in steps of {self.step}"
            raise InputError(self.key, found, "give a step above 0 and an end at least one step after the start")

    @property
    def steps(self) -> int:
        """How many steps lie between its ends."""
        return (self.high - self.low) // self.step

    def at(self, part: float) -> int:
        """Return the value at a part of the range, on a step: 0 is the lowest, 1 the highest."""
        return self.low + round(min(max(part, 0.0), 1.0) * self.steps) * self.step

    def part(self, value: int) -> float:
        """Return what part of the range lies below a value."""
        return (value - self.low) / (self.steps * self.step)


@dataclass(frozen=True)
class Found:
    """The smallest point that breaks the objective, and those that hold one step below it in a size."""

    breaks: Point
    holds: tuple[Point, ...]


@dataclass
class Hunted:
    """What the runs told: the margin at each point, None where all tries were inconclusive; in the order of asking."""

    dimensions: tuple[Dimension, ...]
    margins: dict[Point, float | None] = field(default_factory=dict)

    def broken(self, point: Point) -> bool:
        """Whether the objective is known to be broken at a point."""
        margin = self.margins.get(point)
        return margin is not None and margin < 0

    def size(self, point: Point) -> float:
        """Return how large an event is: the sum of its sizes, each as a part of its range."""
        pairs = zip(self.dimensions, point, strict=True)
        return sum(dimension.part(value) for dimension, value in pairs if dimension.size)

    @property
    def smallest(self) -> Point | None:
        """The smallest point that breaks, the first of equals; None as long as none does."""
        return min(filter(self.broken, self.margins), key=self.size, default=None)

    @property
    def found(self) -> Found | None:
        """The smallest that breaks, with what holds right beside it; None as long as nothing breaks."""
        point = self.smallest
        if point is None:
            return None
        below = (
            _moved(point, place, point[place] - dimension.step)
            for place, dimension in enumerate(self.dimensions)
            if dimension.size and point[place] > dimension.low
        )
        return Found(point, tuple(each for each in below if self._held(each)))

    def _held(self, point: Point) -> bool:
        margin = self.margins.get(point)
        return margin is not None and margin >= 0


def search(known: Hunted, seed: int, runs: int) -> Search:
    """Give the points to run, one after the other, and keep in ``known`` what is sent back; ends where none is left.

    First it explores until one breaks, then halves each size down to a step, then looks for other places where an
    event one step smaller still breaks, and shrinks that; it begins no such look for which ``runs`` would not suffice.
    """
    if not any(dimension.size for dimension in known.dimensions):
        raise InputError("--vary", "no size to shrink", "vary a length, a loss or a timer, too")
    wide, near = (_spread(len(known.dimensions), 2 * seed + number) for number in (0, 1))
    yield from _explore(known, wide, near)
    done: set[Point] = set()
    while (point := known.smallest) is not None:
        if point not in done:
            done.add(point)
            yield from _shrink(known, point)
        elif not (yield from _elsewhere(known, point, wide, near, runs)):
            return


def play(known: Hunted, seed: int, runs: int, ask: Callable[[Point], float | None]) -> Hunted:
    """Ask about at most ``runs`` points that are not yet known, and return what is known then."""
    steps = search(known, seed, runs)
    try:
        point = next(steps)
        for _ in range(runs):
            point = steps.send(ask(point))
    except StopIteration:
        pass
    return known


def _ask(known: Hunted, point: Point) -> Generator[Point, float | None, bool]:
    """Ask about a point unless it is known, and return whether it breaks."""
    if point not in known.margins:
        known.margins[point] = yield point
    return known.broken(point)


def _explore(known: Hunted, wide: Iterator[Parts], near: Iterator[Parts]) -> Search:
    """Ask until one breaks: the largest event, then points that fill the space, and by turns some near the least
    margin."""
    everywhere = tuple(each.high if each.size else each.at(0.5) for each in known.dimensions)
    if (yield from _ask(known, everywhere)):
        return
    for _ in range(_TRIES):
        if (yield from _ask(known, _point(known, next(wide)))):
            return
        told = {point: margin for point, margin in known.margins.items() if margin is not None}
        if told:
            least = min(told, key=lambda point: told[point])
            if (yield from _ask(known, _point(known, _around(known, least, next(near))))):
                return


def _shrink(known: Hunted, point: Point) -> Search:
    """Halve each size between what breaks and what does not, until a step lies between them."""
    for place, dimension in enumerate(known.dimensions):
        if not dimension.size or point[place] == dimension.low:
            continue
        low, high = 0, (point[place] - dimension.low) // dimension.step
        if (yield from _ask(known, _moved(point, place, dimension.low))):
            point = _moved(point, place, dimension.low)
            continue
        while high - low > 1:
            middle = (low + high) // 2
            tried = _moved(point, place, dimension.low + middle * dimension.step)
            if (yield from _ask(known, tried)):
                high, point = middle, tried
            elif known.margins[tried] is None:
                break  # no answer: neither side of it is known to hold
            else:
                low = middle


def _elsewhere(
    known: Hunted, point: Point, wide: Iterator[Parts], near: Iterator[Parts], runs: int
) -> Generator[Point, float | None, bool]:
    """Ask whether an event a step smaller breaks at other places; return whether one does."""
    if all(each.size for each in known.dimensions):
        return False
    smaller = tuple(
        max(each.low, value - each.step) if each.size else value
        for each, value in zip(known.dimensions, point, strict=True)
    )
    if known.size(smaller) == known.size(point):
        return False
    cost = sum(each.steps.bit_length() + 1 for each in known.dimensions if each.size)
    for number in range(_TRIES):
        if len(known.margins) + 1 + cost > runs:
            return False
        parts = _around(known, point, next(near)) if number % 2 else next(wide)
        placed = _point(known, parts)
        tried = tuple(
            size if each.size else value
            for each, size, value in zip(known.dimensions, smaller, placed, strict=True)
        )
        if (yield from _ask(known, tried)):
            return True
    return False


def _around(known: Hunted, point: Point, parts: Parts) -> Parts:
    return tuple(
        each.part(value) + (part - 0.5) * 2 * _NEAR
        for each, value, part in zip(known.dimensions, point, parts, strict=True)
    )


def _point(known: Hunted, parts: Parts) -> Point:
    return tuple(each.at(part) for each, part in zip(known.dimensions, parts, strict=True))


def _moved(point: Point, place: int, value: int) -> Point:
    return (*point[:place], value, *point[place + 1 :])


def _spread(count: int, seed: int) -> Iterator[Parts]:
    """Yield points that fill the unit cube evenly, however many are taken."""
    from scipy.stats import qmc  # takes longer to load than most commands to run

    filled = qmc.Halton(count, scramble=True, rng=seed)
    while True:
        yield tuple(map(float, filled.random(1)[0]))
