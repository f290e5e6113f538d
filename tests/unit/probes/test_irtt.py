"""Reading irtt's output: what a real irtt prints, and what a dying one leaves."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest

from testbed.probes.irtt import Echo, answered_in_time, echoes, salvage, salvage_since
from testbed.traces.formats.irtt_reply import parse_duration, parse_reply

CLIENT = ["-4", "-i", "10ms", "-d", "500ms", "--wait=200ms", "--timeouts=1s,2s,4s", "-o", "-"]


@dataclass(frozen=True)
class Recording:
    """What a real irtt wrote about itself: its document, and its lines each with a stamp."""

    document: bytes
    lines: list[str]


@pytest.fixture(scope="module")
def recording() -> Recording:
    """50 packets through loopback, every 10 ms."""
    if shutil.which("irtt") is None:
        pytest.skip("needs irtt")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["irtt", "server", "-b", address, "-i", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout
            said = list(takewhile(lambda line: "[ListenerStart]" not in line, server.stdout))
            assert server.poll() is None, said
            client = subprocess.run(
                ["irtt", "client", *CLIENT, address], capture_output=True, text=True, timeout=60
            )
        finally:
            server.kill()
    assert 0 == client.returncode, client.stderr
    trips = json.loads(client.stdout)["round_trips"]
    arrivals = iter(trip["timestamps"]["client"]["receive"]["wall"] for trip in trips if trip["delay"])
    lines = [
        f"{next(arrivals)} {line}"
        for line in client.stderr.splitlines(keepends=True)
        if line.startswith("seq=")
    ]
    return Recording(client.stdout.encode(), lines)


def test_reads_a_real_document(recording: Recording) -> None:
    """Every packet has its number, a time on the 10 ms grid and a plausible RTT."""
    started_ns = echoes(recording.document, 0)[0].t_ns
    packets = echoes(recording.document, started_ns)

    assert list(range(len(packets))) == [p.seq for p in packets]
    assert 0 == packets[0].t_ns
    assert 0.49e9 == pytest.approx(packets[-1].t_ns, rel=0.1)
    assert all(p.rtt_ns and 0 < p.rtt_ns < 10**9 for p in packets if p.lost == "none")


def test_salvaged_lines_agree_with_the_document(recording: Recording) -> None:
    """From the stamped lines alone the packets are the document's, within irtt's three digits."""
    expected = [p for p in echoes(recording.document, 0) if p.lost == "none"]
    salvaged = [p for p in salvage(recording.lines, 0) if p.lost == "none"]

    assert [p.seq for p in expected] == [p.seq for p in salvaged]
    for one, other in zip(expected, salvaged, strict=True):
        assert one.rtt_ns == pytest.approx(other.rtt_ns, rel=0.01)
        assert one.t_ns == pytest.approx(other.t_ns, abs=10**6)


def test_salvage_says_what_is_missing() -> None:
    """A packet without a reply is lost, between its neighbours; torn and foreign lines are skipped."""
    lines = [
        "1000 [Connecting] connecting to 127.0.0.1\n",
        "1020000000 seq=0 rtt=20ms rd=10ms sd=10ms ipdv=n/a\n",
        "1051000000 seq=3 rtt=21ms rd=10ms sd=11ms ipdv=1ms\n",
        "1032000000 seq=1 rtt=22ms rd=10ms sd=12ms ipdv=1ms\n",
        "1061000000 seq=4 rt",
    ]
    expected = [
        Echo(0, 0, 20_000_000, "none"),
        Echo(1, 10_000_000, 22_000_000, "none"),
        Echo(2, 20_000_000, None, "unknown"),
        Echo(3, 30_000_000, 21_000_000, "none"),
    ]

    assert expected == salvage(lines, 10**9)


def test_nothing_can_be_salvaged_from_nothing() -> None:
    """A log without replies gives no packets."""
    assert [] == salvage(["5 [Connecting] connecting\n"], 0)


def test_losses_keep_their_direction() -> None:
    """irtt's words for a loss become up, down and unknown."""
    trips = [
        {"seqno": n, "lost": word, "timestamps": {"client": {"send": {"wall": 100 + n}}}, "delay": {}}
        for n, word in enumerate(("true_up", "true_down", "true"))
    ]
    expected = [Echo(0, 0, None, "up"), Echo(1, 1, None, "down"), Echo(2, 2, None, "unknown")]

    assert expected == echoes(json.dumps({"round_trips": trips}).encode(), 100)


@pytest.mark.parametrize(
    "document",
    [
        *("", "{", "{}", "[]", '{"round_trips": 5}', '{"round_trips": [{"seqno": 1}]}'),
        *('{"round_trips": [{"lost": "maybe", "seqno": 1}]}', '{"round_trips": [], "more": "\xff'),
    ],
)
def test_a_document_of_another_shape_is_refused(document: str) -> None:
    """What is not irtt's is refused, not guessed at."""
    with pytest.raises(ValueError, match=r"not what irtt 0\.9 writes"):
        echoes(document.encode(), 0)


def test_the_end_of_an_interrupted_run_is_not_lost() -> None:
    """Unanswered packets of the last second before an interruption are left out; answered ones stay."""
    packets = [
        Echo(0, 0, None, "up"),
        Echo(1, 10, None, "unknown"),
        Echo(2, 60, 5, "none"),
        Echo(3, 100, None, "unknown"),
    ]

    assert [packets[0], packets[2]] == answered_in_time(packets, 95)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("666ns", 666),
        ("85.9µs", 85_900),
        ("1.45ms", 1_450_000),
        ("1.2s", 1_200_000_000),
        ("1m2.5s", 62_500_000_000),
    ],
)
def test_reads_durations_as_go_prints_them(text: str, expected: int) -> None:
    """All units that Go uses are understood."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize("text", ["n/a", "", "5", "5 ms", "1.2.3s", "-4ms"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ValueError, match=r"is no duration such as 1\.45ms"):
        parse_duration(text)


@pytest.mark.parametrize(
    "line", ["", "seq=", "seq=5 rtt=n/a rd=n/a", "[Connected] connection established", "seq=x rtt=1ms "]
)
def test_a_line_that_is_no_reply_is_none(line: str) -> None:
    """irtt's other lines are not replies."""
    assert parse_reply(line) is None


def test_the_last_replies_are_found_without_reading_all(tmp_path: Path) -> None:
    """From the middle of a long log on it is as if all of it had been read, less what was before."""
    log, began_ns, every_ns = tmp_path / "heartbeat.txt", 10**18, 10**7
    answered = [seq for seq in range(6000) if seq % 7]
    log.write_text(
        "1000000000000000000 [Connecting] connecting\n"
        + "".join(
            f"{began_ns + seq * every_ns + 20_000_000} seq={seq} rtt=20ms rd=10ms sd=10ms ipdv=1ms\n"
            for seq in answered
        )
    )
    with log.open() as lines:
        whole = salvage(lines, began_ns)

    for since_ns in (0, 3 * 10**9, 45 * 10**9, 59 * 10**9):
        found = salvage_since(log, began_ns, since_ns)
        assert found == [packet for packet in whole if packet.seq >= found[0].seq]
        assert found[0].t_ns <= since_ns + every_ns and len(found) <= (60 * 10**9 - since_ns) / every_ns + 200


def test_a_log_of_a_moment_is_read_whole(tmp_path: Path) -> None:
    """Also where nothing has come yet."""
    (tmp_path / "none.txt").write_text("")

    assert [] == salvage_since(tmp_path / "none.txt", 0, 10**9)
