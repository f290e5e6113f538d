"""What a result says about its origin."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from testbed.result import provenance


def test_folder_without_git_has_no_commit(tmp_path: Path):
    """An unpacked archive is told apart from a checkout."""
    found = provenance.versions(tmp_path)

    assert ("", False, "no commit") == (found.commit, found.dirty, found.source)
    assert platform.python_version() == found.python
    assert "numpy" in found.packages


def test_uncommitted_changes_make_a_checkout_dirty(tmp_path: Path):
    """A commit names what ran only as long as nothing was changed after it."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = provenance.versions(tmp_path)
    (tmp_path / "file").write_text("two")
    dirty = provenance.versions(tmp_path)

    assert (False, True) == (clean.dirty, dirty.dirty)
    assert 40 == len(clean.commit)
    assert f"{clean.commit[:7]} + changes" == dirty.source


def test_host_is_this_one():
    """Kernel, cores and memory are those of the machine the test runs on."""
    found = provenance.host()

    assert (platform.release(), len(os.sched_getaffinity(0))) == (found.kernel, found.cores)
    assert found.memory_bytes > 10**8
