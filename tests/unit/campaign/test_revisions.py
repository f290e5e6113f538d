"""Two revisions by turns: what is checked out, in which order they run, and what is left behind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from testbed import paths
from testbed.campaign.revisions import SIDES, Revision, checked_out, git, play, turns
from testbed.errors import HostError, InputError
from testbed.link.calibration import FILE, Calibration, kept

# A program that stands for the testbed of a revision: it writes which revision it is, and how it was called.
PROGRAM = """\
import json, pathlib, sys
results = pathlib.Path(sys.argv[sys.argv.index("--results") + 1])
if sys.argv[2] == "unknown":
    print("testbed: no scenario 'unknown'")
    sys.exit(2)
results.mkdir(parents=True, exist_ok=True)
name = f"{len(list(results.iterdir()))}.txt"
(results / name).write_text(f"VERSION {[a for a in sys.argv if a.startswith('seed=')]} {pathlib.Path.cwd()}")
"""


def committed(root: Path, version: str, makefile: str = "all:\n") -> None:
    """Commit a version of the program."""
    for part in ("testbed/link/core", "testbed/lab/core"):
        (root / part).mkdir(parents=True, exist_ok=True)
        (root / part / "Makefile").write_text(makefile)
    (root / "testbed" / "__init__.py").write_text("")
    (root / "testbed" / "__main__.py").write_text(PROGRAM.replace("VERSION", version))
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    git(root, "add", "-A")
    assert 0 == git(root, *who, "commit", "-q", "-m", version).returncode
    git(root, "tag", version)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two versions of the program."""
    found = tmp_path / "repository"
    found.mkdir()
    git(found, "init", "-q")
    committed(found, "one")
    committed(found, "two", "all:\n\t@touch built\n")
    return found


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Where the runs of both sides go."""
    (tmp_path / "results" / "logs").mkdir(parents=True)
    return tmp_path / "results"


def worktrees(root: Path) -> int:
    """Return how many worktrees a repository has beside its own."""
    return git(root, "worktree", "list").stdout.count("\n") - 1


def test_each_side_runs_its_own_code(root: Path, results: Path):
    """Two pairs: the sides by turns, the second repetition with a seed of its own."""
    told: list[str] = []
    with checked_out(["one", "two"], root) as found:
        play(found, ["smoke"], 2, results, ["--link", "native"], told.append)

    said = {side: [(results / side / f"{n}.txt").read_text() for n in range(2)] for side in SIDES}
    assert ["one", "one", "two", "two"] == [line.split()[0] for side in SIDES for line in said[side]]
    assert all("[]" in lines[0] and "seed=" in lines[1] for lines in said.values())
    assert said["base"][1].split()[1] == said["candidate"][1].split()[1]
    assert told[0].startswith("run 1 of 4: smoke, base one (")


def test_the_second_pair_begins_with_the_other_side():
    """What drifts on the host meets both."""
    sides = [Revision("a", "a" * 40, Path()), Revision("b", "b" * 40, Path())]

    assert ["a", "b", "b", "a"] == [turn.revision.name for turn in turns(sides, ["s"], 2)]


def test_worktrees_are_built_and_gone(root: Path):
    """Each is built by its own Makefiles; nothing of them is left."""
    with checked_out(["one", "two"], root) as (one, two):
        assert not (one.tree / "testbed/link/core/built").exists()
        assert (two.tree / "testbed/link/core/built").exists()
        assert (two.tree / "testbed/lab/core/built").exists()
        assert 2 == worktrees(root)

    assert 0 == worktrees(root)
    assert not one.tree.parent.exists()


def test_both_sides_know_how_this_host_was_calibrated(root: Path):
    """What the host adds to a round trip is of no revision: the file that `testbed calibrate` kept outlives them."""
    made = Calibration(1, platform.release(), 2000, 0, 25_000.0, 60_000.0, 0.01)
    made.keep(root / "build" / FILE.name)

    with checked_out(["one", "two"], root) as found:
        assert [made, made] == [kept(revision.tree / "build" / FILE.name) for revision in found]

    assert made == kept(root / "build" / FILE.name)


def test_worktrees_are_gone_after_an_error(root: Path):
    """Whatever ends it."""
    with pytest.raises(KeyboardInterrupt), checked_out(["one", "two"], root) as (one, _):
        raise KeyboardInterrupt

    assert (0, False) == (worktrees(root), one.tree.parent.exists())


def test_a_revision_that_does_not_build_says_so(root: Path):
    """With what the compiler said; nothing is left."""
    committed(root, "broken", "all:\n\t@echo no such thing; exit 1\n")

    said = r"broken \(.{7}\) does not build in testbed/lab/core:\nno such thing"
    with pytest.raises(HostError, match=said), checked_out(["one", "broken"], root):
        pass

    assert 0 == worktrees(root)


def test_an_unknown_revision_is_refused(root: Path):
    """Before anything is checked out; an option of git is no revision."""
    for name in ("three", "--all"):
        said = f"no revision '{name}'; name a commit, a branch or a tag"
        with pytest.raises(InputError, match=said), checked_out(["one", name], root):
            pass


def test_a_scenario_that_a_revision_does_not_know_ends_it(root: Path, results: Path):
    """With what that revision said."""
    with checked_out(["one", "two"], root) as found, pytest.raises(InputError, match="one .* refuses it:\n.*'unknown'"):
        play(found, ["unknown"], 1, results, [], lambda line: None)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_leaves_no_worktree_and_sigkill_none_that_the_next_one_keeps(root: Path, ending: signal.Signals):
    """A killed process cannot clean up; the next one does it."""
    program = f"""\
        import signal, sys
        from pathlib import Path
        from testbed.campaign.revisions import checked_out
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
        with checked_out(["one", "two"], Path({str(root)!r})):
            print("ready", flush=True)
            sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(paths.ROOT)},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        process.send_signal(ending)
        process.wait()

    if ending is signal.SIGKILL:
        assert 2 == worktrees(root)
        with checked_out(["one"], root):
            assert 1 == worktrees(root)
    assert 0 == worktrees(root)
