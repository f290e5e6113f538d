"""The contract of failover roles, held against real ones on a hub in a lab."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROLE = {
    # A shipped role does the work, so that it is held to the contract as well.
    "meta/main.yml": "dependencies: [{role: failover/ping-tracked}]\n",
    "defaults/main.yml": "mine_name: forgotten\n",
    # What it starts is noted nowhere.
    "tasks/main.yml": """\
- name: Start something
  ansible.builtin.raw: |
    cp "$(command -v tail)" /run/hub/{{ mine_name }}
    $(command -v setsid) /run/hub/{{ mine_name }} -f /dev/null < /dev/null > /dev/null 2>&1 &
""",
}


def test_a_role_is_held_to_its_contract(tmp_path: Path) -> None:
    """It does all that a failover must, and what it leaves behind is found: exit status 3."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    for name, text in ROLE.items():
        path = tmp_path / "my-role" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    command = [sys.executable, "-m", "testbed", "role", "check", "--json", str(tmp_path / "my-role")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = {check["name"]: check for check in json.loads(done.stdout)}
    kept = [name for name, check in found.items() if check["state"] == "ok"]

    assert 3 == done.returncode, done.stderr
    assert ["python", "provision", "carries", "dead uplink", "return", "idle uplink dies", "again"] == kept[:7]
    assert "carries again" in kept
    assert ("missing", "program forgotten") == (found["goes again"]["state"], found["goes again"]["found"])
