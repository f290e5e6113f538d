"""Figures of a fleet against answers known by hand; what was not measured is neither 0 nor a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from testbed.metrics import fleet
from testbed.metrics.fleet.delay import percentile
from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.metrics.fleet.fairness import jain
from testbed.metrics.fleet.share import kept
from testbed.model.fleet_objective import FleetObjective
from testbed.model.lease import LeaseAsk, LeaseStorm
from testbed.result.fleet_verdict import judge
from testbed.result.verdict import Outcome

S = 10**9
NAN = float("nan")


def evidence(**columns: object) -> FleetEvidence:
    """Return one load of four hubs over two seconds; what is not given is 0."""
    names = ("offered", "carried", "packets", "arrived", "lost", "delay_ns", "delay_ns_max", "done", "done_ns")
    made = {name: np.zeros((1, 2, 4), np.int64) for name in names}
    for name, value in columns.items():
        made[name][0] = value
    delays = np.zeros((1, 4, 3), np.int64)
    delays[0, 0], delays[0, 1] = (99, 0, 1), (50, 0, 50)
    return FleetEvidence(
        ("a", "b", "c", "d"), np.array([1, 2, 4, 0]), ("x",), made, delays, np.array([0.0, 10.0, 20.0])
    )


def ask(metric: str, **more: object) -> FleetObjective:
    bounds = {} if "at_least" in more else {"at_most": "1 s"}
    return FleetObjective(metric, "x", **{**bounds, **more})  # type: ignore[arg-type]


CARRIED = {"carried": [[1000, 500, 0, 0], [1000, 500, 0, 0]], "packets": [[1, 1, 1, 0], [1, 1, 1, 0]]}


def test_throughput_is_of_those_who_were_sent_something() -> None:
    """Bits over seconds; 0 for whom nothing reached, none for whom nothing was meant; by user where asked."""
    made = evidence(**CARRIED)

    assert [8000, 4000, 0, NAN] == pytest.approx(fleet.of_hubs(made, ask("throughput")), nan_ok=True)
    by_user = fleet.of_hubs(made, ask("throughput", per="user"))
    assert [8000, 2000, 0, NAN] == pytest.approx(by_user, nan_ok=True)
    window = ask("throughput", window=(0, S))
    assert [8000, 4000, 0, NAN] == pytest.approx(fleet.of_hubs(made, window), nan_ok=True)


@pytest.mark.parametrize(
    ("shares", "index"),
    [([1, 1, 1, 1], 1.0), ([1, 0, 0, 0], 0.25), ([3, 1], 0.8), ([2, 2, NAN], 1.0), ([0, 0], None), ([NAN], None)],
)
def test_jains_index(shares: list[float], index: float | None) -> None:
    """All alike is 1, one of n has 1/n; nobody anything is no figure."""
    assert index == jain(np.array(shares, np.float64))


def test_peak_load_is_of_all_hubs_in_one_second() -> None:
    """The larger second counts; nothing sent is no peak."""
    assert 24_000 == fleet.of_all(evidence(offered=[[1000, 0, 0, 0], [1000, 2000, 0, 0]]), ask("peak_load"))
    assert None is fleet.of_all(evidence(), ask("peak_load"))


def test_means_are_of_what_happened() -> None:
    """Delay over arrivals, fetches over those that were whole, loss over packets; none where there were none."""
    made = evidence(
        delay_ns=[[30, 8, 0, 0], [30, 0, 0, 0]], arrived=[[1, 2, 0, 0], [1, 0, 0, 0]],
        done=[[2, 0, 0, 0], [0, 0, 0, 0]], done_ns=[[10, 0, 0, 0], [0, 0, 0, 0]],
        packets=[[4, 2, 0, 0], [4, 2, 0, 0]], lost=[[2, 0, 0, 0], [0, 0, 0, 0]],
    )  # fmt: skip

    assert [30, 4, NAN, NAN] == pytest.approx(fleet.of_hubs(made, ask("delay_mean")), nan_ok=True)
    assert [5, NAN, NAN, NAN] == pytest.approx(fleet.of_hubs(made, ask("fetch_time")), nan_ok=True)
    assert [0.25, 0, NAN, NAN] == pytest.approx(fleet.of_hubs(made, ask("loss")), nan_ok=True)


def test_a_percentile_is_its_buckets_upper_edge() -> None:
    """Of 99 in the first and 1 in the last bucket the 99th is in the first; too few packets have none."""
    made = evidence()

    assert [10, 20, NAN, NAN] == pytest.approx(fleet.of_hubs(made, ask("delay_p99")), nan_ok=True)
    assert np.isnan(percentile(np.array([[50, 0, 49]]), np.array([0.0, 10.0, 20.0]), 0.99)).all()


def test_the_share_of_hubs_and_the_worst_by_name() -> None:
    """Two of three keep the bound; the one without a figure is neither; the worst is named."""
    found = kept(np.array([5.0, 1.0, 9.0, NAN]), ("a", "b", "c", "d"), lambda v: v <= 5, more_is_better=False)

    assert (2, 3, 4, "c", 9.0) == (found.kept, found.known, found.hubs, found.worst, found.worst_value)
    assert (0.5, 0.75) == (found.least, found.most)


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.5, Outcome.PASS), (0.75, Outcome.INCONCLUSIVE), (0.8, Outcome.FAIL)]
)
def test_hubs_without_a_figure_leave_it_open(share: float, outcome: Outcome) -> None:
    """Two of four keep it for certain, one is unknown: half holds, three quarters may, four fifths cannot."""
    made = evidence(**CARRIED)

    (verdict,) = judge(made, [ask("throughput", at_least="1 kbit/s", hubs=share)])

    assert (outcome, "c", 0.0, 1) == (verdict.outcome, verdict.worst, verdict.worst_value, verdict.without)


def test_nothing_measured_is_no_verdict() -> None:
    """A fleet that was sent nothing passes nothing and fails nothing."""
    verdicts = judge(evidence(), [ask("loss", at_most="5 %"), ask("fairness", at_least="90 %")])

    assert [(Outcome.INCONCLUSIVE, None)] * 2 == [(verdict.outcome, verdict.value) for verdict in verdicts]


def test_lease_time_is_from_asking_to_the_lease() -> None:
    """The longest of a hub in the window; without one, the time until the end; who did not ask has none."""
    asks = [LeaseAsk(0, 0, 0), LeaseAsk(0, S, 0), LeaseAsk(1, S, 0)]
    storm = LeaseStorm(asks, np.array([S // 2, S + S // 4, -1]), np.array([0, 1, S, S, S]), 1)
    made = replace(evidence(), leases={"x": storm})

    assert [S / 2, S, NAN, NAN] == pytest.approx(fleet.of_hubs(made, ask("lease_time")), nan_ok=True)
    later = ask("lease_time", window=(S, 2 * S))
    assert [S / 4, S, NAN, NAN] == pytest.approx(fleet.of_hubs(made, later), nan_ok=True)
    assert 3.0 == fleet.of_all(made, ask("lease_peak", at_least="1/s"))
    assert 2.0 == fleet.of_all(made, ask("lease_peak", at_least="1/s", window=(0, S)))
    assert fleet.of_all(evidence_of_nobody(made), ask("lease_peak", at_least="1/s")) is None


def evidence_of_nobody(made: FleetEvidence) -> FleetEvidence:
    nothing = np.zeros(0, np.int64)
    return replace(made, leases={"x": LeaseStorm((), nothing, nothing, 0)})
