"""Configures devices with Ansible playbooks and says in plain words what failed."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import ansible_runner

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess

TIMEOUT_S = 900.0
"""A hub is ready in seconds; a real one that must fetch its packages over an emulated link takes minutes."""

class Secret(str):
    """A variable that is kept out of the inventory: it has a file of its own, which Ansible reads where it is used."""


Groups = Mapping[str, Sequence[DeviceAccess]]
"""An inventory: devices by the group that the plays name (hubs, edges)."""


class TaskState(StrEnum):
    """What became of a task on a device."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class TaskResult:
    """One task of a playbook on one device, after it ended."""

    device: str
    role: str
    task: str
    state: TaskState
    seconds: float
    message: str = ""

    def __str__(self) -> str:
        where = f"role {self.role}, task {self.task!r}" if self.role else f"task {self.task!r}"
        return f"{self.device}: {where} {self.state}" + (f": {self.message}" if self.message else "")


def provision(
    playbook: Path,
    groups: Groups,
    variables: Mapping[str, Mapping[str, Any]],
    private_data_dir: Path,
    on_event: Callable[[TaskResult], None] = lambda step: None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Run a playbook on devices, given by the inventory's groups; ``on_event`` hears of every task that ended.

    ``variables`` are those of each device, by its name; each ``Secret`` among them goes to a file of its own. Inventory
    and secrets, which only this user can read, lie in ``private_data_dir``, which ought to be on a tmpfs, and are
    removed at the end. What stays there is ``ansible.log``. Raises RunError naming device, role and task
    with what the command said, or the tasks that were not over after ``timeout_s``.
    """
    failures: list[TaskResult] = []
    running: dict[tuple[str, str], str] = {}

    def hear(event: Mapping[str, Any]) -> bool:
        _follow(event, running)
        if step := read_step(event):
            if step.state in (TaskState.FAILED, TaskState.UNREACHABLE):
                failures.append(step)
            on_event(step)
        return False  # keep no file of it

    with _workspace(private_data_dir, groups, variables) as folder:
        outcome = ansible_runner.run(
            private_data_dir=str(folder),
            playbook=str(playbook.resolve()),
            event_handler=hear,
            quiet=True,
            timeout=math.ceil(timeout_s),
            envvars=_environment(playbook, folder),
            # Without one the runner replaces this process's signal handlers for good.
            cancel_callback=lambda: False,
        )
        output = outcome.stdout.read() if outcome.config.artifact_dir else ""
    (private_data_dir / "ansible.log").write_text(output)
    if failures:
        raise RunError("\n".join(map(str, failures)))
    if outcome.status == "timeout":
        hung = "; ".join(running.values()) or "no task"
        raise RunError(f"{playbook.name} is not done after {timeout_s:g} s; still running: {hung}")
    if outcome.rc != 0:
        raise RunError(f"{playbook.name} ended with status {outcome.rc}:\n{_tail(output)}")


def read_step(event: Mapping[str, Any]) -> TaskResult | None:
    """Return the step that an Ansible event reports, or None for other events."""
    data = event.get("event_data", {})
    state = _state(event.get("event", ""), data)
    if state is None:
        return None
    result = data.get("res", {})
    wrong = state in (TaskState.FAILED, TaskState.UNREACHABLE)
    if not wrong and data.get("task_action", "").endswith("include_role"):
        return None  # the role's own tasks follow
    return TaskResult(
        device=data.get("host", ""),
        role=_role(data),
        task=data.get("task", ""),
        state=state,
        seconds=float(data.get("duration", 0.0)),
        message=explain(result) if wrong else "",
    )


def _role(data: Mapping[str, Any]) -> str:
    """Return a role's name; of one of the user's own, which Ansible is given by its path, the folder's."""
    name = str(data.get("role", ""))
    return Path(name).name if name.startswith("/") else name


def _follow(event: Mapping[str, Any], running: dict[tuple[str, str], str]) -> None:
    """Keep account of which task is running on which device."""
    data = event.get("event_data", {})
    key = (data.get("host", ""), data.get("task_uuid", ""))
    if event.get("event") == "runner_on_start":
        role = f"role {_role(data)}, " if data.get("role") else ""
        running[key] = f"{data.get('host', '')}: {role}task {data.get('task', '')!r}"
    elif event.get("event", "").startswith("runner_on_"):
        running.pop(key, None)


def explain(result: Mapping[str, Any]) -> str:
    """Return what a failed task said: Ansible's message, then the command and its output where it ran one."""
    lines = [str(result.get("msg", "no message")).strip()]
    if command := result.get("cmd"):
        shown = command if isinstance(command, str) else " ".join(command)
        lines.append(f"command: {shown.strip()} (exit status {result.get('rc')})")
    for stream in ("stderr", "stdout", "module_stderr", "module_stdout"):
        text = str(result.get(stream, "")).strip()
        if text and text not in lines[0]:
            lines.append(f"{stream}: {text}")
    return "\n".join(lines).replace("\n", "\n  ")


def _state(kind: str, data: Mapping[str, Any]) -> TaskState | None:
    if kind == "runner_on_ok":
        return TaskState.CHANGED if data.get("res", {}).get("changed") else TaskState.OK
    if kind == "runner_on_failed" and not data.get("ignore_errors"):
        return TaskState.FAILED
    return {
        "runner_on_skipped": TaskState.SKIPPED,
        "runner_on_unreachable": TaskState.UNREACHABLE,
    }.get(kind)


@contextmanager
def _workspace(parent: Path, groups: Groups, variables: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A folder for Ansible with the inventory, in it the devices' variables, and their secrets; removed at the end."""
    folder = parent / "ansible"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    devices = {device.name: device for group in groups.values() for device in group}
    hosts = {
        name: {**device.host_vars(), **_open(folder / name, variables.get(name, {}))}
        for name, device in devices.items()
    }
    inventory = {group: {"hosts": {d.name: hosts[d.name] for d in found}} for group, found in groups.items()}
    _write_private(folder / "inventory" / "hosts.json", json.dumps(inventory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(playbook: Path, folder: Path) -> dict[str, str]:
    # ansible-playbook lies beside this interpreter, which need not be the one that PATH finds first.
    return {
        "ANSIBLE_CONFIG": str(playbook.resolve().parent / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "temporary"),  # not the user's home, which may be read-only
        "ANSIBLE_NOCOLOR": "1",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
    }


def _open(folder: Path, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a device's variables as anybody may read them; each secret is in a file of ``folder``."""
    shown = dict(variables)
    for name, value in variables.items():
        if isinstance(value, Secret) and value:
            _write_private(folder / name, value)
            shown[name] = f"{{{{ lookup('file', '{folder / name}') }}}}"
    return shown


def _write_private(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
