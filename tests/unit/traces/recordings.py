"""Real recordings, where the machine has them: never part of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.traces import store


def recording(name: str) -> Path:
    """Return a recording below the trace folders, or skip the test and say why."""
    try:
        return store.find(name)
    except InputError:
        pytest.skip(f"no recording {name}: set TESTBED_TRACES to a folder that has it")
