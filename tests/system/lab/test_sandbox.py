"""The sandbox: what runs in it cannot be seen outside, and nothing of it is left, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from testbed.errors import HostError
from testbed.lab import sandbox

# Makes an interface, a mount, a namespace with a process of its own, says so, and waits.
BUSY = """
mount -t tmpfs tmpfs /run && ip link add name v0 type veth peer name v1
unshare --net sleep 300 & ip link set v1 netns $!
echo ready; read _; exit 7
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BinaryIO]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    with (tmp_path / "log").open("wb") as file:
        yield file


def processes() -> set[str]:
    """The command lines of all processes but the kernel's and this test's own helpers."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.add((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile
    return found


def host_state() -> tuple[str, str]:
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line.split(":")[1] for line in links.splitlines()), Path("/proc/self/mounts").read_text()


def started(log: BinaryIO) -> subprocess.Popen[bytes]:
    process = sandbox.spawn(["sh", "-c", BUSY], log)
    assert process.stdout
    assert b"ready\n" == process.stdout.readline()
    return process


def test_a_sandbox_hides_and_ends_what_runs_in_it(log: BinaryIO) -> None:
    """The command's exit status comes out; its interfaces, mounts and processes never do."""
    before = host_state()
    process = started(log)

    assert before == host_state()
    process.communicate(b"\n", timeout=60)

    assert 7 == process.returncode
    assert before == host_state()
    assert not any("sleep 300" in line for line in processes())


def test_a_killed_sandbox_leaves_nothing(log: BinaryIO) -> None:
    """SIGKILL of the sandbox ends everything in it."""
    before = host_state()
    process = started(log)
    process.kill()
    assert process.stdout
    process.stdout.read()  # until every process of the sandbox has closed it

    assert -signal.SIGKILL == process.wait(timeout=60)
    assert before == host_state()
    assert not any("sleep 300" in line for line in processes())


def test_a_sandbox_dies_with_whoever_started_it() -> None:
    """SIGKILL of the process that started a sandbox ends everything in the sandbox."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    reading, writing = os.pipe()
    owner = (
        "from testbed.lab import sandbox\n"
        f"p = sandbox.spawn(['sh', '-c', {BUSY!r}], open({writing}, 'wb'))\n"
        "print(p.stdout.readline().decode(), end='', flush=True); p.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, pass_fds=[writing])
    os.close(writing)
    assert process.stdout
    assert b"ready\n" == process.stdout.readline()
    process.kill()
    process.wait(timeout=60)
    with open(reading, "rb") as log:
        log.read()  # its end: every process of the sandbox is gone

    assert not any("sleep 300" in line for line in processes())


def test_without_root_the_message_says_so(log: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is asked for in plain words."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(HostError, match="a run needs root for its network namespaces; start it with sudo"):
        sandbox.spawn(["true"], log)
