"""A hub with a kernel and a systemd of its own, behind TAP ports: treated exactly as hardware. ``make test-vm``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import paths
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.bench.conftest import CABLES, nics
from tests.system.run.conftest import SCENARIO, Testbed

IMAGE = paths.BUILD / "vm-hub"
BENCH = """\
ports:
  wan0: {nic: nicA, as: eth0}
  wan1: {nic: nicB, as: eth1}
  lan0: {nic: nicC, as: eth2}
ssh: {address: 192.168.10.1, key: KEY, answers_within: 10 min}
"""
OUTAGE_NS = 20e9
LONGER = ("--set", "duration=40 s", "--set", "events.0.outage=20 s")
MACHINE = "-M q35 -cpu Nehalem-v1 -smp 2 -m 768 -display none -no-reboot"
KERNEL = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet systemd.mask=e2scrub_reap.service"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bench file of a machine that is booting; what it writes to its disk is forgotten."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("plays a lab host with NICs: 'make test-vm' runs it in a sandbox")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64, of the package qemu-system-x86")
    if not (IMAGE / "hub.img").exists():
        pytest.skip("needs the machine's image, which 'make test-vm' makes")
    folder = tmp_path_factory.mktemp("vm")
    ports: list[str] = []
    for nic, name in CABLES.values():
        subprocess.run(["ip", "tuntap", "add", nic, "mode", "tap"], check=True)
        ports += ["-netdev", f"tap,id={name},ifname={nic},script=no,downscript=no"]
        ports += ["-device", f"virtio-net-pci,netdev={name}"]
    disk = ["-drive", f"file={IMAGE}/hub.img,if=virtio,format=raw,snapshot=on"]
    kernel = ["-kernel", f"{IMAGE}/vmlinuz", "-initrd", f"{IMAGE}/initrd", "-append", KERNEL]
    # An accelerator that can be opened need not work; emulation always does.
    command = ["qemu-system-x86_64", *MACHINE.split(), "-accel", "tcg,thread=multi", *disk, *kernel, *ports]
    machine = subprocess.Popen([*command, "-serial", f"file:{folder}/console.log"])
    try:
        (folder / "vm.yaml").write_text(BENCH.replace("KEY", str(IMAGE / "client")))
        yield folder / "vm.yaml"
    finally:
        machine.kill()
        machine.wait()


def test_a_machine_of_its_own_is_carried_through_an_outage(bench: Path, tmp_path: Path) -> None:
    """Provisioned by SSH, its units run by systemd, it fails over; its ports are given back."""
    before, testbed = nics(), Testbed(tmp_path / "results")
    process = testbed.start(SCENARIO, *LONGER, "--bench", bench)
    output, errors = process.communicate(timeout=1500)
    assert "" == errors, output
    result = Result.load(testbed.result()[0])
    interruption = result.verdict("interruption").value

    assert before == nics()
    assert State.COMPLETE == result.record.state, result.record.error
    # Emulated, its programs may be too slow for their own timers; that it fails over at all is the question.
    assert interruption is not None and interruption < OUTAGE_NS
    assert (result.folder / "logs" / "hub" / "nginx" / "access.jsonl").stat().st_size > 0
