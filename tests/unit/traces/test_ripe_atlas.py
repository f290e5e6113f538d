"""RIPE Atlas results: which packets count, and what is no measurement of single round trips."""

import json

import pytest

from testbed.errors import InputError
from testbed.traces import store
from tests.unit.traces.samples import written


def result(n, *packets, **fields):
    sent = sum("dup" not in packet and "late" not in packet for packet in packets if packet)
    return {"prb_id": 1, "msm_id": 9, "type": "ping", "timestamp": 1_700_000_000 + 240 * n, "sent": sent,
            "result": list(packets)} | fields  # fmt: skip


def imported(folder, *results, text=""):
    return store.import_file(written(folder, text or json.dumps(list(results))))


def test_duplicates_and_late_answers_are_no_packets(tmp_path):
    """Only what was sent is a probe; * and errors are lost ones."""
    trace = imported(
        tmp_path,
        result(0, {"rtt": 30.5}, {"rtt": 30.9, "dup": 1}, {"x": "*"}, {"late": 1, "rtt": 900}, {"rtt": 31}),
        result(1, {"error": "connect failed: Network is unreachable"}),
    )

    assert [0, 1, 2, 240] == (trace.probes.t_ns // 10**9).tolist()
    assert [False, True, False, True] == trace.probes.lost.tolist()
    assert {
        "the packets of a result taken for 1 s apart, as Atlas sends them",
        "1 errors of the probe, such as: connect failed: Network is unreachable",
    } <= set(trace.provenance.notes)


def test_packets_that_all_were_lost_may_not_be_listed(tmp_path):
    """An empty result of three packets without an answer is three losses."""
    assert 3 == int(imported(tmp_path, result(0, sent=3, rcvd=0)).probes.lost.sum())


def test_two_measurements_of_a_probe_are_two_paths(tmp_path):
    """Their round trips are not mixed: both become context."""
    trace = imported(tmp_path, result(0, {"rtt": 30}), result(0, {"rtt": 90}, msm_id=10))

    assert not trace.series
    assert {"rtt of probe 1 in 9 ms", "rtt of probe 1 in 10 ms"} == set(trace.context)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (
            [result(0, sent=3, rcvd=3, min=0.5)],
            "record 0: 3 answers and no single RTTs, as of a built-in measurement",
        ),
        (
            [result(0, sent=0, dnserr="no such name")],
            "no packet was sent (no such name); give a measurement that ran",
        ),
        ([result(0, {"rtt": 30}, sent=0)], "record 0: 0 packets sent, 1 listed"),
        ([result(0, {"rtt": 30}, sent=3)], "record 0: 3 packets sent, 1 listed"),
        (
            [result(0, {"rtt": 30}), result(0, {"rtt": 30})],
            "record 1: the same as record 0; give each result once",
        ),
        ([result(0, {"rtt": 0})], "record 0: rtt 0 ms; a round trip takes more than 0"),
        ([result(0, {"rtt": 30}, type="traceroute")], "record 0: type 'traceroute'; give a ping measurement"),
        ([result(0, sent=10**9, rcvd=0)], "record 0: 1000000000 packets sent"),
        ([result(10**20)], "record 0: timestamp 24000000000001700000000; an epoch in s"),
        ([result(0, None)], "record 0: not a RIPE Atlas ping result"),
    ],
)
def test_what_is_no_measurement_is_refused(results, message, tmp_path):
    """With the record and the reason."""
    with pytest.raises(InputError) as error:
        imported(tmp_path, text=json.dumps(results))

    assert message in str(error.value)


def test_two_lists_in_one_file_are_refused(tmp_path):
    """The second one's line is named."""
    one = json.dumps([result(0, {"rtt": 30})])

    with pytest.raises(InputError, match=r"file\.txt:2: 2 lists of results in one file"):
        imported(tmp_path, text=f"{one}\n{one}")
