"""Two revisions of this project run by turns: each from a worktree of its own, built there, with the same Python.

The worktrees are gone when it is over, Ctrl-C included; those of a process that was killed are removed by the next one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import paths
from testbed.errors import HostError, InputError
from testbed.link import calibration
from testbed.result.store import FILE, Result
from testbed.traces import store as traces

_PREFIX = "testbed-revision-"
_OF_THE_HOST = ("virtual", calibration.FILE.name)
"""What lies in build/ and is of no revision: virtual time's kernel, and what this host adds to a round trip."""
_NOTHING_RAN = 2
"""The exit status of a run that was refused: bad input."""


@dataclass(frozen=True)
class Revision:
    """A revision as the user named it, its commit, and the worktree that it is checked out in."""

    name: str
    commit: str
    tree: Path

    def __str__(self) -> str:
        return self.name if self.commit.startswith(self.name) else f"{self.name} ({self.commit[:7]})"


@dataclass(frozen=True)
class PlannedRun:
    """One run to be made: of which side, which scenario, which repetition (from 1)."""

    side: str
    revision: Revision
    scenario: str
    repetition: int


Told = Callable[[str], None]


def commit_of(name: str, root: Path = paths.ROOT, option: str = "--rev") -> str:
    """Return the commit that a revision's name stands for. Raises InputError, which names the option."""
    done = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if done.returncode:
        raise InputError(option, f"no revision {name!r}", "name a commit, a branch or a tag of this repository")
    return done.stdout.strip()


@contextmanager
def checked_out(names: Sequence[str], root: Path = paths.ROOT) -> Iterator[list[Revision]]:
    """Check revisions out into worktrees, and build them. Raises InputError, and HostError where one does not build."""
    commits = [commit_of(name, root) for name in names]
    _sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    trees = [folder / str(number) for number in range(len(names))]
    found = list(map(Revision, names, commits, trees))
    try:
        for revision in found:
            done = git(root, "worktree", "add", "--quiet", "--detach", str(revision.tree), revision.commit)
            if done.returncode:
                raise HostError(f"git cannot check out {revision}: {done.stdout.strip()}")
            _build(revision, root)
        yield found
    finally:
        _remove(root, folder)


def turns(revisions: Sequence[Revision], scenarios: Sequence[str], repeat: int) -> Iterator[PlannedRun]:
    """Yield the runs in their order: the sides by turns, and each second time the other one first.

    What drifts on the host while they run meets both sides alike.
    """
    for repetition in range(1, repeat + 1):
        for scenario in scenarios:
            sides = [PlannedRun(s, r, scenario, repetition) for s, r in zip(SIDES, revisions, strict=True)]
            yield from sides if repetition % 2 else reversed(sides)


SIDES = ("base", "candidate")


def play(
    revisions: Sequence[Revision],
    scenarios: Sequence[str],
    repeat: int,
    folder: Path,
    options: Sequence[str],
    tell: Told,
) -> None:
    """Run both revisions by turns; their results are in base/ and candidate/ of ``folder``; ``options`` are those
    of every run (``--link``, ``--time``).

    Each repetition has a seed of its own, the first one the scenario's. Raises InputError where a revision
    refuses to run.
    """
    seeds: dict[str, int] = {}
    log = folder / "logs" / "runs.log"
    made = list(turns(revisions, scenarios, repeat))
    for number, turn in enumerate(made, 1):
        tell(f"run {number} of {len(made)}: {turn.scenario}, {turn.side} {turn.revision}, repetition {turn.repetition}")
        results = folder / turn.side
        before = set(results.glob(f"*/{FILE}"))
        changes = [] if turn.repetition == 1 else ["--set", f"seed={seeds.get(turn.scenario, 0) + turn.repetition - 1}"]
        run = ["run", turn.scenario, *changes, *options, "--results", str(results)]
        status = _testbed(turn.revision.tree, run, log)
        if status == _NOTHING_RAN:
            raise InputError(turn.scenario, f"{turn.revision} refuses it:\n{_tail(log)}")
        for path in set(results.glob(f"*/{FILE}")) - before:
            seeds.setdefault(turn.scenario, Result.load(path.parent).record.seed)


def git(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run git in a repository, which under sudo belongs to another user; what it says is in ``stdout``."""
    whole = ["git", "-c", f"safe.directory={root}", "-C", str(root), *command]
    try:
        return subprocess.run(
            whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False
        )
    except FileNotFoundError as error:
        raise HostError("git is missing; install the package git") from error


def _testbed(tree: Path, arguments: Sequence[str], log: Path) -> int:
    """Run a revision's own ``testbed`` and return its exit status; it dies with this process."""
    guard = ["setpriv", "--pdeathsig", "KILL", "--"]
    command = [*guard, sys.executable, "-m", "testbed", *arguments]
    with log.open("ab") as stream:
        process = subprocess.Popen(command, cwd=tree, env=_environment(tree), stdout=stream, stderr=stream,
                                   stdin=subprocess.DEVNULL)  # fmt: skip
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # it heard of it too, and writes what it has
            raise
        finally:
            process.kill()
            process.wait()


def _environment(tree: Path) -> Mapping[str, str]:
    recordings = os.pathsep.join(map(str, traces.folders()))
    own = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "TESTBED_TRACES": recordings}
    return {**os.environ, **own}


def _build(revision: Revision, root: Path) -> None:
    for name in _OF_THE_HOST:
        kept, build = root / "build" / name, revision.tree / "build"
        if kept.exists():
            build.mkdir(exist_ok=True)
            (build / name).symlink_to(kept)
    for makefile in sorted(revision.tree.glob("testbed/*/core/Makefile")):
        part = makefile.parent
        done = subprocess.run(
            ["make", "--silent", "-C", str(part)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            where = part.relative_to(revision.tree)
            raise HostError(f"{revision} does not build in {where}:\n{done.stdout.strip()[-2000:]}")


def _remove(root: Path, folder: Path) -> None:
    for tree in sorted(folder.iterdir()) if folder.exists() else ():
        git(root, "worktree", "remove", "--force", str(tree))
    shutil.rmtree(folder, ignore_errors=True)
    git(root, "worktree", "prune")


def _sweep(root: Path) -> None:
    """Remove what a killed process has left of its worktrees."""
    for line in git(root, "worktree", "list", "--porcelain").stdout.splitlines():
        folder = Path(line.removeprefix("worktree ")).parent
        if line.startswith("worktree ") and folder.name.startswith(_PREFIX):
            owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
            if not Path("/proc", owner).exists():
                _remove(root, folder)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
