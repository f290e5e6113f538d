"""A failover role of one's own: a folder beside the scenario. What it must hold is checked here, what it must do by
``testbed role check`` (docs/roles.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from testbed import paths
from testbed.errors import InputError, Place, Problem, did_you_mean

TASKS = "tasks/main.yml"
_DEFAULTS = "defaults/main.yml"
_YAML = (".yml", ".yaml")


def shipped(name: str) -> Path:
    """Return the folder of a failover that comes with the testbed."""
    return paths.PLAYBOOKS / "roles" / "failover" / name


def find(text: str, place: Place | str, beside: Path) -> Path:
    """Return the folder of a role given by its path: from ``beside``, the folder of what names it, first.

    Raises InputError with all that is missing or no YAML in it.
    """
    candidates = (beside / Path(text).expanduser(), Path(text))
    folder = next((path.resolve() for path in candidates if path.is_dir()), None)
    if folder is None:
        raise InputError(place, f"no role {text!r} here", f"give a folder that holds {TASKS}")
    if problems := list(_problems(folder, place)):
        raise InputError.of(problems)
    return folder


def files(folder: Path) -> list[Path]:
    """Return the files of a role that its outcome depends on."""
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not _of_its_own_accord(path.relative_to(folder))
    )


def variable_problems(folder: Path, given: Mapping[str, str], place: Place) -> Iterator[Problem]:
    """Yield which of the scenario's variables the role does not know: its defaults name them all."""
    defaults = folder / _DEFAULTS
    known = _root(defaults) if defaults.is_file() else None
    names = [str(key.value) for key, _ in known.value] if isinstance(known, yaml.MappingNode) else []
    for name in given:
        if name not in names:
            found = f"role {folder.name} has no variable {name!r} in its {_DEFAULTS}"
            yield Problem(place.at(name), found, did_you_mean(name, names))


def _of_its_own_accord(path: Path) -> bool:
    """Whether Python or git makes a file by itself: it changes no outcome."""
    return not {"__pycache__", ".git"}.isdisjoint(path.parts)


def _problems(folder: Path, place: Place | str) -> Iterator[Problem]:
    if not (folder / TASKS).is_file():
        yield Problem(place, f"role {paths.shown(folder)} has no {TASKS}", "a role is a list of tasks there")
    shapes = {TASKS: (yaml.SequenceNode, "a list of tasks"), _DEFAULTS: (yaml.MappingNode, "variables: values")}
    for path in files(folder):
        if path.suffix not in _YAML or "templates" in path.relative_to(folder).parts:
            continue
        try:
            root = _root(path)
        except InputError as error:
            yield from error.problems
            continue
        shape, words = shapes.get(str(path.relative_to(folder)), (yaml.Node, ""))
        if root is not None and not isinstance(root, shape):
            yield Problem(Place(paths.shown(path), 1), "of another shape than a role's", f"write {words}")


def _root(path: Path) -> yaml.Node | None:
    """Return the node of a YAML file, Ansible's own tags included. Raises InputError with the line."""
    file = paths.shown(path)
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError(Place(file, line), f"not YAML: {error.problem or error.context}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(Place(file), f"not YAML: {error}") from error
