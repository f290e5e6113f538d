"""What a dish's program is told by the run that starts it."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.model.dish import Dish


@dataclass(frozen=True)
class Settings:
    """A dish: the name of its link and the folder of that link's engine, the port towards the hub (``""``: none).

    ``restarts`` are the scenario's reboots: power off, API back, sky back, in ns since the run's start.
    """

    name: str
    link: str
    address: str
    dish: Dish
    port: str = ""
    restarts: tuple[tuple[int, int, int], ...] = ()
