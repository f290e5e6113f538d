"""A failover role of one's own: what its folder must hold, and that a job takes it along."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.run import job, plan
from testbed.run.role import files
from testbed.yaml.overrides import Override

SCENARIO = """\
# s.yaml: how does my own failover do?
topology: hub-two-uplinks
duration: 9 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
hub: {failover: FAILOVER}
traffic:
  beat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
objectives: [{metric: interruption, of: beat, at_most: 3 s}]
"""
ROLE = {
    "tasks/main.yml": "- name: Run it\n  ansible.builtin.raw: /etc/hub/mine\n",
    "defaults/main.yml": "mine_fall: 2\n",
    "templates/mine.yml.j2": "{% if %}",
    "files/__pycache__/mine.pyc": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a role; it is where the user stands, unless a test says otherwise."""
    monkeypatch.chdir(tmp_path)
    for name, text in ROLE.items():
        path = tmp_path / "my-role" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def made(folder: Path, failover: str = "./my-role", *changes: str) -> plan.Plan:
    (folder / "s.yaml").write_text(SCENARIO.replace("FAILOVER", failover))
    return plan.make(folder / "s.yaml", tuple(map(Override.parse, changes)))


def test_a_role_lies_beside_its_scenario(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the scenario is run from."""
    monkeypatch.chdir("/")

    assert folder / "my-role" == made(folder).role


def test_a_role_that_a_run_exchanges_may_lie_where_the_user_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--set hub.failover=./my-role`` is typed in a folder, too."""
    (folder / "elsewhere").mkdir()
    shutil.move(folder / "my-role", folder / "elsewhere")
    monkeypatch.chdir(folder / "elsewhere")

    assert folder / "elsewhere/my-role" == made(folder, "none", "hub.failover=./my-role").role


def test_its_files_are_inputs_but_for_what_python_leaves(folder: Path) -> None:
    """Each file is named with its hash."""
    inputs = [path for role, path in made(folder).inputs() if role == "role"]

    assert [folder / "my-role" / name for name in sorted(ROLE) if "pycache" not in name] == inputs


def test_a_job_takes_the_role_along(folder: Path) -> None:
    """What is played is the copy: the original may change or go."""
    job.pack(made(folder), folder / "run")
    shutil.rmtree(folder / "my-role")
    role = job.unpack(folder / "run").role

    assert role is not None
    assert {name: text for name, text in ROLE.items() if "pycache" not in name} == {
        str(path.relative_to(role)): path.read_text() for path in files(role)
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda role: (role / "tasks/main.yml").write_text("[]\n"),
        lambda role: (role / "tasks/more.yml").write_text("[]\n"),
        lambda role: shutil.rmtree(role),
    ],
    ids=["changed", "more", "gone"],
)
def test_a_changed_role_is_refused(folder: Path, damage: Callable[[Path], object]) -> None:
    """What is played must be what was planned."""
    job.pack(made(folder), folder / "run")
    damage(folder / "run" / job.FOLDER / "role" / "my-role")

    with pytest.raises(InputError, match="the role is not the one that was planned"):
        job.unpack(folder / "run")


@pytest.mark.parametrize(
    ("failover", "message"),
    [
        (
            "mwan3",
            "s.yaml:5: unknown failover 'mwan3'; known: bgp-bfd, dish-aware, none, overflow, ping-tracked, "
            "weighted; or write "
            "./mwan3, a folder with a role of your own (docs/roles.md)",
        ),
        ("./mwan3", "s.yaml:5: no role './mwan3' here; give a folder that holds tasks/main.yml"),
        ("./empty", "s.yaml:5: role empty has no tasks/main.yml; a role is a list of tasks there"),
        (
            "ping-tracked, variables: {mine_fall: 3}",
            "s.yaml:5: variables beside failover ping-tracked, which is no role of your own; leave them out",
        ),
        (
            "./my-role, variables: {mine_fal: 3}",
            "s.yaml:5: role my-role has no variable 'mine_fal' in its defaults/main.yml; did you mean 'mine_fall'?",
        ),
        (
            "weighted, weights: {starlink: 0}",
            "s.yaml:5: no uplink has a weight above 0; give one a share",
        ),
        (
            "weighted, weights: {fibre: 1}",
            "s.yaml:5: topology hub-two-uplinks has no uplink 'fibre'; known: lte, starlink",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused(failover: str, message: str, folder: Path) -> None:
    """The message says what would be right."""
    (folder / "empty").mkdir()
    with pytest.raises(InputError) as refused:
        made(folder, failover)

    assert message == str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tasks/main.yml", "- name: [", "my-role/tasks/main.yml:1: not YAML: "),
        ("tasks/main.yml", "name: x\n", "my-role/tasks/main.yml:1: of another shape than a role's; write a list"),
        ("defaults/main.yml", "- 3\n", "my-role/defaults/main.yml:1: of another shape than a role's; write variables"),
        ("handlers/main.yml", "a: b: c\n", "my-role/handlers/main.yml:1: not YAML: "),
    ],
)
def test_a_role_is_read_whole(name: str, text: str, message: str, folder: Path) -> None:
    """Its mistakes are told by file and line, before anything starts."""
    (folder / "my-role" / name).parent.mkdir(exist_ok=True)
    (folder / "my-role" / name).write_text(text)
    with pytest.raises(InputError) as refused:
        made(folder)

    assert str(refused.value).startswith(message)
