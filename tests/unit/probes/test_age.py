"""How old content is, by its headers."""

from __future__ import annotations

import pytest

from testbed.probes.http_client import age_ns

NOON = 1_760_000_000  # 2025-10-09 08:53:20 UTC
DATE = "Thu, 09 Oct 2025 08:53:20 GMT"
S = 10**9


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Date": DATE}, 30 * S),
        ({"Date": DATE, "Age": "75"}, 75 * S),
        ({"Date": DATE, "Age": "-"}, 30 * S),
        ({"Date": "Thu, 09 Oct 2025 08:54:00 GMT"}, 0),
        ({"Date": "yesterday"}, None),
        ({}, None),
    ],
    ids=["date", "age counts first", "no number", "ahead of the client", "no date", "nothing"],
)
def test_age_is_what_the_headers_say(headers: dict[str, str], expected: int | None) -> None:
    """Age where there is one, else the time since Date; a clock ahead makes nothing younger than new."""
    assert expected == age_ns(headers, NOON + 30.4)
