"""A cell: one server of packets that several links share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.link import LinkSchedule


@dataclass(frozen=True)
class Cell:
    """A server that several directions share: its schedule's rate, hold and queue limit replace theirs.

    Packets are served by class: `classes` names the DSCPs of classes 1 to 3, all others are class 0.
    Without `weights` the highest class goes first; with them (bytes, of class 0 to 3) classes send by
    turns, as deficit round robin. The queue's limit is that of all packets together, or, `apart`, each class's own.
    """

    name: str
    schedule: LinkSchedule
    classes: tuple[frozenset[int], ...] = ()
    weights: tuple[int, ...] = ()
    apart: bool = False

    def __post_init__(self) -> None:
        if len(self.classes) > 3 or (self.weights and len(self.weights) != len(self.classes) + 1):
            raise ValueError("at most three classes above the default one, and a weight for each class")
        if any(weight < 1 for weight in self.weights):
            raise ValueError("a class's weight is at least 1 byte for each turn")

    def class_of(self) -> NDArray[np.uint8]:
        """Return the engine's class of each DSCP (its class 0 goes first), shape (64,)."""
        highest = len(self.classes)
        found = np.full(64, highest, np.uint8)
        for i, marks in enumerate(self.classes):
            found[list(marks)] = highest - 1 - i
        return found

    def quanta(self) -> tuple[int, int, int, int]:
        """Return the engine's quantum of each of its classes."""
        weights = (*reversed(self.weights or (1,) * (len(self.classes) + 1)), 1, 1, 1)
        return weights[0], weights[1], weights[2], weights[3]
