"""Whatever happens to the lines of a recording: its counts are those of an independent count, or it is refused.

Each format has a writer of small recordings, and a count of its probes and losses that knows nothing of the
importers: None where the file cannot be counted and has to be refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InputError
from testbed.traces import formats
from tests.unit.traces.samples import owp

START = 1_753_380_000
FOLDER = TemporaryDirectory()
Count = tuple[int, int] | None


class Shape(NamedTuple):
    """What a recording holds: how many probes, which of them are lost, and whether it was ended in order."""

    probes: int
    lost: frozenset[int]
    ended: bool


def shapes() -> st.SearchStrategy[Shape]:
    return st.builds(
        Shape, st.integers(2, 12), st.frozensets(st.integers(0, 11), max_size=6), st.booleans()
    ).filter(lambda shape: len(set(range(shape.probes)) - shape.lost) > 1)


# --- writers


def ping(
    shape: Shape, *, first: int = 1, stamped: bool = True, told: str = "", bytes: str = "bytes from"
) -> list[str]:
    word = {"bytes from": "time", "Bytes von": "Zeit"}[bytes]
    lines = [f"PING 192.0.2.1 (192.0.2.1){': 56 data bytes' if first == 0 else ' 56(84) bytes of data.'}"]
    for n in range(shape.probes):
        stamp = f"[{START + n}.{40_000 + n:06d}] " if stamped else ""
        if n not in shape.lost:
            lines.append(f"{stamp}64 {bytes} 192.0.2.1: icmp_seq={n + first} ttl=57 {word}=4{n % 10}.5 ms")
            if n % 5 == 3:
                lines.append(
                    f"{stamp}64 {bytes} 192.0.2.1: icmp_seq={n + first} ttl=57 {word}=4{n % 10}.9 ms (DUP!)"
                )
        elif told:
            lines.append(f"{stamp}{told}{n + first}")
    if shape.ended:
        received = shape.probes - len(shape.lost & set(range(shape.probes)))
        lines += ["", "--- 192.0.2.1 ping statistics ---"]
        took = "" if first == 0 else f", time {shape.probes - 1}000ms"
        lines += [f"{shape.probes} packets transmitted, {received} received, 1% packet loss{took}"]
        lines += ["rtt min/avg/max/mdev = 40.5/44.5/49.5/2.1 ms"]
    return lines


def prefixed(shape: Shape) -> list[str]:
    def local(n: int) -> str:
        return f"[2025-07-24 13:00:{n:02d}.{40_000 + n:06d}] "

    lines = [f"Start time: {START * 1000}", local(0) + "PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data."]
    lines += [
        f"{local(n)}64 bytes from 192.0.2.1: icmp_seq={n + 1} ttl=57 time=4{n % 10}.5 ms"
        for n in range(shape.probes)
        if n not in shape.lost
    ]
    return [*lines, f"End time: {(START + shape.probes) * 1000}"]


def windows(shape: Shape) -> list[str]:
    lines = ["", "Pinging 192.0.2.1 with 32 bytes of data:"]
    lines += [
        "Request timed out."
        if n in shape.lost
        else f"Reply from 192.0.2.1: bytes=32 time=4{n % 10}ms TTL=114"
        for n in range(shape.probes)
    ]
    lost = len(shape.lost & set(range(shape.probes)))
    counted = (
        f"    Packets: Sent = {shape.probes}, Received = {shape.probes - lost}, Lost = {lost} (1% loss),"
    )
    return [*lines, "", "Ping statistics for 192.0.2.1:", counted] if shape.ended else lines


def fping(shape: Shape) -> list[str]:
    lines = [
        f"[{START + n}.{n:05d}] 192.0.2.1 : [{n}], "
        + (
            "timed out (41.2 avg, 12% loss)"
            if n in shape.lost
            else f"64 bytes, 4{n % 10}.5 ms (41.2 avg, 0% loss)"
        )
        for n in range(shape.probes)
    ]
    received = shape.probes - len(shape.lost & set(range(shape.probes)))
    ends = ["", f"192.0.2.1 : xmt/rcv/%loss = {shape.probes}/{received}/1%, min/avg/max = 40.5/44/49"]
    return lines + (ends if shape.ended else [])


def owping(shape: Shape) -> list[str]:
    return [
        f"{n} {owp(n)} 1 2.33e-10 {0 if n in shape.lost else owp(n + 0.04)} 1 0.000127792 255"
        for n in range(shape.probes)
    ]


def irtt_lines(shape: Shape) -> list[str]:
    lines = [f"{START}000000000 [192.0.2.1:2112] [Connected] connection established"]
    lines += [
        f"{START + n}04{n:07d} seq={n} rtt=4{n % 10}.5ms rd=20ms sd=24ms ipdv=1µs"
        for n in range(shape.probes)
        if n not in shape.lost
    ]
    stamp = f"{START + shape.probes + 1}000000000"
    summary = [
        f"{stamp} ",
        f"{stamp} packets sent/received: {shape.probes}/2 (1% loss)",
        f"{stamp} send rate: 1 Kbps",
    ]
    return lines + (summary if shape.ended else [])


def irtt(shape: Shape) -> list[str]:
    trips = [
        {
            "seqno": n,
            "lost": "true" if n in shape.lost else "false",
            "timestamps": {"client": {"send": {"wall": (START + n) * 10**9}}},
            "delay": {} if n in shape.lost else {"rtt": 45_000_000 + n},
        }
        for n in range(shape.probes)
    ]
    return json.dumps({"version": {"irtt": "0.9.1"}, "round_trips": trips}, indent=1).split("\n")


def probe_tsv(shape: Shape) -> list[str]:
    return [f"{START + n}.5\t{n}\t{-1 if n in shape.lost else 44.5}" for n in range(shape.probes)]


# --- independent counts: of lines that are whole, None where the file holds more than one recording


REPLY = re.compile(
    r"(\[[^\]]+\] )?\d+ [Bb]ytes (?:from|von) \S+: icmp_seq=(\d+) ttl=\d+ (?:time|Zeit)=[\d.]+ ms( \(DUP!\))?"
)


def by_ping(lines: Sequence[str]) -> Count:
    found = [match for line in lines if (match := REPLY.fullmatch(line))]
    answered = [int(match[2]) for match in found if not match[3]]
    told = [int(n) for line in lines for n in re.findall(r"^(?:\[\S+\] )?\D*icmp_seq[= ](\d+)$", line)]
    headers = [line for line in lines if re.search(r"(?:^|\] )PING ", line)]
    sent = [int(n) for line in lines for n in re.findall(r"^(\d+) packets transmitted, \d+ received", line)]
    partial = any(("bytes from" in line or "ttl=" in line) and not REPLY.fullmatch(line) for line in lines)
    if (
        not [*answered, *told]
        or len(headers) > 1
        or len(sent) > 1
        or partial
        or len(set(answered)) < len(answered)
    ):
        return None
    whole = headers and re.search(r"\(192.0.2.1\)(: 56 data bytes| 56\(84\) )", headers[0])
    first = min([*answered, *told])
    if whole:  # a cut header does not say which ping it was
        first = 0 if "data bytes" in headers[0] else min(1, first)
    probes = max([*answered, *told, *(first + n - 1 for n in sent)]) - first + 1
    return probes, probes - len(answered)


def by_windows(lines: Sequence[str]) -> Count:
    replies = sum(bool(re.fullmatch(r"\D*[\d.]+: bytes=\d+ time=\d+ms TTL=\d+", line)) for line in lines)
    lost = sum(line == "Request timed out." for line in lines)
    headers = sum("32 bytes of data:" in line for line in lines)
    told = [re.search(r"Sent = (\d+), Received = \d+, Lost = (\d+) ", line) for line in lines]
    for counted in filter(None, told):  # one line a probe, whatever it says
        replies, lost = int(counted[1]) - int(counted[2]), int(counted[2])
    return None if headers > 1 else (replies + lost, lost)


def by_fping(lines: Sequence[str]) -> Count:
    probe = r"(?:\[[\d.]+\] )?\S+ : \[(\d+)\], (timed out|\d+ bytes, [\d.]+ ms) \(.*\)"
    found = [match for line in lines if (match := re.fullmatch(probe, line))]
    sent = [int(n) for line in lines for n in re.findall(r"^\S+ : xmt/rcv/%loss = (\d+)/", line)]
    numbers = [int(match[1]) for match in found]
    if len(sent) > 1 or len(set(numbers)) < len(numbers) or not numbers:
        return None
    probes = max(max(numbers) + 1, *sent, 0)
    return probes, probes - sum(match[2] != "timed out" for match in found)


def by_owping(lines: Sequence[str]) -> Count:
    rows = {tuple(line.split()[:2]): line.split()[4] for line in lines if len(line.split()) == 8}
    return None if len({n for n, _ in rows}) < len(rows) else (len(rows), list(rows.values()).count("0"))


def by_irtt_lines(lines: Sequence[str]) -> Count:
    numbers = [int(n) for line in lines for n in re.findall(r"^\d{19} seq=(\d+) rtt=\S+ ", line)]
    sent = [int(n) for line in lines for n in re.findall(r"^\d{19} packets sent/received: (\d+)/\d+ ", line)]
    if len(set(numbers)) < len(numbers) or not numbers or len(set(sent)) > 1:
        return None
    probes = max(max(numbers) + 1, *sent, 0) - min(numbers)
    return probes, probes - len(numbers)


def by_irtt(lines: Sequence[str]) -> Count:
    try:
        trips = json.loads("\n".join(lines))["round_trips"]
    except (ValueError, KeyError, TypeError):
        return None
    return len(trips), sum(trip.get("lost") != "false" for trip in trips)


def by_tsv(lines: Sequence[str]) -> Count:
    rows = [line.split("\t") for line in lines if line.strip()]
    return len(rows), sum(row[-1] == "-1" for row in rows)


FORMATS: Mapping[str, tuple[str, Callable[[Shape], list[str]], Callable[[Sequence[str]], Count]]] = {
    "ping -D": ("iputils-ping", ping, by_ping),
    "ping -D -O": ("iputils-ping", lambda s: ping(s, told="no answer yet for icmp_seq="), by_ping),
    "ping": ("iputils-ping", lambda s: ping(s, stamped=False), by_ping),
    "ping in German": ("iputils-ping", lambda s: ping(s, stamped=False, bytes="Bytes von"), by_ping),
    "macOS": (
        "iputils-ping",
        lambda s: ping(s, first=0, stamped=False, told="Request timeout for icmp_seq "),
        by_ping,
    ),
    "prefixed": ("prefixed-ping", prefixed, by_ping),
    "windows": ("windows-ping", windows, by_windows),
    "fping": ("fping", fping, by_fping),
    "owping": ("owping", owping, by_owping),
    "irtt lines": ("irtt-lines", irtt_lines, by_irtt_lines),
    "irtt": ("irtt", irtt, by_irtt),
    "probe-tsv": ("probe-tsv", probe_tsv, by_tsv),
}

# --- what happens to lines


class Blow(NamedTuple):
    """One damage: its kind, at which line (modulo their number) and column."""

    kind: str
    line: int
    column: int


KINDS = ("drop", "repeat", "join", "cut behind", "cut in front", "swap", "again", "blank", "end")
BLOWS = st.lists(st.builds(Blow, st.sampled_from(KINDS), st.integers(0, 40), st.integers(0, 90)), max_size=3)


def struck(lines: list[str], blow: Blow) -> list[str]:
    at = blow.line % len(lines)
    line, column = lines[at], blow.column % (len(lines[at]) + 1)
    return {
        "drop": [*lines[:at], *lines[at + 1 :]],
        "repeat": [*lines[: at + 1], *lines[at:]],
        "join": [*lines[:at], "".join(lines[at : at + 2]), *lines[at + 2 :]],
        "cut behind": [*lines[:at], line[:column], *lines[at + 1 :]],
        "cut in front": [*lines[:at], line[column:], *lines[at + 1 :]],
        "swap": [*lines[:at], *lines[at : at + 2][::-1], *lines[at + 2 :]],
        "again": [*lines, *lines[at:]],
        "blank": [*lines[:at], "", *lines[at:]],
        "end": lines[: at + 1],
    }[blow.kind]


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1")


@given(st.sampled_from(list(FORMATS)), shapes(), BLOWS, st.sampled_from(ENCODINGS), st.booleans())
def test_counts_are_right_or_the_file_is_refused(name, shape, blows, encoding, ends):
    """Lines dropped, doubled, joined, cut, swapped, appended again; re-encoded; with an end of line or without."""
    format, write, count = FORMATS[name]
    lines = write(shape)
    for blow in blows:
        lines = struck(lines, blow) or [""]
    path = Path(FOLDER.name) / "recording"
    path.write_bytes(("\n".join(lines) + "\n" * ends).encode(encoding, "replace"))

    try:
        found = formats.by_name(format).read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        return

    whole = lines[:-1] if any("unfinished" in note for note in found.notes) else lines
    series = list(found.series.values())[:1] if format == "irtt" else list(found.series.values())
    assert count(whole) == (sum(map(len, series)), sum(int(one.lost.sum()) for one in series)), lines


@given(st.sampled_from(list(FORMATS)), shapes())
def test_an_unharmed_recording_is_read(name, shape):
    """What the tool wrote is counted as it was."""
    format, write, count = FORMATS[name]
    path = Path(FOLDER.name) / "recording"
    path.write_text("\n".join(write(shape)) + "\n", encoding="utf-8")

    found = formats.by_name(format).read(path)

    series = next(iter(found.series.values()))
    assert count(write(shape)) == (len(series), int(series.lost.sum()))
