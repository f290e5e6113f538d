"""The fidelity certificate: how exact an emulation was, and whether a verdict may rest on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.link.layout import bucket_edges
from testbed.model.link import Direction
from testbed.units import format_duration

MS = 10**6


@dataclass(frozen=True)
class Budget:
    """What an emulation may miss before its run is invalid.

    The defaults: one packet in a hundred more than 1 ms late, none more than 50 ms, the engine without a CPU for
    5 % of the time it was needed, and no packet lost or reordered that nobody asked for. Shares are judged
    with what chance allows: three late packets of the 69 on an idle link are not more than one in a hundred.
    """

    late_share: float = 0.01
    late_ns_max: int = 50 * MS
    away_share: float = 0.05
    unasked_losses: int = 0
    unasked_reorderings: int = 0
    loss_error: float = 0.01
    rate_error: float = 0.01


@dataclass(frozen=True)
class DirectionFidelity:
    """How exact one direction was; times in ns, shares from 0 to 1, None where nothing can be compared.

    ``rated_packets`` went out while a rate bound them. ``lateness`` maps a bucket's lower edge
    (achieved minus requested departure) to its packets.
    """

    link: str
    direction: Direction
    packets: int
    late_p50_ns: int | None
    late_p99_ns: int | None
    late_p999_ns: int | None
    late_ns_max: int | None
    late_share: float | None
    unasked_losses: int
    unasked_reorderings: int
    loss_asked: float | None
    loss_achieved: float | None
    rate_asked_bps: float | None
    rate_achieved_bps: float | None
    rated_packets: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    lateness: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate:
    """The certificate of a run's links; ``missing`` is the evidence that the back end cannot give."""

    backend: str
    directions: tuple[DirectionFidelity, ...]
    waking: str = ""
    scheduling: str = ""
    sending: str = ""
    clock_steps: int = 0
    clock_step_max_ns: int = 0
    clock_doubts: int = 0
    stalls: int = 0
    stall_max_ns: int = 0
    away_share: float = 0.0
    records_lost: int = 0
    faults: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def faults_against(self, budget: Budget = Budget()) -> tuple[str, ...]:
        """Return why a verdict may not rest on this emulation; empty when it may."""
        reasons = list(self.faults)
        for d in self.directions:
            reasons += [f"{d.link} {d.direction}: {reason}" for reason in _faults(d, budget)]
        if self.away_share > budget.away_share:
            reasons.append(
                f"the engine was without a CPU for {self.away_share:.1%} of the time it was needed"
            )
        if self.clock_step_max_ns > budget.late_ns_max:
            reasons.append(
                f"the host's clock was set by {format_duration(self.clock_step_max_ns)}: samples bear its times"
            )
        if self.records_lost:
            reasons.append(f"{self.records_lost} of the 10 ms records were lost")
        return tuple(reasons)

    def as_dict(self) -> dict[str, Any]:
        """Return the certificate as plain values for result.json."""
        return asdict(self)


def _faults(d: DirectionFidelity, budget: Budget) -> list[str]:
    reasons = []
    late = budget.late_share + _chance(budget.late_share, d.packets)
    if d.late_share is not None and d.late_share > late:
        reasons.append(f"{d.late_share:.2%} of the packets were more than 1 ms late")
    if d.late_ns_max is not None and d.late_ns_max > budget.late_ns_max:
        reasons.append(f"a packet was {d.late_ns_max / MS:.1f} ms late")
    if d.unasked_losses > budget.unasked_losses:
        causes = ", ".join(f"{cause} {n}" for cause, n in d.causes.items())
        reasons.append(f"{d.unasked_losses} packets were lost that nobody asked for ({causes})")
    if d.unasked_reorderings > budget.unasked_reorderings:
        reasons.append(f"{d.unasked_reorderings} packets were reordered that nobody asked for")
    if d.rate_asked_bps and d.rate_achieved_bps is not None:
        error = abs(d.rate_achieved_bps / d.rate_asked_bps - 1)
        # Of the packets at either end of the time that is looked at, a part lies outside it.
        if error > budget.rate_error + 2 / max(d.rated_packets, 1):
            reasons.append(f"the rate was missed by {error:.1%}")
    reasons += _loss_fault(d, budget)
    return reasons


def _chance(share: float, packets: int) -> float:
    """Return by how much a share of so few packets may differ from what it is: four standard deviations."""
    return 4 * float((share * (1 - share) / max(packets, 1)) ** 0.5)


def _loss_fault(d: DirectionFidelity, budget: Budget) -> list[str]:
    """Judge the loss with what chance allows: the draws are random."""
    if d.loss_asked is None or d.loss_achieved is None:
        return []
    chance = _chance(d.loss_asked, d.packets)
    error = abs(d.loss_achieved - d.loss_asked)
    return (
        [f"loss was {d.loss_achieved:.3%}, asked {d.loss_asked:.3%}"]
        if error > budget.loss_error + chance
        else []
    )


UNASKED = ("no_memory", "oversize", "send_failed", "ring_drops", "device_drops")


def quantile_ns(histogram: NDArray[np.uint64], share: float) -> int | None:
    """Return the upper edge of the bucket that holds this share of the packets; None without packets."""
    total = np.cumsum(histogram)
    if total[-1] == 0:
        return None
    i = int(np.searchsorted(total, share * float(total[-1])))
    return int(bucket_edges()[min(i + 1, len(histogram) - 1)])


def certify_direction(link: str, direction: Direction, c: np.void) -> DirectionFidelity:
    """Return the certificate of one direction from its record of dtype layout.COUNTERS."""
    late = c["late"]
    packets, entered = int(c["packets_out"]), int(c["packets_in"]) - int(c["cut"])
    edges = bucket_edges()
    timed, over = int(late.sum()), int(late[edges >= MS].sum())
    causes = {name: int(c[name]) for name in UNASKED if c[name]}
    busy_s = int(c["busy_ns"]) / 1e9
    on_their_way = int(c["inside"]) * int(c["bytes_out"]) / packets if packets else 0.0
    return DirectionFidelity(
        link=link,
        direction=direction,
        packets=packets,
        late_p50_ns=quantile_ns(late, 0.5),
        late_p99_ns=quantile_ns(late, 0.99),
        late_p999_ns=quantile_ns(late, 0.999),
        late_ns_max=int(c["late_ns_max"]) if timed else None,
        late_share=over / timed if timed else None,
        unasked_losses=sum(causes.values()),
        unasked_reorderings=int(c["reordered"]),
        loss_asked=float(c["loss_asked"]) / 2**32 / entered if entered else None,
        loss_achieved=int(c["lost"]) / entered if entered else None,
        rate_asked_bps=float(c["offered_bits"]) / busy_s if busy_s else None,
        rate_achieved_bps=(int(c["rated_bytes"]) + on_their_way) * 8 / busy_s if busy_s else None,
        rated_packets=int(c["rated_bytes"]) * packets // int(c["bytes_out"]) if packets else 0,
        causes=causes,
        lateness={int(edges[i]): int(late[i]) for i in np.flatnonzero(late)},
    )


def certify(
    backend: str,
    names: Sequence[str],
    run: np.void,
    lanes: NDArray[np.void],
    faults: Sequence[str] = (),
    missing: Sequence[str] = (),
) -> Certificate:
    """Return the certificate from the engine's statistics (layout.RUN_STATS, layout.COUNTERS)."""
    directions = [
        certify_direction(name, direction, lanes[2 * i + j])
        for i, name in enumerate(names)
        for j, direction in enumerate(Direction)
    ]
    needed = int(run["needed_ns"])
    return Certificate(
        backend=backend,
        directions=tuple(directions),
        waking=("", "sleeps", "sleeps, spins near a departure", "spins while packets are inside")[
            int(run["spin"])
        ],
        sending=("", "AF_PACKET", "AF_XDP", "AF_XDP where it is to be had")[int(run["sending"])],
        scheduling=("fair", "SCHED_FIFO")[int(run["scheduling"])],
        clock_steps=int(run["clock_steps"]),
        clock_step_max_ns=int(run["clock_step_max_ns"]),
        clock_doubts=int(run["clock_doubts"]),
        stalls=int(run["stalls"]),
        stall_max_ns=int(run["stall_max_ns"]),
        away_share=int(run["away_ns"]) / needed if needed else 0.0,
        records_lost=int(run["records_lost"]),
        faults=tuple(faults),
        missing=tuple(missing),
    )
