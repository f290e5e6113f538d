"""Whose the results of a run are that was started with sudo."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed import cli
from testbed.cli import campaign
from testbed.errors import RunError
from testbed.result.campaign import Campaign
from testbed.run import launch, owner

USER, GROUP = 4711, 4712


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple[int, int]]:
    """What changes hands when the user 4711 has called sudo: path -> (user, group)."""
    found: dict[Path, tuple[int, int]] = {}
    monkeypatch.setenv("SUDO_UID", str(USER))
    monkeypatch.setenv("SUDO_GID", str(GROUP))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: found.update({Path(path): (uid, gid)}))
    return found


def test_a_folder_that_was_there_does_not_change_hands(
    tmp_path: Path, given: dict[Path, tuple[int, int]]
) -> None:
    """``--results /tmp`` gives the run's own folder to the user, and not /tmp."""
    folder = launch.new_folder(tmp_path, "smoke", datetime(2026, 5, 4, tzinfo=UTC))
    (folder / "result.json").touch()
    owner.give(folder)

    assert set(given) == {folder, folder / "logs", folder / "result.json"}
    assert set(given.values()) == {(USER, GROUP)}


def test_folders_that_the_run_has_made_are_the_users(
    tmp_path: Path, given: dict[Path, tuple[int, int]]
) -> None:
    """A results folder that did not exist yet is the user's too, or the next run without sudo could not write."""
    folder = launch.new_folder(tmp_path / "a" / "b", "smoke", datetime(2026, 5, 4, tzinfo=UTC))

    assert set(given) == {tmp_path / "a", tmp_path / "a" / "b", folder, folder / "logs"}


def test_without_sudo_nothing_changes_hands(
    tmp_path: Path, given: dict[Path, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's own results stay root's."""
    monkeypatch.delenv("SUDO_UID")
    owner.make(tmp_path / "mine")

    assert {} == given


def test_a_campaigns_own_files_are_the_users(
    tmp_path: Path, given: dict[Path, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a campaign keeps beside its runs changes hands with them, also where it ends by an error."""

    def broken(_: object, folder: Path, *__: object) -> Campaign:
        (folder / "campaign.json").touch()
        raise RunError("the run died")

    monkeypatch.setattr(campaign, "run", broken)
    monkeypatch.setattr(launch, "check", lambda _: None)
    cli.main(["campaign", "smoke", "--repeat", "2", "--results", str(tmp_path)])

    (folder,) = tmp_path.iterdir()
    assert {folder, folder / "campaign.json"} <= set(given)
    assert tmp_path not in given
