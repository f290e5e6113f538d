"""G-NetTrack's log: kbit/s by the second, means of pings, and what the radio said."""

import pytest

from testbed.errors import InputError
from testbed.model.trace import SeriesName, Trait
from testbed.traces import lint, store
from tests.unit.traces.samples import GNETTRACK, written


@pytest.mark.parametrize("between", [",", "\t"])
def test_a_phone_s_log_is_usage_and_pings(between, tmp_path):
    """Throughput in kbit/s, a second without any answer lost; the radio is context; the zone is unknown."""
    trace = store.import_file(written(tmp_path, GNETTRACK.replace(",", between)))

    assert "gnettrack 1" == trace.provenance.made_by
    assert [1_000_000 * n for n in range(6)] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert [n == 2 for n in range(6)] == trace.probes.lost.tolist()
    assert [-100_000, -101_000] == trace.context["RSRP dBm"].value.tolist()[:2]
    assert trace.provenance.start_ns is None
    assert (Trait.USAGE,) == trace.provenance.traits
    assert any(
        "the path's only where a transfer filled it" in found.consequence for found in lint.lint(trace)
    )


def test_a_log_without_figures_is_refused(tmp_path):
    """Dashes are no values."""
    text = "Timestamp,DL_bitrate,UL_bitrate\n2019.11.28_07.00.00,-,-\n2019.11.28_07.00.01,-,-\n"

    with pytest.raises(InputError, match="no throughput and no pings in any row"):
        store.import_file(written(tmp_path, text))
