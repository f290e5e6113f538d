"""How good a fit is: its synthesis against the recording, and a fit on each half against the other half."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from testbed.errors import InputError
from testbed.model.trace import Series, Trace
from testbed.traces import edit, synth
from testbed.traces.fit import boundary, fit
from testbed.traces.handover import handovers
from testbed.traces.likeness import Likeness, likeness
from testbed.traces.profile import Profile
from testbed.traces.round_trips import round_trips
from testbed.traces.slots import SLOT_NS

SEED = 1
FEWEST_SLOTS = 10
"""Of fewer slots no statistics are asked for: the halves tell nothing."""
_ONE_PATH = 0.8
"""Halves that hardly overlap are a path that changed for good: a profile would go to and fro."""
STEP_WITHIN, P95_WITHIN, LOSS_FACTOR, RUNS_CHANCE = 0.2, 0.1, 1.3, 0.01


@dataclass(frozen=True)
class Judgement:
    """What a profile is worth. ``synthesis``: the recording and a synthesis of its length.

    ``halves``: the recording's first half and its second. ``unseen``: each half and the synthesis of a fit on the
    other. None and () where a half is too little; ``why`` then says it. ``missed``: which bars the synthesis misses.
    """

    synthesis: Likeness
    halves: Likeness | None
    unseen: tuple[Likeness, ...]
    why: str
    slots: int
    missed: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "slots": self.slots,
            "synthesis": self.synthesis.as_dict(),
            "halves": self.halves and self.halves.as_dict(),
            "unseen": [one.as_dict() for one in self.unseen],
            "why": self.why,
            "missed": list(self.missed),
        }


def judge(trace: Trace, profile: Profile) -> Judgement:
    """Return how a profile that was fitted on a trace compares with it. Raises InputError where it has no delays."""
    probes = _probes(trace)
    known = boundary(trace, probes, handovers(trace))
    phase = known or 0
    synthesis = likeness(probes, _made(profile, trace.duration_ns), (phase, 0))
    half = trace.duration_ns // 2
    parts = edit.cut(trace, 0, half), edit.cut(trace, half, trace.duration_ns)
    phases = phase, (phase - half) % SLOT_NS
    halves, unseen, why = None, [], ""
    try:
        halves = likeness(_probes(parts[0]), _probes(parts[1]), phases)
        for seen, other in ((0, 1), (1, 0)):
            made = _made(fit(parts[seen]), parts[other].duration_ns)
            unseen.append(likeness(_probes(parts[other]), made, (phases[other], 0)))
    except (InputError, ValueError) as error:
        why = str(error)
    slots = trace.duration_ns // SLOT_NS
    missed = tuple(_missed(synthesis, halves, known is not None)) if slots >= FEWEST_SLOTS else ()
    return Judgement(synthesis, halves, tuple(unseen), why, slots, missed)


def fitted(trace: Trace) -> tuple[Profile, Judgement]:
    """Return a profile of a trace, and what it is worth.

    Raises InputError where the trace is too little, and where of ten slots or more the synthesis is another path.
    """
    profile = fit(trace)
    judgement = judge(trace, profile)
    if judgement.missed:
        found = f"a profile does not carry it: of the synthesis {'; '.join(judgement.missed)}"
        raise InputError(trace.name, found, "replay the recording itself, or fit a part of it (trace cut)")
    return profile, judgement


def _probes(trace: Trace) -> Series:
    probes = round_trips(trace)
    if probes is None or not len(probes):
        raise InputError(trace.name, "it has no delays", "judge a recording of round trips")
    return probes


def _made(profile: Profile, duration_ns: int) -> Series:
    return _probes(synth.synthesise(profile, duration_ns=duration_ns, seed=SEED))


def _missed(found: Likeness, halves: Likeness | None, steps: bool) -> Iterator[str]:
    """Yield what misses its bar; of ``steps`` only where there are slots."""
    if halves is not None and halves.ks > _ONE_PATH:
        yield f"nothing can be asked: its halves are two paths ({halves.ks:.2f} apart, Kolmogorov-Smirnov)"
        return
    if halves is not None and found.ks > max(halves.ks, 0.02):  # nearer than any two halves of one path
        yield f"the distribution is {found.ks:.3f} off (Kolmogorov-Smirnov), the halves {halves.ks:.3f}"
    if abs(found.p95_ratio - 1) > P95_WITHIN:
        yield f"p95 is {found.p95_ratio:.2f} times the recorded one"
    if steps and found.step_ratio is not None and abs(found.step_ratio - 1) > STEP_WITHIN:
        yield f"the step at boundaries is {found.step_ratio:.2f} times the recorded one"
    if found.loss_factor > LOSS_FACTOR:
        yield f"{found.loss[1]:.2%} are lost, recorded {found.loss[0]:.2%}"
    if found.runs_p is not None and found.runs_p < RUNS_CHANCE:
        yield f"runs of losses have other lengths (p = {found.runs_p:.3f})"
