"""What the pings of the field print: read as it was meant, or refused with the reason that is true."""

import gzip

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import Trait
from testbed.traces import store
from testbed.traces.formats.ping_lines import CADENCE_UNKNOWN

START = 1_753_380_000
HEADER = "PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data."
BSD = "PING 192.0.2.1 (192.0.2.1): 56 data bytes"


def imported(folder, *lines, **told):
    path = folder / "ping.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return store.import_file(path, **told)


def refusal(folder, *lines):
    with pytest.raises(InputError) as error:
        imported(folder, *lines)
    return str(error.value).removeprefix(f"{folder}/")


def reply(n, at=None, rtt="30.0"):
    stamp = "" if at is None else f"[{START + at:.6f}] "
    return f"{stamp}64 bytes from 192.0.2.1: icmp_seq={n} ttl=57 time={rtt} ms"


def summary(sent, received, took=None):
    time = "" if took is None else f", time {took}ms"
    return [
        "",
        "--- 192.0.2.1 ping statistics ---",
        f"{sent} packets transmitted, {received} received, 1% packet loss{time}",
    ]


READ = {  # name: lines, probes, the numbers lost counted from 0
    "macOS": (
        [BSD, reply(0), "Request timeout for icmp_seq 1", "Request timeout for icmp_seq 2", reply(3)]
        + [
            "",
            "--- 192.0.2.1 ping statistics ---",
            "4 packets transmitted, 2 packets received, 50.0% packet loss",
        ]
        + ["round-trip min/avg/max/stddev = 30.1/33.9/39.0/2.2 ms"],
        4,
        [1, 2],
    ),
    "macOS, the first one lost": ([BSD, "Request timeout for icmp_seq 0", reply(1), reply(2)], 3, [0]),
    "macOS --apple-time past midnight": (
        [BSD, f"23:59:59.100000 {reply(0)}", f"00:00:00.100000 {reply(1)}", f"00:00:02.100000 {reply(3)}"],
        4,
        [2],
    ),
    "BusyBox": (
        [
            BSD,
            "64 bytes from 192.0.2.1: seq=0 ttl=57 time=34.461 ms",
            "64 bytes from 192.0.2.1: seq=2 ttl=57 time=3.1 ms",
        ],
        3,
        [1],
    ),
    "iputils before 2012": (
        [HEADER, *(f"64 bytes from 192.0.2.1: icmp_req={n} ttl=53 time=40 ms" for n in (1, 3))],
        3,
        [1],
    ),
    "-v": (
        [
            "ping: sock4.fd: 3 (socktype: SOCK_RAW), sock6.fd: 4 (socktype: SOCK_RAW), hints.ai_family: AF_UNSPEC",
            "",
        ]
        + ["ai->ai_family: AF_INET, ai->ai_canonname: '192.0.2.1'", HEADER]
        + [f"64 bytes from 192.0.2.1: icmp_seq={n} ident=77 ttl=64 time=30.3 ms" for n in (1, 2)],
        2,
        [],
    ),
    "SIGQUIT": (
        [HEADER, reply(1), "2/1 packets, 50% loss, min/avg/ewma/max = 0.031/0.040/0.038/0.050 ms", reply(3)],
        3,
        [1],
    ),
    "German": (
        ["PING 192.0.2.1 (192.0.2.1) 56(84) Bytes an Daten."]
        + [f"64 Bytes von 192.0.2.1: icmp_seq={n} ttl=58 Zeit=19,0 ms" for n in (1, 3)]
        + [
            "",
            "--- 192.0.2.1 Ping-Statistiken ---",
            "4 Pakete übertragen, 2 empfangen, 50% Paketverlust, Zeit 3003ms",
        ],
        4,
        [1, 3],
    ),
    "French": ([f"64 octets de 192.0.2.1 : icmp_seq={n} ttl=58 temps=19.0 ms" for n in (1, 2)], 2, []),
    "Japanese": (
        [f"64 バイト応答 送信元 192.0.2.1: icmp_seq={n} ttl=58 時間=19.0ミリ秒" for n in (1, 2)],
        2,
        [],
    ),
    "local times in brackets": (
        [HEADER, *(f"[2025-03-09 10:15:0{n}.413278] {reply(n)}" for n in (1, 2, 4))],
        4,
        [2],
    ),
    "ts %.s": ([f"{START}.413278 {HEADER}", *(f"{START + n}.413278 {reply(n)}" for n in (1, 3))], 3, [1]),
    "unreachable": (
        [HEADER, reply(1, 1), "From 192.0.2.9 icmp_seq=2 Destination Host Unreachable", reply(3, 3)],
        3,
        [1],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_each_ping_is_read(name, tmp_path):
    """Numbers are universal: whatever stands around them, missing ones are lost, none else."""
    lines, probes, lost = READ[name]

    trace = imported(tmp_path, *lines)

    assert "iputils-ping 1" == trace.provenance.made_by
    assert probes == len(trace.probes)
    assert lost == np.flatnonzero(trace.probes.lost).tolist()


REFUSED = {
    "-s 4": (
        [HEADER, "12 bytes from 192.0.2.1: icmp_seq=1 ttl=64"],
        ":2: a reply without a time; record with -s 16",
    ),
    "ts": (
        [f"Jul 24 18:00:0{n} {reply(n)}" for n in (1, 2)],
        ":1: 'Jul 24 18:00:01' in front, a time that ping did not print; record with ping -D",
    ),
    "date:": (
        [f"Thu Jul 24 18:00:00 UTC 2025: {HEADER}"],
        ":1: 'Thu Jul 24 18:00:00 UTC 2025:' in front, a time that ping",
    ),
    "cron": (
        [HEADER, reply(1, 1), *summary(1, 1), HEADER, reply(1, 61)],
        ":6: a second PING header: a second recording begins here",
    ),
    "restarted": ([HEADER, reply(1, 1), reply(2, 2), HEADER, reply(1, 60)], ":4: a second PING header"),
    "restarted without a header": (
        [HEADER, reply(1, 1), reply(2, 2), reply(1, 60)],
        ":4: number 1 comes again, and not as a duplicate",
    ),
    "restarted where the first was lost": (
        [reply(n, n) for n in (5, 6, 7)] + [reply(n, n + 60) for n in (1, 2)],
        ":4: number 1 was sent later than a higher one: a second recording begins here",
    ),
    "another language's unknown unit": ([reply(1).replace(" ms", " sec")], "record with LC_ALL=C"),
    "asleep": (
        [HEADER, *(reply(n, n) for n in (1, 2, 3)), reply(4, 7200)],
        ":5: the clock leaps forward by 1.999 h",
    ),
    "numbers that jump without times": (
        [HEADER, reply(1), reply(9000), reply(45001)],
        "numbers of 16 bits do not say how many are lost; record with times (ping -D)",
    ),
    "fewer sent than numbered": (
        [HEADER, reply(1), reply(5), *summary(3, 2)],
        ":6: the summary counts 3 probes, the numbers reach 5",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_counted_is_refused_with_the_true_reason(name, tmp_path):
    """A second recording, no time, a clock that leaps, numbers that nothing counts: the line and why."""
    lines, message = REFUSED[name]

    assert message in refusal(tmp_path, *lines)


@pytest.mark.parametrize("outage", [6 * 60, 15 * 60])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("ended", [False, True])
def test_an_outage_longer_than_the_numbers_is_one_outage(outage, told, ended, tmp_path):
    """At 10 ms the numbers wrap after 11 minutes; times, -O lines and the summary tell how often."""
    before, lost, after = 500, outage * 100, 700
    path = tmp_path / "ping.gz"
    lines = [HEADER]
    for n in range(1, before + lost + after + 1):
        at = n / 100
        if not before < n <= before + lost:
            lines.append(reply(n % 65536, at))
        elif told:
            lines.append(f"[{START + at:.6f}] no answer yet for icmp_seq={n % 65536}")
    lines += summary(before + lost + after, before + after, (before + lost + after) * 10) if ended else []
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))

    probes = store.import_file(path).probes

    assert before + lost + after == len(probes)
    assert list(range(before, before + lost)) == np.flatnonzero(probes.lost).tolist()
    assert abs(lost * 10**7 - int(probes.t_ns[before + lost] - probes.t_ns[before])) < 10**6


def test_an_hour_that_the_numbers_account_for_is_an_outage(tmp_path):
    """70 minutes without an answer at 1 s are 4,200 lost probes, and no clock that leaps."""
    probes = imported(tmp_path, HEADER, *(reply(n, n) for n in (1, 2, 3, 4203, 4204))).probes

    assert (4204, 4199) == (len(probes), int(probes.lost.sum()))


def test_no_rtt_is_no_rtt_of_0(tmp_path):
    """ping prints 0 where the clock was set back: the reply came, its RTT is that of its neighbours, noted."""
    warning = "Warning: time of day goes back (-499967us), taking countermeasures."

    trace = imported(tmp_path, HEADER, reply(1, 1), warning, reply(2, 1.5, "0.000"), reply(3, 3, "40.0"))

    assert [30_000_000, 35_000_000, 40_000_000] == trace.probes.value.tolist()
    assert any("no RTT" in note for note in trace.provenance.notes)


def test_a_clock_set_back_by_half_a_second_moves_no_probe(tmp_path):
    """Probes keep their distance, and the note says by how much the clock was set."""
    lines = [reply(n, n / 100 - (0.5 if n > 50 else 0)) for n in range(1, 101)]

    trace = imported(tmp_path, HEADER, *lines)

    assert {10_000_000} == set(np.round(np.diff(trace.probes.t_ns), -3).tolist())
    assert any("set back" in note for note in trace.provenance.notes)


def test_the_cadence_of_a_ping_without_times_can_be_said(tmp_path):
    """1 s is taken for granted and noted; --cadence says another; a recording with times needs none."""
    lines = [BSD, *(f"64 bytes from 192.0.2.1: seq={n} ttl=57 time=30 ms" for n in range(5))]

    assert CADENCE_UNKNOWN in imported(tmp_path, *lines).provenance.notes
    trace = imported(tmp_path, *lines, cadence_ns=200_000_000)
    assert (10**9, [0, 2, 4, 6, 8]) == (trace.duration_ns, (trace.probes.t_ns // 10**8).tolist())
    assert CADENCE_UNKNOWN not in trace.provenance.notes
    with pytest.raises(InputError, match="the recording has times of its own"):
        imported(tmp_path, HEADER, reply(1, 1), reply(2, 2), cadence_ns=1)


@pytest.mark.parametrize(("date", "hour", "then"), [("2025-10-26", "02", "02"), ("2025-03-30", "01", "03")])
def test_summer_time_is_no_clock_that_leaps(date, hour, then, tmp_path):
    """A prefixed ping has local times; where the numbers go on the hour is that of summer time."""
    lines = [f"[{date} {hour}:59:{s}.030000] {reply(n)}" for n, s in enumerate(range(50, 60), 1)]
    lines += [f"[{date} {then}:00:0{s}.030000] {reply(n)}" for n, s in enumerate(range(10), 11)]
    start = {"02": 1761440390, "01": 1743296390}[hour]

    trace = imported(
        tmp_path,
        f"Start time: {start}000",
        f"[{date} {hour}:59:50.000000] {HEADER}",
        *lines,
        f"End time: {start + 20}000",
    )

    assert {10**9} == set(np.diff(trace.probes.t_ns).tolist())
    assert start * 10**9 == trace.provenance.start_ns
    assert any("summer time" in note for note in trace.provenance.notes)


WINDOWS = {
    "English": (
        "Pinging 192.0.2.1 with 32 bytes of data:",
        "Reply from 192.0.2.1: bytes=32 time{}ms TTL=114",
        "Request timed out.",
    ),
    "German": (
        "Ping wird ausgeführt für 192.0.2.1 mit 32 Bytes Daten:",
        "Antwort von 192.0.2.1: Bytes=32 Zeit{}ms TTL=114",
        "Zeitüberschreitung der Anforderung.",
    ),
    "Japanese": (
        "192.0.2.1 に ping を送信しています 32 バイトのデータ:",
        "192.0.2.1 からの応答: バイト数 =32 時間 {}ms TTL=114",
        "要求がタイムアウトしました。",
    ),
    "Russian": (
        "Обмен пакетами с 192.0.2.1 по с 32 байтами данных:",
        "Ответ от 192.0.2.1: число байт=32 время{}мс TTL=114",
        "Превышен интервал ожидания для запроса.",
    ),
}


@pytest.mark.parametrize("language", WINDOWS)
def test_windows_is_read_in_any_language(language, tmp_path):
    """Replies are known by their numbers; whole ms, and within 1 ms is taken for 0.5."""
    header, answer, lost = WINDOWS[language]

    trace = imported(tmp_path, "", header, answer.format("=33"), lost, answer.format("<1"))

    assert [33_000_000, 0, 500_000] == trace.probes.value.tolist()
    assert [False, True, False] == trace.probes.lost.tolist()
    assert {Trait.WHOLE_MS, Trait.STOP_AND_WAIT} < set(trace.provenance.traits)


def test_unknown_words_of_windows_need_its_statistics(tmp_path):
    """With them each line that is no reply is a lost probe; without, the file is refused."""
    lines = [
        "",
        "Pinging 192.0.2.1 with 32 bytes of data:",
        "Reply from 192.0.2.1: bytes=32 time=3ms TTL=1",
        "Hvað?",
    ]
    counted = ["", "Ping statistics:", "    Packets: Sent = 2, Received = 1, Lost = 1 (50% loss),"]

    assert [False, True] == imported(tmp_path, *lines, *counted).probes.lost.tolist()
    assert "words that are not known, and no statistics" in refusal(tmp_path, *lines)


def test_irtt_that_connects_again_is_a_second_recording(tmp_path):
    """Runs appended to one file are refused with the line, with or without irtt's words between them."""
    lines = [f"{START + n}030000000 seq={n} rtt=30ms rd=15ms sd=15ms ipdv=0s" for n in range(3)]
    later = [line.replace(str(START)[:7], str(START + 9000)[:7]) for line in lines]
    words = f"{START}000000000 [192.0.2.1:2112] [Connected] connection established"

    assert ":5: irtt connects again" in refusal(tmp_path, words, *lines, words, *later)
    assert ":5: seq 0 comes again" in refusal(tmp_path, words, *lines, *later)
