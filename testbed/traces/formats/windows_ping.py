"""ping of Windows, in any language: one line for each probe between a header and a blank line.

Replies are known by their numbers. What is no reply is a lost probe where ping's statistics say so, or where the
words are known; otherwise the file is refused. Windows waits for each answer, prints whole ms and no times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, ping_lines, text

_REPLY = re.compile(r"(\D*)[\d.]+(\D*?)[:：] ?[^=<]+= ?\d+ [^=<]+([=<]) ?(\d{1,12}) ?\D{0,6} TTL=\d+\Z")
_REPLY_6 = re.compile(r"([^=<:]* )[\da-fA-F:%]+(): [^=<\d]+([=<]) ?(\d{1,12}) ?m?\D{0,4}\Z")
_HEADER = re.compile(r".*\b\d+ \D*[:：]\Z")
_PACKETS = re.compile(r"[^=]*= ?(\d+)\s*[,，、][^=]*= ?(\d+)\s*[,，、][^=]*= ?(\d+)\s*\D")
_TIMED_OUT = {
    "Request timed out.",
    "General failure.",
    "PING: transmit failed. General failure.",
    "Zeitüberschreitung der Anforderung.",
    "Tiempo de espera agotado para esta solicitud.",
    "Délai d'attente de la demande dépassé.",
    "Délai d’attente de la demande dépassé.",
    "Richiesta scaduta.",
    "Esgotado o tempo limite do pedido.",
    "Time-out bij opdracht.",
    "Превышен интервал ожидания для запроса.",
    "Upłynął limit czasu żądania.",
    "请求超时。",
    "要求がタイムアウトしました。",
}
_UNREACHABLE = re.compile(r"Reply from \S+: (?:Destination \w+ unreachable|TTL expired in transit)\.\Z")
_LONGEST_END = 8
_SUB_MS_NS = 500_000
_CADENCE_NS = 10**9


def _recognises(head: base.Head) -> bool:
    lines = [line.strip() for line in head.lines[:30]]
    return any(_REPLY.match(line) for line in lines) or any(
        _HEADER.match(line) and (_is_lost(after) or _REPLY_6.match(after))
        for line, after in zip(lines, lines[1:], strict=False)
    )


def _is_lost(line: str) -> bool:
    return line in _TIMED_OUT or bool(_UNREACHABLE.match(line))


@dataclass
class _Log:
    """The lines of probes and their RTTs, -1 of a lost one; lines of unknown words; the statistics."""

    path: Path
    rtt_ns: list[int] = field(default_factory=list)
    words: set[tuple[str, str]] = field(default_factory=set)
    strange: list[int] = field(default_factory=list)
    answered: int = 0  # by an address, if only to say that another cannot be reached
    below_ms: int = 0
    header: str = ""
    end: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, line: int, found: str, expected: str) -> InputError:
        return InputError(Place(str(self.path), line), found, expected)


def _read(path: Path) -> base.Recording:
    lines, whole = _lines(path)
    log = _Log(path)
    at = next((n for n, line in enumerate(lines) if line), 0)
    if at < len(lines) and _HEADER.match(lines[at]) and not _is_probe(lines[at]):
        log.header, at = lines[at], at + 1
    while at < len(lines) and lines[at]:
        _take(log, at + 1, lines[at])
        at += 1
    log.end = [(n, line) for n, line in enumerate(lines[at:], at + 1) if line]
    notes = () if whole or log.end else _drop_last(log, len(lines), lines[-1])
    return _recording(log, notes)


def _lines(path: Path) -> tuple[list[str], bool]:
    """Return a file's lines, and whether the last one has an end; what is no UTF-8 is a console's code page."""
    data = base.content(path)
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError:
        found = data.decode("cp850")
    if "\0" in found:
        base.decoded(path, data)
    return [line.strip() for line in text.split(found)], data.endswith((b"\n", b"\r"))


def _is_probe(line: str) -> bool:
    return bool(_REPLY.match(line) or _REPLY_6.match(line)) or _is_lost(line)


def _take(log: _Log, at: int, line: str) -> None:
    if reply := _REPLY.match(line) or _REPLY_6.match(line):
        log.words.add((reply[1], reply[2]))
        if len(log.words) > 1:
            raise log.refuse(
                at, f"{line[:60]!r} in other words than the reply before", "split or mend the file there"
            )
        below = reply[3] == "<" or int(reply[4]) == 0
        rtt_ns = _SUB_MS_NS if below else int(reply[4]) * 10**6
        if rtt_ns > base.MAX_RTT_NS:
            raise log.refuse(at, f"time is {reply[4]} ms", "a round trip takes less than 10 minutes")
        log.below_ms += below
        log.answered += 1
        log.rtt_ns.append(rtt_ns)
        return
    if "=" in line or _HEADER.match(line):
        raise log.refuse(at, f"{line[:60]!r} is no whole line of ping's", "split or mend the file there")
    if not _is_lost(line):
        log.strange.append(at)
    log.answered += bool(_UNREACHABLE.match(line))
    log.rtt_ns.append(-1)


def _drop_last(log: _Log, at: int, line: str) -> tuple[str, ...]:
    if not log.rtt_ns or _is_probe(line):
        return ()
    log.rtt_ns.pop()
    log.strange = [n for n in log.strange if n != at]
    return base.unfinished(at)


def _recording(log: _Log, notes: tuple[str, ...]) -> base.Recording:
    for at, line in log.end:
        if (
            line == log.header
            or _is_probe(line)
            or _HEADER.match(line)
            and "=" not in line
            and _next_is_probe(log, at)
        ):
            raise log.refuse(at, "a second recording begins here", "split the file there, import each")
    if len(log.end) > _LONGEST_END:
        raise log.refuse(log.end[_LONGEST_END][0], "it goes on behind the statistics", "split the file there")
    counted = next(((n, found) for n, line in log.end if (found := _PACKETS.match(line))), None)
    if counted:
        _check(log, counted[0], *(int(number) for number in counted[1].groups()))
    elif log.strange:
        raise log.refuse(log.strange[0], "words that are not known, and no statistics at the end", _KEEP)
    if not log.rtt_ns:
        raise InputError(str(log.path), "the recording has no probes", "record with: ping -t HOST")
    return _of_probes(
        log, (*notes, *(() if counted else ("no statistics: probes after the last line are unknown",)))
    )


_KEEP = "end ping with Ctrl-C, so that it prints its statistics, or record in English"


def _next_is_probe(log: _Log, at: int) -> bool:
    return any(_is_probe(line) for n, line in log.end if n > at)


def _check(log: _Log, at: int, sent: int, received: int, lost: int) -> None:
    replies = sum(rtt >= 0 for rtt in log.rtt_ns)
    told = f"the statistics count {sent} sent, {received} received, {lost} lost"
    if sent != len(log.rtt_ns) or sent != received + lost:
        raise log.refuse(
            at,
            f"{told}; the file has {len(log.rtt_ns)}, {replies} of them replies",
            "give the whole recording",
        )
    if received != (replies if log.strange else log.answered):
        raise log.refuse(
            log.strange[0] if log.strange else at, f"{told}; the file has {replies} replies", _KEEP
        )


def _of_probes(log: _Log, notes: tuple[str, ...]) -> base.Recording:
    rtt = np.array(log.rtt_ns, np.int64)
    t = np.arange(len(rtt), dtype=np.int64) * _CADENCE_NS
    if log.below_ms:
        notes += (f"{log.below_ms} replies came within 1 ms: taken for 0.5 ms",)
    return base.Recording(
        series={SeriesName.RTT: Series.of(t, rtt, np.where(rtt < 0, Loss.UNKNOWN, Loss.NONE))},
        duration_ns=base.end_of(t),
        traits=(Trait.ICMP, Trait.NO_SEND_TIMES, Trait.STOP_AND_WAIT, Trait.WHOLE_MS),
        notes=(*notes, ping_lines.CADENCE_UNKNOWN),
    )


FORMAT = base.Format(
    "windows-ping",
    "output of Windows' ping, in any language",
    _recognises,
    _read,
    sign="replies of Windows' ping, `...: ...=32 ...=33ms TTL=114`",
    tool="ping of Windows, redirected by cmd or PowerShell",
    record="ping -t HOST, ended with Ctrl-C; better irtt or, in WSL, ping -D",
    cannot_tell="when a probe was sent: 1 s apart is taken for granted (import --cadence), though Windows waits for "
    "4 s after a lost one; fractions of a ms; the direction of a loss",
)
