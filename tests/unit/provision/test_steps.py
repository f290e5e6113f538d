"""How Ansible's events become steps and messages."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.lab.provision import TaskState, explain, read_step

COMMAND = {
    "msg": "non-zero return code",
    "cmd": ["nginx", "-t"],
    "rc": 1,
    "stderr": "nginx: [emerg] no ports\n",
    "stdout": "",
}
UNREADABLE = {"msg": "the output has been hidden due to the fact that 'no_log: true' was specified"}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            COMMAND,
            "non-zero return code\n  command: nginx -t (exit status 1)\n  stderr: nginx: [emerg] no ports",
        ),
        ({"msg": "not installed", "stderr": "line 1\nline 2"}, "not installed\n  stderr: line 1\n  line 2"),
        ({"msg": "failed: it broke", "stderr": "it broke"}, "failed: it broke"),
        (UNREADABLE, UNREADABLE["msg"]),
        ({}, "no message"),
    ],
)
def test_a_failure_shows_what_the_command_said(result: dict[str, Any], message: str) -> None:
    """Ansible's message comes first, then the command and its output, nothing twice."""
    assert message == explain(result)


@pytest.mark.parametrize(
    ("kind", "data", "state"),
    [
        ("runner_on_ok", {"res": {"changed": True}}, TaskState.CHANGED),
        ("runner_on_ok", {"res": {}}, TaskState.OK),
        ("runner_on_skipped", {}, TaskState.SKIPPED),
        ("runner_on_failed", {"res": COMMAND}, TaskState.FAILED),
        (
            "runner_on_unreachable",
            {"res": {"msg": "the device's process 7 has ended"}},
            TaskState.UNREACHABLE,
        ),
    ],
)
def test_an_ended_task_is_a_step(kind: str, data: dict[str, Any], state: TaskState) -> None:
    """Each way a task can end is a state of its own."""
    step = read_step({"event": kind, "event_data": {"host": "hub", "role": "wan", "task": "t", **data}})

    assert step is not None
    assert ("hub", "wan", "t", state) == (step.device, step.role, step.task, step.state)


@pytest.mark.parametrize("kind", ["playbook_on_start", "runner_on_start", "verbose"])
def test_other_events_are_no_steps(kind: str) -> None:
    """Starting is not ending."""
    assert read_step({"event": kind, "event_data": {"host": "hub"}}) is None


def test_an_ignored_failure_is_no_failure() -> None:
    """A task that may fail does not end provisioning."""
    event = {"event": "runner_on_failed", "event_data": {"ignore_errors": True, "res": COMMAND}}

    assert read_step(event) is None


def test_a_step_reads_as_a_sentence() -> None:
    """The device comes first, then role and task."""
    event = {
        "event": "runner_on_failed",
        "event_data": {"host": "hub", "role": "wan", "task": "t", "res": {}},
    }

    assert "hub: role wan, task 't' failed: no message" == str(read_step(event))
