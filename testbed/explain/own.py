"""Causes that are the testbed's own: then nothing is said of the hub; and that they were ruled out, where they were."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.explain.case import Case
from testbed.explain.cause import Cause, at
from testbed.metrics.window import Window
from testbed.result.record import State
from testbed.result.verdict import Outcome
from testbed.units import format_duration, format_share

_STOLEN = 0.01


def causes(case: Case) -> Iterator[Cause]:
    """Yield why a run, or some of its verdicts, says nothing of the hub."""
    record = case.record
    if record.state is not State.COMPLETE:
        said = {
            State.RUNNING: "The run was killed: result.json still says that it runs.",
            State.INTERRUPTED: "The run was interrupted by its user.",
            State.FAILED: f"The run could not be played: {record.error or 'no word of why'}.",
        }[record.state]
        step = next((step.name for step in record.steps if step.ended_ns is None), "")
        yield Cause("run-ended-early", said, 1.0, (f"it was at the step {step!r}",) if step else ())
    for end in record.ends:
        rests = f"the traffic {end.of} rests on it" if end.of else "everything rests on it"
        said = f"; its last words: {end.said}" if end.said else ""
        yield Cause(
            "part-ended",
            f"A part of the testbed ended without being asked to: {end.part} ({end.how}) at {at(end.at_ns)}.",
            0.99,
            (f"{rests}{said}",),
        )
    fidelity = record.fidelity
    if fidelity is not None and not fidelity.valid:
        stolen = fidelity.stolen_share or 0.0
        told = (f"the hypervisor took {format_share(stolen)} of the processors' time",) if stolen > _STOLEN else ()
        yield Cause("emulation-missed-its-budget", f"The emulation missed its budget: {fidelity.reason}.", 0.98, told)


def unsure(case: Case) -> Iterator[Cause]:
    """Yield why verdicts are inconclusive, where no part of the testbed is to blame."""
    for verdict in case.record.verdicts:
        if verdict.outcome is not Outcome.INCONCLUSIVE or case.record.ends:
            continue
        key = "too-near-the-bound" if "from the bound" in verdict.reason else "too-little-evidence"
        yield Cause(key, f"{verdict.title} cannot be told: {verdict.reason}.", 0.3)


def ruled_out(case: Case) -> Iterator[str]:
    """Yield in sentences what was looked at and found well."""
    record = case.record
    if record.state is State.COMPLETE and not record.ends:
        yield "All parts of the testbed lived to the end."
    if (fidelity := record.fidelity) is not None and fidelity.valid:
        late = [late for figures in fidelity.links.values() if (late := figures.get("late_p99_ns")) is not None]
        told = f": packets left at most {format_duration(max(late))} late (p99)" if late else ""
        yield f"The emulation kept its budget{told}."
    for event in case.facts.events:
        others = [name for name in case.facts.uplinks if name != event.uplink]
        span = Window(event.start_ns, event.end_ns)
        for other in others if event.uplink else ():
            if not case.dark_within(other, span):
                title = event.title or f"{event.uplink} {event.kind}"
                yield f"{other} could carry while {title} lasted: its link was never dark."
    if record.tenant.throttled:
        yield f"The storage account throttled {record.tenant.throttled} times: its limits, which count in no verdict."
    refused = any(event.kind in ("tenant_errors", "tenant_black_hole") for event in case.facts.events)
    if not refused and not record.tenant.throttled:
        made = case.requests
        if made is not None and made.whole.any() and not (made.status == 503).any():
            yield "The tenant answered: no request was refused by it."
    if not any(event.kind == "dns_failure" for event in case.facts.events):
        yield "No resolver was made to fail."
