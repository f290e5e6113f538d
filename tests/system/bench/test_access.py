"""Access to a device: one contract, whether it lives in namespaces or is reached by SSH."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess, NamespaceAccess, SshAccess
from testbed.lab.provision import provision
from testbed.model.bench import Ssh
from tests.system.bench.conftest import LAN, Hardware

SSH = Ssh(LAN, key="client", answers_within=60 * 10**9)
PLAYBOOK = """\
- hosts: devices
  gather_facts: false
  tasks:
    - install: {dest: /etc/contract/file, mode: "0640", content: "{{ word }}\\n"}
    - ansible.builtin.raw: sleep 60 > /dev/null 2>&1 & echo $! > /run/sleeper
    - ansible.builtin.raw: kill -0 $(cat /run/sleeper)
"""


@pytest.fixture(scope="module")
def next_door(hardware: Hardware) -> Iterator[NamespaceAccess]:
    """A device on the hub's LAN: the lab host itself, with an address there."""
    for command in ("address add 192.168.10.101/24 dev nicC", "link set nicC up"):
        subprocess.run(["ip", *command.split()], check=True)
    yield NamespaceAccess("client", os.getpid())
    subprocess.run(["ip", "address", "flush", "dev", "nicC"], check=True)


@pytest.fixture(scope="module", params=["namespace", "ssh"])
def device(
    request: pytest.FixtureRequest, hardware: Hardware, tmp_path_factory: pytest.TempPathFactory
) -> DeviceAccess:
    """The hub, reached in each way."""
    if request.param == "namespace":
        return hardware.device
    seat = request.getfixturevalue("next_door")
    folder = tmp_path_factory.mktemp("access") / "ssh"
    return SshAccess("hub", seat, SSH, hardware.folder / "client", folder)


def test_it_takes_commands_when_waited_for(device: DeviceAccess) -> None:
    """After ``wait`` commands run."""
    device.wait()

    assert 0 == device.run(["true"]).returncode


def test_a_command_s_outcome_comes_back(device: DeviceAccess) -> None:
    """Exit status, output and messages are the command's own."""
    done = device.run(["sh", "-c", "echo out; echo problem >&2; exit 7"])

    assert (7, "out\n", "problem\n") == (done.returncode, done.stdout, done.stderr)


def test_arguments_arrive_as_they_were_given(device: DeviceAccess) -> None:
    """No shell on the way expands, splits or drops an argument."""
    arguments = ["two words", "", "$HOME", "*", 'a"b', "it's", "a\nb", "; false", "\\", "-x", "~"]
    done = device.run(["printf", "<%s>", *arguments])

    assert "".join(f"<{argument}>" for argument in arguments) == done.stdout


def test_input_reaches_the_command(device: DeviceAccess) -> None:
    """Bytes written to a command's standard input are what it reads, to the last."""
    sent = bytes(range(256)) * 1000
    with device.popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        received, _ = process.communicate(sent, timeout=60)

    assert sent == received


def test_commands_run_on_the_device_with_its_rights(device: DeviceAccess, hardware: Hardware) -> None:
    """It is root of the device, and what it writes lies there, not on the lab host."""
    done = device.run(["sh", "-c", "id -u; echo mine > /etc/contract-test"])

    assert "0\n" == done.stdout
    assert "mine\n" == hardware.sh("cat /etc/contract-test; rm /etc/contract-test")
    assert not Path("/etc/contract-test").exists()


def test_a_command_that_hangs_is_given_up(device: DeviceAccess) -> None:
    """A command past its time is an error with the device's name."""
    with pytest.raises(RunError, match=f"{device.name}: sleep 30 is still running after 1 s"):
        device.run(["sleep", "30"], timeout_s=1)


def test_ansible_provisions_it(device: DeviceAccess, hardware: Hardware, tmp_path: Path) -> None:
    """Roles install files, and what they start outlives its task."""
    (tmp_path / "playbook.yml").write_text(PLAYBOOK)
    settings = (paths.PLAYBOOKS / "ansible.cfg").read_text()
    (tmp_path / "ansible.cfg").write_text(settings.replace("= plugins", f"= {paths.PLAYBOOKS}/plugins"))
    word = "from ansible"
    provision(tmp_path / "playbook.yml", {"devices": [device]}, {device.name: {"word": word}}, tmp_path)

    assert f"{word}\n640\n" == hardware.sh(
        "cat /etc/contract/file; stat -c %a /etc/contract/file; rm -r /etc/contract"
    )


def test_all_commands_share_a_connection(
    hardware: Hardware, next_door: NamespaceAccess, tmp_path: Path
) -> None:
    """The hub authenticates a run once."""
    access = SshAccess("hub", next_door, SSH, hardware.folder / "client", tmp_path / "ssh")
    log = hardware.folder / "sshd.log"
    before = log.read_text().count("Accepted publickey")
    for _ in range(3):
        access.run(["true"])

    assert 1 == log.read_text().count("Accepted publickey") - before


def test_what_belongs_to_the_run_is_private(
    hardware: Hardware, next_door: NamespaceAccess, tmp_path: Path
) -> None:
    """Only the run's user can use its connection, and no command line shows where the key lies."""
    access = SshAccess("hub", next_door, SSH, hardware.folder / "client", tmp_path / "ssh")

    assert 0o700 == stat.S_IMODE((tmp_path / "ssh").stat().st_mode)
    assert str(hardware.folder) not in " ".join(access.argv(["true"]))


@pytest.mark.parametrize(
    ("ssh", "key", "message"),
    [
        (SSH, "host", "Permission denied"),
        (replace(SSH, port=2222, answers_within=10**9), "client", "port 2222: Connection refused"),
        (
            replace(
                SSH,
                host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
            ),
            "client",
            "Host key verification failed",
        ),
    ],
    ids=["wrong key", "nobody listens", "another hub"],
)
def test_a_hub_that_cannot_be_had_is_said_so(
    ssh: Ssh, key: str, message: str, hardware: Hardware, next_door: NamespaceAccess, tmp_path: Path
) -> None:
    """What will not change is not waited for; the message says what was tried."""
    access = SshAccess("hub", next_door, ssh, hardware.folder / key, tmp_path / "ssh")

    with pytest.raises(RunError, match=f"ssh root@{LAN} .* from client with the key client: .*{message}"):
        access.wait()


def test_the_right_host_key_is_accepted(
    hardware: Hardware, next_door: NamespaceAccess, tmp_path: Path
) -> None:
    """A hub that has the key that the bench's file names is let through."""
    ssh = replace(SSH, host_key=hardware.host_key())

    SshAccess("hub", next_door, ssh, hardware.folder / "client", tmp_path / "ssh").wait()


def test_another_user_becomes_root_by_sudo(
    hardware: Hardware, next_door: NamespaceAccess, tmp_path: Path
) -> None:
    """Where root may not log in, another user's commands still run as root."""
    if shutil.which("sudo") is None:
        pytest.skip("needs sudo")
    hardware.sh("""
        useradd --create-home --home-dir /root/engineer --shell /bin/sh engineer
        usermod --password '*' engineer  # no password, but not locked
        chmod 711 /root
        install -d -o engineer -m 700 /root/engineer/.ssh
        install -o engineer -m 600 /root/.ssh/authorized_keys /root/engineer/.ssh/
        echo 'engineer ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers
    """)
    access = SshAccess(
        "hub", next_door, replace(SSH, user="engineer"), hardware.folder / "client", tmp_path / "ssh"
    )
    access.wait()

    assert "0\n" == access.run(["id", "-u"]).stdout
