"""The computed metrics and the ones that scenarios may name are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hand_made import ask, evidence

from testbed.metrics import METRICS
from testbed.model.objective import METRICS as DECLARED

DOC = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_declared_metric_is_computed_in_its_unit():
    """A scenario cannot name a metric that nobody computes."""
    assert {name: declared.unit for name, declared in DECLARED.items()} == {
        name: metric.unit for name, metric in METRICS.items()
    }


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_survives_a_run_without_samples(name: str):
    """A run that kept nothing gives a reason, not an exception."""
    measured = METRICS[name].measure(evidence(), ask())

    assert measured.value is None
    assert measured.reason


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented_with_its_minimum(name: str):
    """docs/metrics.md has a section for the metric that names its minimum number of samples."""
    section = re.search(rf"^## .*`{name}`.*?(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)

    assert section is not None
    assert str(METRICS[name].minimum_samples) in section.group()
