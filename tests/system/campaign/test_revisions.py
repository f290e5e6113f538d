"""Two revisions of this project, each run by its own code, and compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import paths
from testbed.campaign.revisions import git
from testbed.result import observed

SCENARIO = """\
# does another revision of the hub answer?
topology: hub-two-uplinks
duration: 3 s
uplinks:
  starlink: {fixed: {delay: 20 ms}}
  lte: {fixed: {delay: 30 ms}}
hub: {failover: none}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
fidelity: {late_share: 100 %, late_max: 2 s, away_share: 100 %, wait_max: 60 s}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 5 s}
"""


@pytest.mark.timeout(300)
def test_two_revisions_are_run_and_compared(tmp_path: Path):
    """The candidate's hub is another one by its roles, and nothing is left of either worktree."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(paths.ROOT), str(clone)], check=True)
    (clone / "scenarios" / "answers.yaml").write_text(SCENARIO)
    _commit(clone, "the scenario")
    (clone / "playbooks" / "roles" / "clean" / "note.md").write_text("another role\n")
    _commit(clone, "another role")
    subprocess.run(["make", "-s", "-C", str(clone / "testbed/link/core")], check=True)

    command = ["compare", "answers", "--rev", "HEAD~1", "--rev", "HEAD", "--repeat", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "testbed", *command, "--results", str(tmp_path / "results")],
        cwd=clone, env={"PATH": _path(), "PYTHONPATH": str(clone)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 3 == done.returncode, done.stderr  # one pair in real time tells nothing
    told = json.loads(done.stdout)
    assert ["different on the two sides: roles"] == [note for note in told["notes"] if "different" in note]
    assert ([], []) == (told["unlike"], told["alone"])
    (folder,) = (tmp_path / "results").iterdir()
    assert [1, 1] == [len(observed.read(folder / side)) for side in ("base", "candidate")]
    assert 1 == git(clone, "worktree", "list").stdout.count("\n")


def _commit(root: Path, message: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    git(root, "add", "-A")
    assert 0 == git(root, *who, "commit", "-q", "-m", message).returncode


def _path() -> str:
    return f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
