"""The reference traces of the repository's scenarios: synthetic, small, made again byte for byte.

python -m testbed.traces.reference [FOLDER]     write them (default: scenarios/traces)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from testbed.model.trace import Trace
from testbed.traces import profile, store, synth

FOLDER = Path(__file__).parents[2] / "scenarios" / "traces"


class Recipe(NamedTuple):
    """What a reference trace is made of."""

    profile: str
    duration_s: int
    seed: int


RECIPES: Mapping[str, Recipe] = {
    "starlink-bent-pipe": Recipe("starlink-bent-pipe", 120, 11),
    "lte-suburban": Recipe("lte", 120, 7),
    "lte-rural": Recipe("lte-rural", 120, 7),
    "starlink-kenya": Recipe("starlink-kenya-2025", 120, 11),
    "starlink-isl": Recipe("starlink-isl", 120, 11),
    "geo": Recipe("geo", 120, 7),
}


def make(name: str) -> Trace:
    """Return one of the reference traces."""
    recipe = RECIPES[name]
    made_from = profile.read(recipe.profile)
    return synth.synthesise(made_from, duration_ns=recipe.duration_s * 10**9, seed=recipe.seed, name=name)


def main(folder: Path = FOLDER) -> None:
    """Write all reference traces."""
    for name in RECIPES:
        path = folder / f"{name}{store.SUFFIX}"
        store.write(make(name), path)
        print(f"{path.name}  {store.sha256(path)}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
