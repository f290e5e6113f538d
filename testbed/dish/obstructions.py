"""The dish's map of what stands before the sky; pure.

The map of a real dish is 123 by 123 cells, the zenith in the middle: -1 where it has not looked, else how well it
heard, 0 to 1. Where it looks follows from the time alone: in each slot of 15 s along a line across the sky that the
slot's number draws, an assumption, as no trace says where its satellites stood.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from functools import cache

SIZE = 123
MIN_ELEVATION_DEG, MAX_THETA_DEG = 10.0, 80.0
UNSEEN, OBSTRUCTED, CLEAR = -1.0, 0.0, 1.0
SLOT_S = 15
_MIDDLE = SIZE // 2
_BEAM = 1
"""What one look sees: so many cells around its own."""


def cells(second: int) -> Iterator[int]:
    """Yield the cells that are seen in a second, counted row by row; ``second`` is since the run's start."""
    slot, within = divmod(second, SLOT_S)
    (row, column), (to_row, to_column) = _ends(slot)
    share = within / SLOT_S
    middle = round(row + share * (to_row - row)), round(column + share * (to_column - column))
    for down in range(-_BEAM, _BEAM + 1):
        for right in range(-_BEAM, _BEAM + 1):
            if _is_sky(at := (middle[0] + down, middle[1] + right)):
                yield at[0] * SIZE + at[1]


def drawn(seconds: range, obstructed: Callable[[int], bool], known: bool) -> list[float]:
    """Return the map after ``seconds``; ``known``: all of the sky had been seen before, and it was clear."""
    found = [UNSEEN] * (SIZE * SIZE)
    if known:
        for at in range(SIZE * SIZE):
            if _is_sky(divmod(at, SIZE)):
                found[at] = CLEAR
    for second in seconds:
        value = OBSTRUCTED if obstructed(second) else CLEAR
        for cell in cells(second):
            found[cell] = value
    return found


def _is_sky(at: tuple[int, int]) -> bool:
    return math.hypot(at[0] - _MIDDLE, at[1] - _MIDDLE) <= _MIDDLE


@cache
def _ends(slot: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a slot's satellite comes from and where it goes, row and column."""
    chance = random.Random(slot)
    begin, turn = chance.uniform(0, 2 * math.pi), chance.uniform(math.pi / 3, 5 * math.pi / 3)
    radius = 0.8 * _MIDDLE
    points = [(_MIDDLE + radius * math.sin(a), _MIDDLE + radius * math.cos(a)) for a in (begin, begin + turn)]
    return points[0], points[1]
