"""A host's calibration: kept, read again, and forgotten where it is another host's."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.link.calibration import Calibration, kept


@pytest.fixture
def found() -> Calibration:
    """A calibration of this kernel."""
    return Calibration(1, platform.release(), 2000, 0, 25_000.0, 60_000.0, 0.01)


def test_what_is_kept_is_read(found: Calibration, tmp_path: Path):
    """Whole."""
    found.keep(tmp_path / "build" / "calibration.json")

    assert found == kept(tmp_path / "build" / "calibration.json")


def test_without_one_nothing_is_known(tmp_path: Path):
    """Which is not the same as nothing being added."""
    assert kept(tmp_path / "calibration.json") is None


def test_another_kernel_has_to_be_calibrated_again(found: Calibration, tmp_path: Path):
    """It may add something else."""
    replace(found, kernel="2.6.32").keep(tmp_path / "calibration.json")

    assert kept(tmp_path / "calibration.json") is None


def test_a_broken_file_says_what_to_do(tmp_path: Path):
    """With its place."""
    (tmp_path / "calibration.json").write_text("{")

    with pytest.raises(InputError, match=r"calibration.json: not readable: .*; run 'testbed calibrate' again"):
        kept(tmp_path / "calibration.json")
