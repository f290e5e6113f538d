"""What a community's users ask for: classes of objects with their sizes, numbers and popularity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Share, Size
from testbed.units import format_share
from testbed.yaml import load


@dataclass(frozen=True)
class CatalogueObject:
    """One object: its name in the container, its size in bytes and its share of the requests (0..1)."""

    name: str
    size: int
    weight: float
    content_type: str


@dataclass(frozen=True)
class ContentClass:
    """Objects of one sort: ``count`` of them, each of ``size``, together drawing ``requests``.

    Within the class the object of rank k draws a share in proportion to 1 / k^zipf; 0 makes them equal.
    """

    count: int
    size: Size
    requests: Share
    content_type: str
    suffix: str
    zipf: float = 0.0
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def objects(self) -> tuple[CatalogueObject, ...]:
        """Return the objects, the most popular first."""
        ranks = [(rank + 1) ** -self.zipf for rank in range(self.count)]
        return tuple(
            CatalogueObject(
                f"{self.name}/{rank:04d}{self.suffix}",
                self.size,
                self.requests * share / sum(ranks),
                self.content_type,
            )
            for rank, share in enumerate(ranks)
        )

    def problems(self) -> Iterable[Problem]:
        if not 1 <= self.count <= 10_000:
            yield Problem(self.place.at("count"), f"count is {self.count}", "write 1 to 10000")
        if not 0 <= self.zipf <= 3:
            yield Problem(self.place.at("zipf"), f"zipf is {self.zipf:g}", "write 0 (all alike) to 3")
        if not re.fullmatch(r"\.[a-z0-9]+", self.suffix):
            yield Problem(self.place.at("suffix"), f"suffix is {self.suffix!r}", "write one such as .json")


@dataclass(frozen=True)
class Catalogue:
    """The objects of a tenant's container. ``source`` says where the figures come from."""

    source: str
    classes: Mapping[str, ContentClass]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def objects(self) -> tuple[CatalogueObject, ...]:
        """Return all objects in the file's order; their weights add up to 1."""
        return tuple(o for content_class in self.classes.values() for o in content_class.objects())

    def problems(self) -> Iterable[Problem]:
        total = sum(content_class.requests for content_class in self.classes.values())
        if abs(total - 1) > 1e-6:
            place = self.place.at("classes")
            yield Problem(place, f"the classes draw {format_share(total)} of the requests", "make it 100 %")
        for name, content_class in self.classes.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
                yield Problem(
                    content_class.place, f"class name {name!r}", "use a-z, 0-9 and -, a letter first"
                )
