"""A made-up run in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from testbed.result.store import Result
from tests.unit.plots.blackout import Story, make


def made_in(folder: Path, story: Story) -> Result:
    """Write the result of a story into a new folder."""
    folder.mkdir(parents=True)
    return make(folder, story)
