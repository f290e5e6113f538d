"""Quantities with units, read from text and written for people.

Inside the program every quantity is a plain number in its base unit, named in the identifier:
durations are integer nanoseconds (``_ns``), rates integer bit/s (``_bps``), sizes integer bytes,
shares floats from 0 to 1. In YAML and on the command line a quantity carries its unit; a bare
number is refused, because ``25`` is 25 ms to one reader and 25 s to the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

DURATION_UNITS: Mapping[str, int] = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
RATE_UNITS: Mapping[str, int] = {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9}
SIZE_UNITS: Mapping[str, int] = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
FREQUENCY_UNITS: Mapping[str, Decimal] = {
    "/s": Decimal(1),
    "/min": Decimal(1) / 60,
    "/h": Decimal(1) / 3600,
}
MONEY_UNITS: Mapping[str, int] = {"USD": 1}
PRICE_UNITS: Mapping[str, Decimal] = {
    f"USD/{unit}": Decimal(1) / size for unit, size in SIZE_UNITS.items() if size > 1
}
"""One currency: sums of two could not be told apart from sums of one."""
ALIASES: Mapping[str, str] = {
    "µs": "us",
    "sec": "s",
    "m": "min",
    "bps": "bit/s",
    "kbps": "kbit/s",
    "Mbps": "Mbit/s",
    "Gbps": "Gbit/s",
    "bit": "bit/s",
    "kbit": "kbit/s",
    "Mbit": "Mbit/s",
    "mbit": "Mbit/s",
    "Gbit": "Gbit/s",
    "gbit": "Gbit/s",
}
"""What users of iproute2 and netem type; accepted on input, never printed."""
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S*)\s*\Z")


def _scaled(text: str, units: Mapping[str, int] | Mapping[str, Decimal], example: str) -> Decimal:
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"a number and a unit, such as {example!r}")
    number, unit = match.groups()
    unit = unit if unit in units else ALIASES.get(unit, unit)
    if unit not in units:
        raise ValueError(f"a number and one of the units {', '.join(units)}, such as {example!r}")
    value = Decimal(number) * units[unit]
    if value < 0:
        raise ValueError(f"a value that is not negative, such as {example!r}")
    if value >= 2**63:
        raise ValueError("a smaller value: this one does not fit into 64 bits")
    return value


def parse_duration(text: str) -> int:
    """Read ``"25 s"`` as nanoseconds. Raises ValueError with what would be right."""
    return round(_scaled(text, DURATION_UNITS, "25 s"))


def parse_shift(text: str) -> int:
    """Read ``"8760 h"`` as nanoseconds later, ``"-5 s"`` as earlier. Raises ValueError with what would be right."""
    shift = parse_duration(text.removeprefix("-"))
    return -shift if text.startswith("-") else shift


def parse_rate(text: str) -> int:
    """Read ``"100 Mbit/s"`` as bit/s. Raises ValueError with what would be right."""
    return round(_scaled(text, RATE_UNITS, "100 Mbit/s"))


def parse_size(text: str) -> int:
    """Read ``"2 MB"`` as bytes (MB = 10^6, MiB = 2^20). Raises ValueError with what would be right."""
    return round(_scaled(text, SIZE_UNITS, "2 MB"))


def parse_share(text: str) -> float:
    """Read ``"60 %"`` as 0.6. Raises ValueError with what would be right."""
    value = _scaled(text, {"%": 1}, "60 %")
    if value > 100:
        raise ValueError("a share from 0 % to 100 %, such as '60 %'")
    return float(value / 100)


def parse_mos(text: str) -> float:
    """Read ``"3.6"`` as a mean opinion score (ITU-T P.800.1). Raises ValueError with what would be right."""
    if not re.fullmatch(r"\d(\.\d+)?", text) or not 1 <= float(text) <= 5:
        raise ValueError("a score from 1 to 5, such as '3.6'")
    return float(text)


def parse_money(text: str) -> float:
    """Read ``"0.05 USD"`` as USD. Raises ValueError with what would be right."""
    return float(_scaled(text, MONEY_UNITS, "0.05 USD"))


def parse_price(text: str) -> float:
    """Read ``"4.50 USD/GB"`` as USD a byte. Raises ValueError with what would be right."""
    return float(_scaled(text, PRICE_UNITS, "4.50 USD/GB"))


def parse_frequency(text: str) -> float:
    """Read ``"5/s"`` as events per second. Raises ValueError with what would be right."""
    return float(_scaled(text, FREQUENCY_UNITS, "5/s"))


def _largest(value: float, units: Mapping[str, int]) -> str:
    fitting = [(scale, unit) for unit, scale in units.items() if abs(value) >= scale]
    scale, unit = max(fitting, default=(1, next(iter(units))))
    return f"{_plain(value / scale)} {unit}"


def _plain(value: float) -> str:
    """Return four digits of a number, without an exponent."""
    text = f"{value:.4g}"
    return f"{Decimal(text):f}" if "e" in text else text


def format_duration(ns: float) -> str:
    """Write nanoseconds for people: ``"25 s"``, ``"1.5 ms"``, ``"-3 s"``.

    Seconds up to ten minutes; whole minutes up to ten hours, unless the hours are whole: ``"149 min"``.
    """
    if ns == 0 or 60 * 10**9 <= abs(ns) < 600 * 10**9:
        return f"{ns / 1e9:.4g} s"
    if abs(ns) < 36_000 * 10**9 and ns % DURATION_UNITS["h"] and ns % DURATION_UNITS["min"] == 0:
        return f"{ns / DURATION_UNITS['min']:.4g} min"
    return _largest(ns, DURATION_UNITS)


def format_frequency(per_s: float, what: str) -> str:
    """Write events per second for people: ``"5 requests/s"``; below one a second, per minute: ``"6 requests/min"``."""
    return f"{per_s:g} {what}/s" if per_s >= 1 else f"{per_s * 60:.4g} {what}/min"


def format_rate(bps: float) -> str:
    """Write bit/s for people: ``"100 Mbit/s"``."""
    return _largest(bps, RATE_UNITS)


def format_size(size: float) -> str:
    """Write bytes for people, in powers of ten: ``"2 MB"``."""
    return _largest(size, {unit: scale for unit, scale in SIZE_UNITS.items() if "i" not in unit})


def format_money(value: float) -> str:
    """Write USD for people: ``"0.0512 USD"``."""
    return f"{_plain(value)} USD"


def format_share(share: float) -> str:
    """Write a share for people: ``"60 %"``."""
    return f"{_plain(share * 100)} %"
