"""A task that never ends, in a real run of Ansible."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.lab.provision import provision

PLAYBOOK = """\
- hosts: hubs
  gather_facts: false
  tasks:
    - name: what is done
      ansible.builtin.command: "true"
    - name: wait for the sky
      ansible.builtin.command: sleep 300
"""


class Here(DeviceAccess):
    """This host."""

    def argv(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def host_vars(self) -> Mapping[str, str | int]:
        return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def test_a_task_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    """After the time-out provisioning fails; the message names the device and the task."""
    playbook = tmp_path / "hang.yml"
    playbook.write_text(PLAYBOOK)
    groups = {"hubs": [Here("hub")]}
    seen: list[str] = []

    for timeout_s in (4, 16, 64):  # a slow machine comes to the second task later
        with pytest.raises(RunError) as caught:
            provision(playbook, groups, {}, tmp_path, lambda step: seen.append(step.task), timeout_s=timeout_s)
        if seen:
            break

    told = f"hang.yml is not done after {timeout_s} s; still running: hub: task 'wait for the sky'"
    assert (told, ["what is done"]) == (str(caught.value), seen)
