"""Transfers as iperf3 and nuttcp print them, written here: the rates, and what it is that was counted."""

import pytest

from testbed.errors import InputError
from testbed.model.trace import Framing, Layer, SeriesName, Trait
from testbed.traces import store
from tests.unit.traces.samples import written

IPERF_TEXT = """Connecting to host 192.0.2.1, port 5201
Reverse mode, remote host 192.0.2.1 is sending
[  5] local 192.0.2.2 port 41002 connected to 192.0.2.1 port 5201
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-1.00   sec  12.5 MBytes   105 Mbits/sec
[  5]   1.00-2.00   sec  0.00 Bytes  0.00 bits/sec
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec    0             sender
[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec                  receiver

iperf Done.
"""
IPERF_UDP = """Connecting to host 192.0.2.1, port 5201
[ ID] Interval           Transfer     Bitrate         Total Datagrams
[  5]   0.00-1.00   sec  1.25 MBytes  10.5 Mbits/sec  906
[  5]   1.00-2.00   sec  1.25 MBytes  10.5 Mbits/sec  906
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-2.00   sec  2.50 MBytes  10.5 Mbits/sec  0.000 ms  0/1812 (0%)  sender

iperf Done.
"""
NUTTCP_UP = """nuttcp-t: v8.1.4: socket
nuttcp-t: buflen=65536, nstream=1, port=5003 tcp -> 192.0.2.1
nuttcp-t: connect to 192.0.2.1 with mss=1408, RTT=44.571 ms af=inet
    0.1875 MB /   0.50 sec =    3.1457 Mbps     0 retrans     13 KB-cwnd
"""


def test_iperf3_text_gives_intervals_and_no_totals(tmp_path):
    """A reverse test is the rate down; its totals are not intervals."""
    trace = store.import_file(written(tmp_path, IPERF_TEXT))

    assert "iperf3-text 1" == trace.provenance.made_by
    assert [105_000_000, 0] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert 2 * 10**9 == trace.duration_ns


def test_a_missing_iperf3_interval_is_refused(tmp_path):
    """A hole between intervals names the line behind it."""
    text = IPERF_TEXT.replace("1.00-2.00", "1.50-2.00")

    with pytest.raises(InputError, match=r"file\.txt:6: interval 1\.5-2 s follows 1 s"):
        store.import_file(written(tmp_path, text))


def test_an_upload_by_its_sender_is_marked(tmp_path):
    """Zero intervals of a sender are write batches, and lint must know."""
    text = IPERF_TEXT.replace("Reverse mode, remote host 192.0.2.1 is sending\n", "")

    trace = store.import_file(written(tmp_path, text))

    assert (Trait.SENDER_SIDE,) == trace.provenance.traits
    assert SeriesName.UP_RATE in trace.series


@pytest.mark.parametrize(
    ("text", "name", "framing"),
    [
        (IPERF_TEXT, SeriesName.DOWN_RATE, Framing(Layer.TCP, 1448)),
        (IPERF_UDP, SeriesName.UP_RATE, Framing(Layer.UDP, 1472)),
        (NUTTCP_UP, SeriesName.UP_RATE, Framing(Layer.TCP, 1408)),
        (NUTTCP_UP.replace("5003 tcp", "5003 udp").replace("65536", "1300").replace("mss=1408, ", ""),
         SeriesName.UP_RATE, Framing(Layer.UDP, 1300)),
        ("1\n1\n2\n5\n9\n", SeriesName.DOWN_RATE, Framing(Layer.IP, 1500)),
        ("10,100,20,25,0\n12,110,21,26,100\n", SeriesName.DOWN_RATE, Framing(Layer.TCP, 1448)),
        ("uplink_throughput_Mbps,wall_time_ns\n10,0\n", SeriesName.UP_RATE, Framing(Layer.TCP, 1448)),
    ],
)  # fmt: skip
def test_a_rate_says_what_was_counted(text, name, framing, tmp_path):
    """Payload of TCP or UDP, or IP packets, and how large they were where the text tells."""
    trace = store.import_file(written(tmp_path, text))

    assert framing == trace.framing[name]
