"""Ansible connection to a device that lives in the namespaces of a process on this host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: namespace
short_description: run tasks in the network and mount namespaces of a process
description:
  - The device's files are reached through its own mount namespace, so overlays and private mounts are seen.
options:
  pid:
    description: Process whose namespaces are the device.
    type: int
    required: true
    vars:
      - name: ansible_namespace_pid
"""


class Connection(ConnectionBase):
    """Runs each command with nsenter; copies files through cat."""

    transport = "namespace"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        """Run a shell command on the device: (exit status, stdout, stderr)."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        done = self._enter("/bin/sh", "-c", cmd, stdin=in_data or b"")
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        """Copy a file of the lab host to the device."""
        content = Path(in_path).read_bytes()
        self._checked("/bin/sh", "-c", 'cat > "$1"', "sh", out_path, stdin=content)

    def fetch_file(self, in_path, out_path):
        """Copy a file of the device to the lab host."""
        Path(out_path).write_bytes(self._checked("/bin/cat", in_path))

    def close(self) -> None:
        self._connected = False

    def _checked(self, *command, stdin=b""):
        done = self._enter(*command, stdin=stdin)
        if done.returncode:
            raise AnsibleConnectionFailure(f"{command[0]} failed: {os.fsdecode(done.stderr).strip()}")
        return done.stdout

    def _enter(self, *command, stdin):
        pid = self.get_option("pid")
        if not os.path.exists(f"/proc/{pid}/ns/net"):
            raise AnsibleConnectionFailure(f"the device's process {pid} has ended")
        argv = ["nsenter", "--target", str(pid), "--net", "--mount", "--", *command]
        return subprocess.run(argv, input=to_bytes(stdin), capture_output=True, check=False)
