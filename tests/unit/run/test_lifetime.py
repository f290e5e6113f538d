"""What a run signs outlives it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from testbed.run.bringup import lifetime

H = 3600 * 10**9


@pytest.mark.parametrize("hours", [0.5, 13, 30, 24 * 7])
def test_certificates_and_tokens_outlive_the_scenario(hours: float) -> None:
    """However long a scenario is, the tenant refuses nobody in it, and an hour of bring-up is to spare."""
    assert lifetime(round(hours * H)) >= timedelta(hours=hours + 1)
