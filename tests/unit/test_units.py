"""Quantities: what is read, what is refused, what is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed import units


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (units.parse_duration, "25 s", 25 * 10**9),
        (units.parse_duration, "10ms", 10**7),
        (units.parse_duration, "1.5 min", 90 * 10**9),
        (units.parse_duration, "0.1 us", 100),
        (units.parse_rate, "100 Mbit/s", 10**8),
        (units.parse_rate, "100Mbit", 10**8),
        (units.parse_rate, "2.5 Gbit/s", 2_500_000_000),
        (units.parse_size, "2 MB", 2_000_000),
        (units.parse_size, "1 MiB", 1_048_576),
        (units.parse_share, "60 %", 0.6),
        (units.parse_share, "0.1%", 0.001),
        (units.parse_frequency, "5/s", 5.0),
        (units.parse_frequency, "30 /min", 0.5),
    ],
)
def test_a_quantity_is_read_with_its_unit(parse: Callable[[str], float], text: str, expected: float) -> None:
    """A number with a unit becomes a number in the base unit, exactly."""
    assert expected == parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (units.parse_duration, "25", "a number and one of the units ns, us, ms, s, min, h, such as '25 s'"),
        (
            units.parse_duration,
            "25 parsecs",
            "a number and one of the units ns, us, ms, s, min, h, such as '25 s'",
        ),
        (units.parse_duration, "soon", "a number and a unit, such as '25 s'"),
        (units.parse_duration, "-1 s", "a value that is not negative, such as '25 s'"),
        (units.parse_duration, "1e12 h", "a smaller value: this one does not fit into 64 bits"),
        (
            units.parse_rate,
            "100 MB",
            "a number and one of the units bit/s, kbit/s, Mbit/s, Gbit/s, such as '100 Mbit/s'",
        ),
        (
            units.parse_size,
            "2 Mbit",
            "a number and one of the units B, kB, MB, GB, KiB, MiB, GiB, such as '2 MB'",
        ),
        (units.parse_share, "0.6", "a number and one of the units %, such as '60 %'"),
        (units.parse_share, "101 %", "a share from 0 % to 100 %, such as '60 %'"),
        (units.parse_frequency, "5", "a number and one of the units /s, /min, /h, such as '5/s'"),
    ],
)
def test_what_is_no_quantity_is_refused(parse: Callable[[str], float], text: str, message: str) -> None:
    """A bare number, another kind's unit, or nonsense is refused with what would be right."""
    with pytest.raises(ValueError) as refusal:
        parse(text)

    assert message == str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.format_duration(25 * 10**9), "25 s"),
        (units.format_duration(90 * 10**9), "90 s"),
        (units.format_duration(1_500_000), "1.5 ms"),
        (units.format_duration(3600 * 10**9), "1 h"),
        (units.format_duration(8940 * 10**9), "149 min"),
        (units.format_duration(11 * 3600 * 10**9 + 1), "11 h"),
        (units.format_frequency(5, "requests"), "5 requests/s"),
        (units.format_frequency(0.1, "requests"), "6 requests/min"),
        (units.format_duration(0), "0 s"),
        (units.format_rate(138_000_000), "138 Mbit/s"),
        (units.format_size(8_000_000), "8 MB"),
        (units.format_share(0.605), "60.5 %"),
        (units.format_size(4.098e13), "40980 GB"),
        (units.format_money(4.0142e-5), "0.00004014 USD"),
    ],
)
def test_a_quantity_is_written_in_the_largest_fitting_unit(text: str, expected: str) -> None:
    """Numbers are written with a unit that keeps them short."""
    assert expected == text


@pytest.mark.parametrize("ns", [1, 999, 10**6, 25 * 10**9, 90 * 10**9, 7200 * 10**9])
def test_a_written_duration_is_read_back(ns: int) -> None:
    """What is written can be read again."""
    assert ns == units.parse_duration(units.format_duration(ns))
