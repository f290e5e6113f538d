"""How a run ended, for the screen: its outcome in a word, its verdicts, its certificate in a line."""

from __future__ import annotations

from pathlib import Path

from testbed import paths
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import Fidelity, Record, State
from testbed.result.verdict import Verdict
from testbed.run.progress import Ended, ObjectiveNow
from testbed.units import format_duration, format_share

_STEAL = 0.01  # of the processors' time: more taken by the hypervisor is worth telling


def told(record: Record, folder: Path) -> Ended:
    """Return what is told of a run that is over, its result being in ``folder``."""
    return Ended(
        folder=paths.shown(folder),
        state=word_of(record),
        exit_status=record.exit_status,
        verdicts=(*map(_shown, record.verdicts), *map(_shown, record.fleet)),
        fidelity=_certified(record.fidelity),
    )


def word_of(record: Record) -> str:
    """Return the run's outcome in one word."""
    if record.state is not State.COMPLETE:
        return str(record.state)
    judged: tuple[Verdict | FleetVerdict, ...] = (*record.verdicts, *record.fleet)
    outcomes = {str(verdict.outcome) for verdict in judged}
    return next((word for word in ("invalid", "fail", "inconclusive") if word in outcomes), "pass")


def _shown(verdict: Verdict | FleetVerdict) -> ObjectiveNow:
    return ObjectiveNow(verdict.title, verdict.measured, str(verdict.outcome), verdict.reason)


def _certified(fidelity: Fidelity | None) -> str:
    """Return the certificate in a line."""
    if fidelity is None:
        return ""
    stolen = fidelity.stolen_share or 0.0
    if not fidelity.valid:
        blame = (
            f"; the hypervisor took {format_share(stolen)} of the processors' time" if stolen > _STEAL else ""
        )
        return f"missed its budget: {fidelity.reason}{blame}"
    told = []
    late = [late for figures in fidelity.links.values() if (late := figures["late_p99_ns"]) is not None]
    if late:
        told.append(f"departures late by at most {format_duration(max(late))} (p99)")
    if (error := fidelity.rtt_error_p95_ns) is not None:
        told.append(f"heartbeat RTT within {format_duration(error)} of the trace (p95)")
    budget = "within its budget"
    if fidelity.missing:
        budget = f"within what could be checked of its budget, which is not {', '.join(fidelity.missing)}"
    return "; ".join([budget, ", ".join(told)] if told else [budget])
