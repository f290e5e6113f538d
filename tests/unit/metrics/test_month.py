"""Bills of data plans and a month from sampled days, against answers known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from testbed import cli
from testbed.metrics.fleet.month import month
from testbed.model.data_plan import DataPlan

GB = 10**9
BY_BYTE = DataPlan(bucket=0, price_usd=0.0)


@pytest.mark.parametrize(
    ("plan", "used", "usd"),
    [
        (DataPlan(50 * GB, 10.0), 0, 10.0),
        (DataPlan(50 * GB, 10.0), 50 * GB, 10.0),
        (DataPlan(50 * GB, 10.0), 50 * GB + 1, 20.0),
        (DataPlan(50 * GB, 10.0, overage=0.16 / GB), 51 * GB, 10.16),
        (DataPlan(50 * GB, 10.0, throttle_bps=10**6), 500 * GB, 10.0),
        (DataPlan(0, 30.0), 10**15, 30.0),
    ],
)
def test_a_bucket_s_charge(plan: DataPlan, used: int, usd: float) -> None:
    """To the byte: a full bucket is one, a byte more another, or overage, or nothing where it throttles."""
    assert usd == pytest.approx(plan.charge(used), abs=1e-12)


def test_what_a_throttle_lets_through() -> None:
    """60 GB in 30 days reach a bucket of 30 GB after 15; 1 kbit/s for the other 15 days are 162 MB more."""
    plan = DataPlan(30 * GB, 10.0, throttle_bps=1000)

    assert 30 * GB + 15 * 86_400 * 125 == plan.carried(60 * GB)
    assert 30 * GB == plan.carried(30 * GB)


def test_buckets_expire() -> None:
    """Weekly buckets of 7 GB: a month of 30 days at 1 GB a day needs four and one for two days more."""
    plan = DataPlan(7 * GB, 2.0, valid_days=7)

    assert 10.0 == plan.bill(GB, 30)
    assert 2.0 * (4 * 2 + 1) == plan.bill(2 * GB, 30)


def test_a_plan_is_one_or_the_other() -> None:
    """Overage and a throttle together are no plan."""
    with pytest.raises(ValueError, match="either charges"):
        DataPlan(GB, 1.0, overage=1.0, throttle_bps=1)


def test_the_error_of_a_linear_bill_is_the_classic_one() -> None:
    """Days of 1, 2 and 3 GB over two hubs: 2 GB a day, and Student's interval of a mean in a finite month."""
    used = np.array([[0.5, 0.5], [1.0, 1.0], [1.5, 1.5]]) * GB
    found = month(used, ("a", "b"), DataPlan(GB // 1000, 0.0, overage=1.0 / GB), 30)

    spread = stats.t.ppf(0.975, 2) * 30 / np.sqrt(3) * np.sqrt(1 - 3 / 30)  # the days' standard deviation is 1 GB
    assert 60 * GB == pytest.approx(found.bytes.value)
    assert spread * GB == pytest.approx(found.bytes.error)
    assert spread == pytest.approx(found.usd.error)
    assert 60 - 0.002 == pytest.approx(found.usd.value)


def test_one_day_has_no_error_and_a_whole_month_none_left() -> None:
    """Unknown is not 0: one day tells nothing of the others; all of them leave nothing to tell."""
    assert None is month(np.ones((1, 1)), ("a",), BY_BYTE, 30).usd.error
    assert 0 == month(np.arange(30.0)[:, None], ("a",), BY_BYTE, 30).bytes.error
    with pytest.raises(ValueError, match="1 to 30"):
        month(np.ones((31, 1)), ("a",), BY_BYTE, 30)


def test_the_command_bills_what_a_play_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two seeds stand for two days; the bill is of the links' counters, and bad tables are refused with their line."""
    days = [tmp_path / f"{seed}.csv" for seed in (1, 2)]
    for seed, day in enumerate(days, 1):
        changes = ["--set", "hubs=6", "--set", f"seed={seed}"]
        cli.main(["fleet", "play", "evening-in-the-cell", *changes, "--usage", str(day), "--json"])
    capsys.readouterr()
    asked = ["fleet", "bill", *map(str, days), "--uplink", "starlink", "--price", "1 USD", "--bucket", "1 GB", "--json"]
    assert 0 == cli.main(asked)
    told = json.loads(capsys.readouterr().out)

    rows = [line.split(",") for day in days for line in day.read_text().splitlines() if ",starlink," in line]
    counted = sum(int(row[3]) + int(row[4]) for row in rows)
    assert counted * (86_400 / 90) / 2 * 30 == pytest.approx(told["bytes"]["value"])
    assert told["usd"]["value"] == sum(told["hubs"].values())
    assert 6 == len(told["hubs"])

    days[1].write_text(days[1].read_text().replace(",90000000000,", ",x,", 1))
    assert 2 == cli.main(asked)
    assert "2.csv:2: hub-1, starlink, x" in capsys.readouterr().err
