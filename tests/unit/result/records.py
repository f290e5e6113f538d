"""Records and objectives for the tests of what is made from them."""

from __future__ import annotations

from typing import Any

from testbed.metrics.decomposition import Decomposition
from testbed.metrics.ledger import Entry, Fate
from testbed.metrics.measurement import Ask, Measurement
from testbed.metrics.window import Window
from testbed.model.facts import Facts, Happening
from testbed.model.objective import Objective, Unit
from testbed.result.provenance import Host, Versions
from testbed.result.record import Fidelity, Input, Record, State, StepTime
from testbed.result.verdict import Verdict, judge

S = 1_000_000_000
START = 1_800_000_000 * S


def verdict(
    value: float | None,
    samples: int = 9000,
    *,
    at_most: str = "3 s",
    at_least: str = "",
    lower_bound: bool = False,
    reason: str = "",
) -> Verdict:
    """The verdict on an interruption of the whole 90 s."""
    objective = Objective("interruption", "heartbeat", at_most, at_least)
    measured = Measurement(value, Unit.DURATION, samples, 100, lower_bound, reason, {"cut_at": ["end"]})
    return judge(objective, Ask("heartbeat", Window(0, 90 * S)), measured)


def record(*verdicts: Verdict, state: State = State.COMPLETE, **more: Any) -> Record:
    """A record with every field filled in."""
    fields: dict[str, Any] = {
        "scenario": "starlink-blackout",
        "question": "does LTE carry the hub?",
        "duration_ns": 90 * S,
        "seed": 7,
        "facts": Facts(
            90 * S,
            ("starlink", "lte"),
            "heartbeat",
            (Happening("outage", "starlink", 30 * S, 55 * S, "dark"),),
            metered=("lte",),
            tariffs={"lte": 4.5e-9},
        ),
        "inputs": (
            Input("scenario", "starlink-blackout.yaml", "ab" * 32),
            Input("playbook", "hub.yml", "cd" * 32),
        ),
        "versions": Versions(
            "0.1", "edbd048" + "0" * 33, True, "3.11.7", {"numpy": "2.4.6"}, {"irtt": "0.9.0"}
        ),
        "host": Host("a CPU", 2, 8 * 10**9, "6.1", "Debian", True),
        "created_ns": START - 9 * S,
        "started_ns": START,
        "ended_ns": START + 91 * S,
        "steps": (StepTime("build the network", START - 9 * S, START - 8 * S),),
        "fidelity": Fidelity(True, "", 250_000.0, {"starlink up": {"late_p99_ns": 90_000}}),
        "decomposition": (
            Decomposition("starlink", "outage", 30 * S, 30 * S, 32 * S, "lte", 32 * S, None, 55 * S, 60 * S),
        ),
        "sessions": (Entry("sync", 0, Fate.RESET, 0, 33 * S, "client: ECONNRESET", 3 * S, 30 * S, 0, None),),
        "files": {"junit.xml": 900},
    }
    return Record(**fields | {"verdicts": verdicts, "state": state} | more)
