"""Old flows and new flows return: two figures, on links made by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.decomposition import decompose
from testbed.metrics.evidence import Evidence
from testbed.metrics.ledger import ledger
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import S, ask, evidence
from tests.unit.metrics.made_flows import bins, session, transfer, with_new_flows

BEAT = 118  # bytes of the heartbeat's frame
STAYS = bins(("starlink", "up", 0, 30 * S, BEAT + 1050, 1), ("lte", "up", 32 * S, 90 * S, BEAT + 1050, 1))
"""A hub that keeps old flows where they are: heartbeat and transfer stay on LTE after the outage of 30 s to 55 s."""
RETURNS = bins(
    ("starlink", "up", 0, 30 * S, BEAT + 1050, 1),
    ("lte", "up", 32 * S, 61 * S, BEAT + 1050, 1),
    ("starlink", "up", 61 * S, 90 * S, BEAT + 1050, 1),
)
NEW = (("starlink", 0, 30 * S), ("lte", 32 * S, 58 * S), ("starlink", 58 * S, 90 * S))
"""Where new flows go: back after 3 s."""


def kept(links: pa.Table) -> Evidence:
    return evidence(links=links, outages=[(30 * S, 55 * S)], new_flows="newcomers", sync=transfer(session()))


def measured(metric: str, links: pa.Table) -> Measurement:
    return METRICS[metric].measure(kept(links), ask("newcomers"))


@pytest.mark.parametrize(
    ("links", "old", "old_open"), [(STAYS, 35 * S, True), (RETURNS, 6 * S, False)], ids=["stays", "returns"]
)
def test_new_flows_return_whatever_old_ones_do(links: pa.Table, old: int, old_open: bool):
    """New flows are back 3 s after the outage; the heartbeat is after 6 s, or never."""
    both = with_new_flows(links, *NEW)
    new_flows, old_flows = measured("new_flows_return", both), measured("return_to_preferred", both)

    assert (3 * S, False) == (new_flows.value, new_flows.lower_bound)
    assert (old, old_open) == (old_flows.value, old_flows.lower_bound)


def test_new_flows_do_not_move_the_heartbeats_carrier():
    """Two marks, two carriers: what the heartbeat's metrics say is the same with new flows and without."""
    both = with_new_flows(STAYS, *NEW)

    assert measured("failovers", STAYS).value == measured("failovers", both).value == 1
    assert measured("stranded_time", STAYS).value == measured("stranded_time", both).value == 35 * S


def test_new_flows_that_never_return_are_a_lower_bound():
    """They stay on LTE until the end: more than 35 s."""
    found = measured("new_flows_return", with_new_flows(STAYS, NEW[0], ("lte", 32 * S, 90 * S)))

    assert (35 * S, True) == (found.value, found.lower_bound)


def test_links_without_a_count_of_new_flows_know_no_return():
    """Of a run whose links did not count them there is no value to judge."""
    found = measured("new_flows_return", RETURNS)

    assert found.samples < found.minimum_samples


def test_sessions_are_stranded_from_the_return_of_new_flows_on():
    """The heartbeat itself stays behind: what new flows left at 58 s, the transfer still has from 59 s to 90 s."""
    both = kept(with_new_flows(STAYS, *NEW))
    found = METRICS["stranded_sessions"].measure(both, ask("sync"))

    assert (1, False) == (found.value, found.lower_bound)
    assert [(31 * S, "lte")] == [(entry.stranded_ns, entry.stranded_on) for entry in ledger(both)]


def test_sessions_that_came_home_with_new_flows_are_not_stranded():
    """The transfer is back before new flows are."""
    early = bins(
        ("starlink", "up", 0, 30 * S, BEAT + 1050, 1),
        ("lte", "up", 32 * S, 57 * S, BEAT + 1050, 1),
        ("starlink", "up", 57 * S, 90 * S, BEAT + 1050, 1),
    )

    assert [0] == [entry.stranded_ns for entry in ledger(kept(with_new_flows(early, *NEW)))]


def test_the_decomposition_has_both_returns():
    """After one outage: new flows at 58 s, the heartbeat at 61 s."""
    (found,) = decompose(kept(with_new_flows(RETURNS, *NEW)))

    assert (58 * S, 61 * S) == (found.new_returned_ns, found.returned_ns)
