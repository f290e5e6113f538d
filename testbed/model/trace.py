"""A trace: what a path did over time, and where that knowledge comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Loss(IntEnum):
    """What became of a probe; most tools cannot tell in which direction it was lost."""

    NONE = 0
    UP = 1
    DOWN = 2
    UNKNOWN = 3


class SeriesName(StrEnum):
    """What a series holds; its values are integers in the unit of ``UNITS``."""

    RTT = "rtt"
    UP_DELAY = "up_delay"
    DOWN_DELAY = "down_delay"
    UP_RATE = "up_rate"
    DOWN_RATE = "down_rate"
    LOSS = "loss"
    UP_LOSS = "up_loss"
    DOWN_LOSS = "down_loss"


PROBES = (SeriesName.RTT, SeriesName.UP_DELAY, SeriesName.DOWN_DELAY)

UNITS: Mapping[SeriesName, str] = {
    SeriesName.RTT: "ns",
    SeriesName.UP_DELAY: "ns",
    SeriesName.DOWN_DELAY: "ns",
    SeriesName.UP_RATE: "bit/s",
    SeriesName.DOWN_RATE: "bit/s",
    SeriesName.LOSS: "ppm",
    SeriesName.UP_LOSS: "ppm",
    SeriesName.DOWN_LOSS: "ppm",
}


class Layer(StrEnum):
    """Where the bits of a rate were counted: whole frames (without FCS), IP packets, or payload."""

    FRAME = "frame"
    IP = "ip"
    UDP = "udp"
    TCP = "tcp"


HEADER_BYTES: Mapping[Layer, int] = {
    Layer.FRAME: 0,
    Layer.IP: 14,  # Ethernet
    Layer.UDP: 14 + 20 + 8,
    Layer.TCP: 14 + 20 + 20 + 12,  # with timestamps, as all common systems send them
}
"""What a frame holds beside the bytes that each layer counts, with IPv4."""


@dataclass(frozen=True)
class Framing:
    """Of what a rate's bits were counted: the layer, and how many bytes of it a full frame carries.

    Raises ValueError for packets that IP does not have.
    """

    layer: Layer
    payload_bytes: int

    def __post_init__(self) -> None:
        if not 0 < self.payload_bytes <= 65535:
            raise ValueError(f"packets of {self.payload_bytes} bytes")

    @property
    def frame_bytes(self) -> int:
        """A full frame, without FCS."""
        return self.payload_bytes + HEADER_BYTES[self.layer]

    @property
    def factor(self) -> float:
        """Bits of frames for each bit that was counted, where all frames are full."""
        return self.frame_bytes / self.payload_bytes


FRAMES = Framing(Layer.FRAME, 1514)
FRAMINGS: Mapping[Layer, Framing] = {
    layer: Framing(layer, FRAMES.payload_bytes - header) for layer, header in HEADER_BYTES.items()
}
"""Full frames of an MTU of 1,500 bytes, for what does not say how large its packets were."""


class Origin(StrEnum):
    """Whether a trace was observed or made."""

    MEASURED = "measured"
    SYNTHETIC = "synthetic"


class Trait(StrEnum):
    """A property of the way a trace was taken that limits what it can tell."""

    ICMP = "icmp"
    STOP_AND_WAIT = "stop-and-wait"
    NO_SEND_TIMES = "no-send-times"
    DISH_SMOOTHED = "dish-smoothed"
    USAGE = "usage-not-capacity"
    SENDER_SIDE = "sender-side-rate"
    OFFSET_CLOCKS = "offset-clocks"
    WHOLE_MS = "whole-milliseconds"
    LOSS_OMITTED = "loss-omitted"


class EventKind(StrEnum):
    """What a mark in a trace means."""

    OUTAGE = "outage"
    HANDOVER = "handover"


@dataclass(frozen=True)
class TraceEvent:
    """A mark at ``t_ns`` since the trace's start; ``cause`` in the source's own words."""

    t_ns: int
    kind: EventKind
    duration_ns: int = 0
    cause: str = ""


@dataclass(frozen=True, eq=False)
class Series:
    """Readings in time: arrays of shape (n,), ``t_ns`` strictly increasing since the trace's start.

    A probe stands at the time it was SENT; the value of a lost one means nothing and is 0.
    A rate, loss or context reading holds from its time until the next.
    Raises ValueError when the arrays contradict this.
    """

    t_ns: NDArray[np.int64]
    value: NDArray[np.int64]
    loss: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.value.shape != self.t_ns.shape or self.loss.shape != self.t_ns.shape or self.t_ns.ndim != 1:
            raise ValueError("the columns of a series need one common length")
        if np.any(np.diff(self.t_ns) <= 0):
            raise ValueError("the times of a series need to increase")
        if len(self.t_ns) and self.loss.max() > max(Loss):
            raise ValueError("loss is one of Loss")
        for column in (self.t_ns, self.value, self.loss):
            column.flags.writeable = False

    @classmethod
    def of(cls, t_ns: ArrayLike, value: ArrayLike, loss: ArrayLike | None = None) -> Series:
        """Return a series of anything that numpy can read as arrays; without ``loss`` nothing is lost."""
        t = np.array(t_ns, np.int64)
        lost = np.zeros(len(t), np.uint8) if loss is None else np.array(loss, np.uint8)
        return cls(t, np.where(lost > 0, 0, np.array(value, np.int64)).astype(np.int64), lost)

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def lost(self) -> NDArray[np.bool_]:
        """True where the probe was lost, shape (n,)."""
        return np.not_equal(self.loss, Loss.NONE)

    @property
    def cadence_ns(self) -> int:
        """The median distance of two readings; 0 for fewer than two."""
        return int(np.median(np.diff(self.t_ns))) if len(self) > 1 else 0


@dataclass(frozen=True)
class Parent:
    """A file that a trace was made from."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Parameter:
    """A number that shaped a synthetic trace, and where it comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Provenance:
    """Where a trace comes from, and what may be done with it.

    ``start_ns`` is the UTC instant of t = 0 since 1970, where known. ``slot_ns`` is the trace
    instant of the first handover boundary of a trace that has 15 s slots but no such clock.
    """

    kind: Origin
    source: str
    licence: str = "not stated"
    citation: str = ""
    start_ns: int | None = None
    slot_ns: int | None = None
    made_by: str = ""
    parents: tuple[Parent, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    traits: tuple[Trait, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trace:
    """A time series of delay, loss, rate and events, from t = 0 to ``duration_ns``.

    ``framing`` says of a rate series what was counted; one that it does not name counts frames.
    ``context`` holds series that are never replayed (signal strength ...), in thousandths of the
    source's unit, under the source's names. Raises ValueError when something lies outside the trace.
    """

    name: str
    provenance: Provenance
    series: Mapping[SeriesName, Series]
    duration_ns: int
    events: tuple[TraceEvent, ...] = ()
    context: Mapping[str, Series] = field(default_factory=lambda: MappingProxyType({}))
    framing: Mapping[SeriesName, Framing] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name, series in [*self.series.items(), *self.context.items()]:
            if len(series) and (series.t_ns[0] < 0 or series.t_ns[-1] >= self.duration_ns):
                raise ValueError(f"series {name} reaches outside the trace")
        if any(len(series) and series.value.min() < 0 for series in self.series.values()):
            raise ValueError("delays, rates and losses cannot be negative")
        if any(event.t_ns < 0 or event.t_ns >= self.duration_ns for event in self.events):
            raise ValueError("an event lies outside the trace")

    @property
    def probes(self) -> Series | None:
        """The round-trip probes; one-way delays stand in where a trace has no others."""
        return next((self.series[name] for name in PROBES if name in self.series), None)
