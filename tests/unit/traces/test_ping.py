"""Pings become probes at their send times; what is missing in the output is a loss."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import Trait
from testbed.traces import store
from tests.unit.traces.recordings import recording

ISL = "uvic-leonetem/latency/ping-example-isl.txt"
HEADER = "PING host (192.0.2.1) 56(84) bytes of data."
SUMMARY = "4 packets transmitted, 3 received, 25% packet loss, time 30ms"


def reply(seq: int, received: float | None, rtt: str) -> str:
    stamp = "" if received is None else f"[{received:.6f}] "
    return f"{stamp}64 bytes from host (192.0.2.1): icmp_seq={seq} ttl=60 time={rtt} ms"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "ping.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_probe_stands_at_its_send_time_and_a_missing_number_is_a_loss(tmp_path):
    """The printed time is the receive time; lost probes were sent evenly between their neighbours."""
    path = written(
        tmp_path,
        HEADER,
        reply(1, 100.020, "20.0"),
        reply(2, 100.040, "30.0"),
        reply(4, 100.050, "20.0"),
    )

    trace = store.read(path)

    assert 100_000_000_000 == trace.provenance.start_ns
    assert [0, 10_000_000, 20_000_000, 30_000_000] == trace.probes.t_ns.tolist()
    assert [20_000_000, 30_000_000, 0, 20_000_000] == trace.probes.value.tolist()
    assert [False, False, True, False] == trace.probes.lost.tolist()


def test_the_summary_tells_of_probes_lost_at_the_end(tmp_path):
    """Probes that the summary counts after the last reply are losses, one interval apart."""
    lines = [reply(n, 100 + n / 100, "5.00") for n in (1, 2, 3)]

    trace = store.read(written(tmp_path, HEADER, *lines, "--- host ping statistics ---", SUMMARY))

    assert [False, False, False, True] == trace.probes.lost.tolist()
    assert 30_000_000 == trace.probes.t_ns[-1]


def test_sequence_numbers_wrap_at_16_bits(tmp_path):
    """After 65535 comes 0, which is no loss of 65,535 probes."""
    lines = [reply(seq % 65536, 100 + n / 100, "5.00") for n, seq in enumerate((65534, 65535, 65536, 65538))]

    trace = store.read(written(tmp_path, *lines))

    assert [False, False, False, True, False] == trace.probes.lost.tolist()


def test_duplicates_and_late_replies_invent_no_probe(tmp_path):
    """A duplicate is left out with a note; a reply out of order is no loss."""
    lines = [
        reply(1, 1.02, "20.0"),
        reply(3, 1.05, "20.0"),
        reply(2, 1.06, "40.0"),
        reply(2, 1.061, "41.0") + " (DUP!)",
    ]

    trace = store.read(written(tmp_path, HEADER, *lines))

    assert [20_000_000, 40_000_000, 20_000_000] == trace.probes.value.tolist()
    assert "1 duplicate replies left out: the first of each counts" in trace.provenance.notes


def test_without_times_the_interval_comes_from_the_summary(tmp_path):
    """A ping without -D is replayable, and marked as one without send times."""
    lines = [reply(n, None, "5.00") for n in (1, 2, 4)]

    trace = store.read(written(tmp_path, HEADER, *lines, SUMMARY))

    assert [0, 10_000_000, 20_000_000, 30_000_000] == trace.probes.t_ns.tolist()
    assert trace.provenance.start_ns is None
    assert Trait.NO_SEND_TIMES in trace.provenance.traits


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [HEADER, "[1.0] 64 bytes fr"],
            (
                "ping.txt:2: '[1.0] 64 bytes fr' is no line of ping's that is known; "
                "take it out if another program wrote it"
            ),
        ),
        (
            [HEADER, reply(1, 1.0, "1000000000")],
            ("ping.txt:2: time is 1000000000 ms; a round trip takes less than 10 minutes"),
        ),
        (
            [HEADER, reply(1000000000, 1.0, "5.00")],
            "ping.txt:2: icmp_seq is 1000000000; it has 16 bits: at most 65535",
        ),
        (
            [HEADER, reply(1, 5000.0, "5.00"), reply(2, 4000.0, "5.00")],
            ("ping.txt:3: the clock leaps back by 16.67 min; split the recording where its clock changes"),
        ),
        (
            [HEADER, reply(1, 5000.0, "5.00"), reply(2, None, "5.00")],
            (
                "ping.txt:3: some replies have a time in front "
                "and this one has none; give a recording by one tool"
            ),
        ),
        (
            [HEADER, reply(1, 1.0, "5.00"), SUMMARY],
            ("ping.txt:3: the summary counts 3 replies, the file has 1; give the whole recording"),
        ),
        (
            [HEADER, "64 " + reply(1, None, "5.00")],
            (
                "ping.txt:2: '64 64 bytes from host (192.0.2.1): icmp_seq=1 ttl=60 time=5.' is no whole line of "
                "ping's; record with LC_ALL=C if it is in another language; otherwise split or mend the file there"
            ),
        ),
        (
            [f"{HEADER}64 bytes from", reply(2, None, "5.00")],
            (
                f"ping.txt:1: '{f'{HEADER}64 bytes from'[:60]}' is no line of ping's that is known; "
                "take it out if another program wrote it"
            ),
        ),
        ([HEADER], "ping.txt: the recording has no probes; record with: ping -D -i 0.01 HOST"),
        ([""], "ping.txt: the file is empty; give a recording"),
    ],
)
def test_a_broken_ping_is_refused_with_its_line(tmp_path, lines, message):
    """What ping would not print is an error with the line, never left out."""
    with pytest.raises(InputError) as error:
        store.read(written(tmp_path, *lines))

    assert message == str(error.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("junk", [b"\xff\xfe", b"\0"])
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path, junk):
    """A wrong encoding or binary data names the first line that is not UTF-8 text."""
    path = tmp_path / "ping.txt"
    path.write_bytes(HEADER.encode() + b"\n" + junk + b"\n")

    with pytest.raises(InputError, match=r"ping\.txt:2: byte 0x(ff|00) is not UTF-8 text"):
        store.read(path)


def test_a_gzipped_recording_reads_like_the_plain_one(tmp_path):
    """A recording may be compressed; a broken archive is refused."""
    plain = written(tmp_path, HEADER, reply(1, 1.0, "5.00"), reply(2, 1.01, "5.00"))
    packed = tmp_path / "ping.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert store.read(plain).probes.value.tolist() == store.read(packed).probes.value.tolist()
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(InputError, match="cut short or broken"):
        store.read(packed)


def test_the_real_recording_keeps_every_reply_and_invents_none():
    """Replies, losses and RTTs agree with an independent count of the file's lines."""
    path = recording(ISL)
    found = re.findall(r"icmp_seq=(\d+) ttl=\d+ time=(\S+) ms", path.read_text())

    probes = store.read(path).probes

    assert len(found) == np.count_nonzero(~probes.lost)
    assert max(int(seq) for seq, _ in found) == len(probes)
    assert sorted(round(float(rtt) * 1e6) for _, rtt in found) == sorted(probes.value[~probes.lost].tolist())


@pytest.mark.parametrize("cut", [0.2, 0.51, 0.73, 0.99])
def test_a_truncated_real_recording_is_read_without_its_last_line(tmp_path, cut):
    """A file cut inside a line is read as far as it is whole, and a note says so."""
    data = recording(ISL).read_bytes()
    short = data[: data.index(b"\n", int(len(data) * cut)) - 4]
    path = tmp_path / "short.txt"
    path.write_bytes(short)

    trace = store.read(path)

    assert len(re.findall(rb"time=\S+ ms", short)) == np.count_nonzero(~trace.probes.lost)
    assert f"line {short.count(10) + 1} is unfinished" in trace.provenance.notes[0]
