"""Durability of uploads made by hand."""

from __future__ import annotations

import pyarrow as pa

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import S, ask, evidence
from tests.unit.metrics.made_flows import uploads


def measured(metric: str, kept: Evidence, **window: int) -> Measurement:
    return METRICS[metric].measure(kept, ask("clinic", **window))


def kept(*changed: tuple[int, int | None, bool | None]) -> Evidence:
    """80 uploads, one a second, acknowledged after 1 s and kept; the first ones are as ``changed`` says."""
    usual = [(t * S, 1 * S, True) for t in range(len(changed), 80)]
    return evidence(clinic=uploads(*changed, *usual))


def test_all_there():
    """Every acknowledged upload is in the tenant."""
    found = measured("uploads_durable", kept())

    assert (1.0, 80) == (found.value, found.samples)
    assert 1.0 == measured("uploads_acknowledged", kept()).value
    assert 1 * S == measured("upload_p95", kept()).value


def test_an_acknowledged_upload_that_is_not_there_is_data_loss():
    """One of 80 is missing or has other bytes; it is named."""
    found = measured("uploads_durable", kept((0, 1 * S, False)))

    assert 79 / 80 == found.value
    assert ["clinic/00000"] == found.details["lost"]


def test_what_was_not_acknowledged_was_not_promised():
    """An upload without an acknowledgement is no data loss, but not acknowledged."""
    evidence = kept((0, None, None))

    assert 1.0 == measured("uploads_durable", evidence).value
    found = measured("uploads_acknowledged", evidence)
    assert (79 / 80, ["clinic/00000"]) == (found.value, found.details["not_acknowledged"])


def test_what_the_account_itself_delayed_is_not_the_hubs():
    """An upload that was told to wait is promised all the same, and its time says nothing of the hub."""
    table = uploads((0, None, None), (1 * S, 9 * S, False), *[(t * S, 1 * S, True) for t in range(2, 60)])
    told = pa.array([1, 1, *[0] * 58], pa.int32())
    found = evidence(clinic=table.set_column(table.column_names.index("throttled"), "throttled", told))

    assert 1.0 == measured("uploads_acknowledged", found).value
    assert 1 * S == measured("upload_p95", found).value
    assert 58 / 59 == measured("uploads_durable", found).value


def test_without_reading_back_nothing_is_known():
    """Acknowledged and never compared: no verdict, whatever the others say."""
    found = measured("uploads_durable", kept((0, 1 * S, None)))

    assert "1 acknowledged uploads were not read back" == found.reason


def test_the_slowest_uploads_make_the_percentile():
    """Five of 80 took 20 s: the 76th smallest is the first of them only if it is the fifth from the top."""
    assert 1 * S == measured("upload_p95", kept(*[(t * S, 20 * S, True) for t in range(4)])).value
    assert 20 * S == measured("upload_p95", kept(*[(t * S, 20 * S, True) for t in range(5)])).value


def test_an_upload_that_never_was_acknowledged_waited_until_the_end():
    """Six of 80 that begin at 80 s and wait until 90 s: at least 10 s."""
    found = measured("upload_p95", kept(*[(80 * S, None, None)] * 6))

    assert (10 * S, True) == (found.value, found.lower_bound)


def test_few_uploads_without_an_acknowledgement_are_the_slowest_ones():
    """Two of 80 never came: whatever they would have taken, the 76th of the others took 3 s."""
    found = measured("upload_p95", kept((0, None, None), (88 * S, None, None), *[(0, 3 * S, True)] * 3))

    assert (3 * S, False) == (found.value, found.lower_bound)


def test_no_upload_in_the_window():
    """A window without uploads, and a stream that is not there, give their reason."""
    assert "no upload of clinic in the window" == measured("uploads_durable", kept(), start_ns=85 * S).reason
    assert "no upload of clinic in the window" == measured("upload_p95", evidence()).reason
