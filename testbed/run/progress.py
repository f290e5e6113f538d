"""What a run tells while it goes: events, one JSON object a line, from the sandbox to the screen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

import msgspec


@dataclass(frozen=True)
class Step:
    """A step of the run began (``seconds`` is null) or is done."""

    name: str
    seconds: float | None = None


@dataclass(frozen=True)
class UplinkNow:
    """An uplink in the last second: what its link does, whether it carries the heartbeat, bit/s."""

    name: str
    state: str
    carries: bool
    down_bps: int
    up_bps: int


@dataclass(frozen=True)
class ObjectiveNow:
    """An objective so far, or at the end; ``state`` is a verdict's, or ``running``."""

    title: str
    value: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Tick:
    """Where the run stands, about twice a second; ``events`` are those that last."""

    t_ns: int
    end_ns: int
    uplinks: tuple[UplinkNow, ...]
    traffic: Mapping[str, str]
    objectives: tuple[ObjectiveNow, ...]
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """Something a reader should know; ``error`` ends the run."""

    text: str
    error: bool = False


@dataclass(frozen=True)
class Standing:
    """The lab of this name stands and can be worked in until an instant of CLOCK_REALTIME."""

    name: str
    until_ns: int


@dataclass(frozen=True)
class Ended:
    """The run is over: where its results are and what the exit status says."""

    folder: str
    state: str
    exit_status: int
    verdicts: tuple[ObjectiveNow, ...] = ()
    fidelity: str = ""


Event = Step | Tick | Note | Standing | Ended
_KINDS: Mapping[str, type[Event]] = {
    "step": Step,
    "tick": Tick,
    "note": Note,
    "standing": Standing,
    "ended": Ended,
}


def write(event: Event, stream: TextIO) -> None:
    """Write an event as one line."""
    kind = type(event).__name__.lower()
    print(json.dumps({"event": kind, **dataclasses.asdict(event)}), file=stream, flush=True)


def parse(line: str) -> Event:
    """Read one line that ``write`` wrote."""
    fields = json.loads(line)
    return msgspec.convert(fields, _KINDS[fields.pop("event")])
