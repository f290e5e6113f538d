"""The edits of the kernel of virtual time, on made-up sources."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from testbed.lab import machine
from testbed.paths import ROOT

SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "setup" / "virtual_kernel_edits.py"))
EDITS = SCRIPT["EDITS"]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_takes_its_anchors_place_and_nothing_else(edit: Any) -> None:
    """What stands around the anchor stays."""
    text = f"int before;\n{edit.anchor}int after;\n"

    assert f"int before;\n{edit.text}int after;\n" == SCRIPT["edited"](text, edit)


@pytest.mark.parametrize("times", [0, 2])
def test_an_anchor_that_is_not_there_once_is_told(times: int) -> None:
    """A source that has changed is not edited in the wrong place."""
    edit = EDITS[0]

    with pytest.raises(ValueError, match=rf"{edit.file}: its anchor .* is there {times} times, not once"):
        SCRIPT["edited"](edit.anchor * times, edit)


def test_a_kernel_that_is_not_built_is_told_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says what to do and how long that takes."""
    monkeypatch.setattr(machine, "KERNEL", tmp_path / "linux")

    assert "is missing; 'make virtual' builds it" in machine.fault_of_host()
