"""Which scenarios' results a change may have changed: by the files that their runs depend on, or by kept hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import paths
from testbed.campaign.revisions import commit_of, git
from testbed.errors import HostError, InputError
from testbed.result.observed import Observed, differing
from testbed.run import conditions, job, plan, sources


@dataclass(frozen=True)
class Affected:
    """A scenario, and why its result may have changed; without a reason it is not affected."""

    scenario: str
    reasons: tuple[str, ...]


def since(revision: str, scenarios: Sequence[Path]) -> list[Affected]:
    """Return each scenario with the changed files, since a revision, that its runs depend on. Raises InputError."""
    changed = changed_files(revision)
    return [Affected(path.stem, tuple(_why(path, changed))) for path in scenarios]


def since_runs(kept: Iterable[Observed]) -> list[Affected]:
    """Return each kept run's scenario with the parts of it that are no longer what they were in that run."""
    latest = {run.scenario: run for run in sorted(kept, key=lambda run: run.created_ns) if not run.changes}
    return [Affected(name, tuple(_since_run(run))) for name, run in sorted(latest.items())]


def changed_files(revision: str, root: Path = paths.ROOT) -> list[Path]:
    """Return the files that were added, changed or removed since a revision, committed or not. Raises InputError."""
    commit = commit_of(revision, root, "--since")
    names: set[str] = set()
    for command in (
        ("diff", "--name-only", "--no-renames", "-z", commit),
        ("ls-files", "--others", "--exclude-standard", "-z"),
    ):
        done = git(root, *command)
        if done.returncode:
            raise HostError(f"git cannot tell what has changed: {done.stdout.strip()}")
        names.update(filter(None, done.stdout.split("\0")))
    return sorted(root / name for name in names)


def _why(path: Path, changed: Sequence[Path]) -> Iterator[str]:
    try:
        made = plan.make(path)
    except InputError as error:
        yield f"it cannot be planned: {error}"
        return
    roles = _depends_on(made)
    rooms = _rooms(roles)
    for file in changed:
        if file in roles:
            yield f"{roles[file]}: {paths.shown(file)}"
        elif not file.exists() and (gone := _of_what_is_gone(file, rooms)):
            yield f"{gone}: {paths.shown(file)} (removed)"


def _depends_on(made: plan.Plan) -> Mapping[Path, str]:
    """Return the files that a run of a plan depends on -> what they are to it."""
    asked = frozenset(objective.metric for objective in made.scenario.objectives)
    program = dict.fromkeys(sources.of_metrics(asked), "program")
    engine = dict.fromkeys((path for path in program if path.is_relative_to(conditions.ENGINE)), "engine")
    return program | engine | {path.resolve(): role for role, path in made.inputs()}


def _rooms(roles: Mapping[Path, str]) -> set[Path]:
    program = paths.ROOT / "testbed"
    return {program / path.relative_to(program).parts[0] for path in roles if path.is_relative_to(program)}


def _of_what_is_gone(file: Path, rooms: set[Path]) -> str:
    """Return what a removed file was: one of the roles, or of a room of the program that runs depend on."""
    if file.is_relative_to(paths.PLAYBOOKS):
        return "playbook"
    return "program" if any(file.is_relative_to(room) for room in rooms) else ""


def _since_run(run: Observed) -> Iterator[str]:
    try:
        made = plan.make(plan.find_scenario(run.scenario))
    except InputError as error:
        yield f"it cannot be planned: {error}"
        return
    met, tested = conditions.met(made, job.played(made)), conditions.under_test(made)
    if not run.met:
        yield "the run is of an older version, which did not keep what it met"
        return
    for part in sorted(differing(run.met, met)):
        if not _begins(run.met.get(part), met.get(part)):
            yield part
    for part in sorted(differing(run.under_test, tested)):
        if not _begins(run.under_test.get(part), tested.get(part)):
            yield part


def _begins(kept: str | None, now: str | None) -> bool:
    """Whether a kept hash, which a baseline shortens, is that of now."""
    return kept is not None and now is not None and len(kept) >= 12 and now.startswith(kept)
