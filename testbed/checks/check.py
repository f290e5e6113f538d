"""One thing that was looked for on a host or a bench."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ability(StrEnum):
    """Whether the host can do something."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One thing that was looked for, and what to do where it is not ``ok``.

    What is ``missing`` keeps runs from starting; what is ``limited`` costs what ``advice`` says.
    """

    name: str
    state: Ability
    found: str
    advice: str = ""
