"""nuttcp's text: its summary is no interval, and two runs are not one."""

import pytest

from testbed.errors import InputError
from testbed.model.trace import Layer, SeriesName
from testbed.traces import store
from tests.unit.traces.samples import NUTTCP, written

TERSE = "".join(f"    2.1875 MB /   1.00 sec =   18.{n}484 Mbps     0 retrans\n" for n in range(3))
SUMMARY = "    7.2500 MB /   3.22 sec =   18.8687 Mbps 0 %TX 3 %RX 0 retrans 20.18 msRTT\n"


@pytest.mark.parametrize("blank", ["", "\n"])
def test_the_terse_summary_is_no_interval(blank, tmp_path):
    """It has no name of an end in front, but the shares of processor time."""
    trace = store.import_file(written(tmp_path, TERSE + blank + SUMMARY))

    assert 3 * 10**9 == trace.duration_ns
    assert [18_048_400, 18_148_400, 18_248_400] == trace.series[SeriesName.UP_RATE].value.tolist()


@pytest.mark.parametrize(
    ("name", "series"), [("a.txt", "up_rate"), ("tcp_downlink.txt", "down_rate"), ("x.up.gz.txt", "up_rate")]
)
def test_terse_text_has_its_direction_from_the_name(name, series, tmp_path):
    """Where nothing tells it, nuttcp sends, and a note says so."""
    trace = store.import_file(written(tmp_path, TERSE + SUMMARY, name))

    assert [series] == list(trace.series)
    assert any("direction" in note for note in trace.provenance.notes)


@pytest.mark.parametrize("text", [TERSE + SUMMARY, NUTTCP + "\n"])
def test_two_runs_in_one_file_are_refused(text, tmp_path):
    """The second one's first line is named."""
    with pytest.raises(InputError, match=rf"file\.txt:{text.count(chr(10)) + 1}: a second test begins"):
        store.import_file(written(tmp_path, text + text))


def test_intervals_that_are_missing_before_the_summary_are_noted(tmp_path):
    """The summary tells how long the test was."""
    text = TERSE + SUMMARY.replace("3.22 sec", "6.05 sec")

    assert (
        "the intervals make 3 s, the summary says 6.05 s"
        in store.import_file(written(tmp_path, text)).provenance.notes
    )


def test_a_summary_without_its_time_is_none(tmp_path):
    """The line is one of nuttcp's end, and tells no length."""
    text = NUTTCP.replace("in 3.00 real", "in  real")

    assert any("no summary" in note for note in store.import_file(written(tmp_path, text)).provenance.notes)


def test_drops_tell_datagrams(tmp_path):
    """Terse text of UDP has no other sign of it."""
    text = TERSE.replace("0 retrans", "0 /   192 ~drop/pkt  0.00 ~%loss")

    assert Layer.UDP is store.import_file(written(tmp_path, text)).framing[SeriesName.UP_RATE].layer
