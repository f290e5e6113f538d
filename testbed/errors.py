"""The exceptions of testbed, one tree.

TestbedError                 anything that testbed raises on purpose
├── InputError               exit 2  something the user wrote is wrong; nothing was started
├── HostError                exit 3  this host lacks a tool, a permission or a kernel feature
└── RunError                 exit 3  a step of a run failed; the results so far are on disk
    └── InvalidRun           exit 3  the emulation missed its fidelity budget: it says nothing about the hub

Foreign exceptions (OSError, yaml.YAMLError, subprocess errors ...) are mapped where they enter.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Where something was written: a file, a line, and the places of the keys below it."""

    file: str
    line: int = 0
    keys: Mapping[str, Place] = field(default_factory=dict)

    def at(self, key: str) -> Place:
        """Return the place of one key of this mapping."""
        return self.keys.get(key, Place(self.file, self.line))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Place("")


class TestbedError(Exception):
    """Anything that testbed raises on purpose."""

    __test__ = False  # not a test class, whatever pytest thinks of its name
    exit_status = 3


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input: where, what was found, what would be right."""

    place: Place | str
    found: str
    expected: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if str(self.place) else ""
        return f"{where}{self.found}; {self.expected}" if self.expected else f"{where}{self.found}"


class InputError(TestbedError):
    """Something the user wrote is wrong: where, what was found, what would be right."""

    exit_status = 2

    def __init__(self, place: Place | str, found: str, expected: str = "") -> None:
        self.problems: Sequence[Problem] = (Problem(place, found, expected),)
        super().__init__(str(self.problems[0]))

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> InputError:
        """Return one error that reports every problem of a file at once, in the order of its lines."""
        ordered = sorted(
            problems, key=lambda p: (p.place.file, p.place.line) if isinstance(p.place, Place) else ("", 0)
        )
        error = cls(ordered[0].place, ordered[0].found, ordered[0].expected)
        error.problems = tuple(ordered)
        error.args = ("\n".join(map(str, ordered)),)
        return error


class HostError(TestbedError):
    """This host lacks a tool, a permission or a kernel feature that the step needs."""


class RunError(TestbedError):
    """A step of a run failed; the message names the device and shows what it said."""


class InvalidRun(RunError):
    """The emulation missed its fidelity budget: the run says nothing about the hub."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'uplink'?"``, or the known words where none is close."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words) or 'none'}"
