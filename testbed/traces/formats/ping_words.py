"""What one line of ping's says: iputils, BusyBox, macOS and BSD, in any language that keeps `icmp_seq=`.

Numbers and `PING`, `icmp_seq=`, `ttl=`, `--- ... ---` are the same in all languages; words are not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from testbed.traces.formats import ping_stamps

_SEQ = r"(?:icmp_)?(?:seq|req)"
_TAIL = r"((?:[ \t]\([^()]+\))*)\Z"
MOST = 10**12
"""No number of a line is taken for more than this; it is far too large as it is."""
PLAIN = re.compile(
    r"(?:\[(\d{1,10})\.(\d{6})\] )?\d+ bytes from [^\[= ]+(?: \([^()= ]+\))?: "
    r"(?:icmp_)?seq=(\d{1,12}) ttl=\d+ time=(\d{1,12}(?:\.\d+)?) ms\Z"
)
"""Nearly every line there is; the others are taken apart at leisure."""
_REPLY = re.compile(
    rf"\d+ (?!\d+ |(\S+) .*\d \1 )[^\[=]+[: ]{_SEQ}=(\d+) (?:ident=\d+ )?(?:ttl|hlim)=\d+ "
    rf"[^\s=]+[=:] ?(\d+(?:[.,]\d+)?) ?([^\s\d(]+){_TAIL}"
)
_UNITS = {"ms", "msec", "мс", "мсек", "毫秒", "ミリ秒", "밀리초"}
_TIMELESS = re.compile(rf"\d+ (?!\d+ )[^\[=]+[: ]{_SEQ}=\d+ (?:ident=\d+ )?(?:ttl|hlim)=\d+{_TAIL}")
_REPORT = re.compile(
    rf"(?!\d|.*(?:ttl|hlim)=|.* bytes |.*: ?{_SEQ}=\d+\Z)[^=\[]*\b{_SEQ}[= ](\d+)(?!.*seq)(?!\S)(.*)\Z"
)
_HEADER = re.compile(r"(?:PING|Ping)6?[ (](?!.*(?:PING|seq=|bytes from\b))")
_FROM_0 = re.compile(r"PING6\(|PING \S+ \([^()]+\): ")
_FROM_1 = re.compile(r"\d\(\d+\) |\d data bytes")
_FENCE = re.compile(r"--- (?!.*---.*---).* ---\Z")
_SUMMARY = re.compile(
    r"(\d+) packets transmitted, (\d+) (?:packets )?received(?:, \+?\d+ \w+)*, (?:-- somebody.*|[\d.]+% packet loss)"
    r"(?:, time (\d+) ?ms)?\Z"
)
_SUMMARY_ANY = re.compile(  # sent, received, errors that may be between, a share, the time that may be behind
    r"\D*?(\d+) ?[^\d/]+?(\d+)(?:[^\d/%]*[,，][^\d/]*\d+ [^\d%/]+?)??[^\d/%]*[,，] ?\d+(?:[.,]\d+)? ?%[^\d/]*"
    r"(?:(\d+) ?(\S+))?\Z"
)
_ROUND_TRIPS = re.compile(r"[^\d=]*/[^\d=]*= ?\d[\d./]* ?\S{1,4}(?:, (?:pipe|ipg)[^=]*)?\Z|pipe \d+\Z")
_ASIDE = re.compile(
    r"\s*\Z|\^.*|ping\d?: .*|ai->.*|(?i:warning): .*|PATTERN: .*|connect: .*|\d+/\d+ packets.*|load: .* cmd: .*"
    r"|Vr HL TOS .*| +\d +\d +\d\d .*|wrong data byte .*|#\d+\s.*|(?:RR|TS|LSRR|SSRR):.*|\t.*|Terminated|Killed"
    r"|\d+ bytes from [^=]+: (?:Destination|Time (?:to live|exceeded)|Redirect|Source|Packet|Communication)[^=]*"
)
_ANOTHER = re.compile(rf"{_SEQ}=\d|PING |packets transmitted|---|\[\d+\.\d+\]")


class LineKind(Enum):
    """What a line is about."""

    REPLY = "reply"
    DUPLICATE = "duplicate"
    REPORT = "report"
    HEADER = "header"
    FENCE = "fence"
    SUMMARY = "summary"
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Said:
    """One line: a reply (number, RTT), a report of no answer (number), or the summary (sent, received, time)."""

    kind: LineKind
    number: int = 0
    rtt_ns: int = 0
    received: int = 0
    took_ns: int | None = None
    from_0: bool | None = None  # whether the header's ping counts from 0; None where the header is cut


def said(text: str, *, fenced: bool = False) -> Said | None:
    """Return what a line says, None where it is not understood; ``fenced``: `--- ... ---` was the line before."""
    text = text.lstrip("\a\r").rstrip("\r ")
    if reply := _REPLY.match(text):
        return _of_reply(reply)
    if fenced:
        return _of_summary(_SUMMARY.match(text) or _SUMMARY_ANY.match(text))
    if report := _REPORT.match(text):
        return Said(LineKind.REPORT, min(int(report[1]), MOST))
    if _HEADER.match(text):
        from_0 = bool(_FROM_0.match(text))
        return Said(LineKind.HEADER, from_0=from_0 if from_0 or _FROM_1.search(text) else None)
    if _FENCE.match(text):
        return Said(LineKind.FENCE)
    if summary := _SUMMARY.match(text):
        return _of_summary(summary)
    aside = _ROUND_TRIPS.match(text) or (_ASIDE.fullmatch(text) and not _ANOTHER.search(text))
    return Said(LineKind.ASIDE) if aside else None


def _of_reply(reply: re.Match[str]) -> Said | None:
    if reply[4] not in _UNITS:
        return None
    number, rtt_ns = min(int(reply[2]), MOST), round(min(float(reply[3].replace(",", ".")), MOST) * 1e6)
    if "BAD CHECKSUM" in reply[5]:
        return Said(LineKind.REPORT, number)
    return Said(LineKind.DUPLICATE if "DUP" in reply[5] else LineKind.REPLY, number, rtt_ns)


def _of_summary(summary: re.Match[str] | None) -> Said | None:
    if summary is None or (len(summary.groups()) == 4 and summary[4] not in {None, *_UNITS}):
        return None
    took_ns = min(int(summary[3]), MOST) * 10**6 if summary[3] else None
    return Said(
        LineKind.SUMMARY, min(int(summary[1]), MOST), received=min(int(summary[2]), MOST), took_ns=took_ns
    )


def why_not(text: str) -> tuple[str, str]:
    """Return why a line is not understood, and what would be."""
    if _TIMELESS.match(text):
        return "a reply without a time", "record with -s 16 or more: fewer bytes have no room for a time"
    front = ping_stamps.FOREIGN.match(text)
    if front and not text.startswith("PING"):
        found = f"{front[1].strip()!r} in front, a time that ping did not print"
        return found, "record with ping -D: whole seconds do not tell when a reply came"
    if re.search(rf"{_SEQ}=\d", text) or re.search(r"\d ?%", text):
        return f"{text[:60]!r} is no whole line of ping's", (
            "record with LC_ALL=C if it is in another language; otherwise split or mend the file there"
        )
    return f"{text[:60]!r} is no line of ping's that is known", "take it out if another program wrote it"
