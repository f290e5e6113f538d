"""What the users of a hub ask for, and when: drawn before the run, from its seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from testbed.model.catalogue import CatalogueObject


@dataclass(frozen=True)
class Request:
    """One request: when it is sent (ns since the run's start) and for which object."""

    at_ns: int
    object: str


@dataclass(frozen=True)
class Asked:
    """What a request asks of its object: bytes ``first`` to ``last``, or all (None).

    ``conditional``: if it is another version than the client has.
    """

    first: int | None = None
    last: int | None = None
    conditional: bool = False


def seek(seed: str, sizes: Sequence[int], range_bytes: int, conditional: float) -> Iterator[Asked]:
    """Yield what each request asks of an object of its size: ranges begin anywhere, with the same chance.

    Generators of their own: times and objects are those of a scenario without ranges and conditions.
    """
    places, conditions = random.Random(f"{seed}/ranges"), random.Random(f"{seed}/conditions")
    for size in sizes:
        place, condition = places.random(), conditions.random() < conditional
        if 0 < range_bytes < size:
            first = int(place * (size - range_bytes + 1))
            yield Asked(first, first + range_bytes - 1, condition)
        else:
            yield Asked(conditional=condition)


def draw(
    seed: str, rate_per_s: float, duration_ns: int, objects: Sequence[CatalogueObject]
) -> tuple[Request, ...]:
    """Return the requests of an open loop: a Poisson process whose objects are drawn by their weights.

    Users do not wait for one another, so no answer delays a request: a slow hub meets the same
    demand as a fast one. Times and objects come from generators of their own, so that another
    catalogue leaves the times alone. ``random.Random`` seeded with text draws the same on all platforms.
    """
    chance = random.Random(f"{seed}/objects")
    names = [o.name for o in objects]
    bounds = list(accumulate(o.weight for o in objects))
    return tuple(
        Request(at_ns, chance.choices(names, cum_weights=bounds)[0])
        for at_ns in times(seed, rate_per_s, duration_ns)
    )


def times(seed: str, rate_per_s: float, duration_ns: int) -> Iterator[int]:
    """Yield the times of a Poisson process, in ns since the run's start."""
    chance = random.Random(f"{seed}/times")
    at_s = chance.expovariate(rate_per_s)
    while (at_ns := round(at_s * 1e9)) < duration_ns:
        yield at_ns
        at_s += chance.expovariate(rate_per_s)
