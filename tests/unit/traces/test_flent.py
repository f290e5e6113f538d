"""Flent's data files: probes by their numbers, rates by the sums of the transfers."""

import gzip
import json

import pytest

from testbed.errors import InputError
from testbed.model.trace import SeriesName, Trait
from testbed.traces import store
from tests.unit.traces.samples import FLENT, written

S = 10**9


def test_flent_gives_the_rtt_under_load_and_both_rates(tmp_path):
    """A probe was sent its RTT before its answer; a number that is missing was lost; None is no rate."""
    path = tmp_path / "rrul.flent.gz"
    path.write_bytes(gzip.compress(FLENT.encode()))

    trace = store.import_file(path)

    assert "flent 1" == trace.provenance.made_by
    assert [False, False, True, False, False] == trace.probes.lost.tolist()
    assert [31_500_000, 32_500_000, 0, 34_500_000, 35_500_000] == trace.probes.value.tolist()
    assert 1_700_000_000 * S == trace.provenance.start_ns
    assert [20_500_000, 22_500_000] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert [0, 400_000_000] == trace.series[SeriesName.DOWN_RATE].t_ns.tolist()
    assert [1_000_000, 2_000_000, 3_000_000] == trace.series[SeriesName.UP_RATE].value.tolist()
    assert (Trait.SENDER_SIDE,) == trace.provenance.traits
    assert "RTT of 'Ping (ms) ICMP'; left: Ping (ms) UDP BE" in trace.provenance.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["raw_values"].clear() or data["results"].clear(),
         "series none: no ping with raw values, no TCP transfer"),
        (lambda data: data["raw_values"]["Ping (ms) ICMP"].reverse(), "value 1: number 4 follows 5"),
        (lambda data: data["x_values"].pop(), "'TCP download sum' has 3 values at 2 times"),
        (lambda data: data["metadata"].pop("T0"), "not a data file of Flent's: no 'TIME'"),
    ],
)  # fmt: skip
def test_a_file_that_flent_did_not_write_is_refused(change, message, tmp_path):
    """What is missing or out of order is named."""
    data = json.loads(FLENT)
    change(data)

    with pytest.raises(InputError) as error:
        store.import_file(written(tmp_path, json.dumps(data)))

    assert message in str(error.value)
