"""Each bad bench stands beside the message that it must give; nothing is started for any of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError, Problem
from testbed.lab import bench as benches
from testbed.lab import nics
from testbed.lab.bench import Chosen
from testbed.lab.nics import Nic
from testbed.model.bench import Bench
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load

GOOD = """\
ports:
  wan0: {nic: enp1s0, as: eth0}
  wan1: {nic: enp2s0, as: eth1}
  lan0: {nic: enp3s0, as: br-lan}
ssh: {address: 192.168.10.1, key: hub.key}
"""
WITH_MANAGEMENT = (
    GOOD.replace("192.168.10.1", "10.0.0.1") + "management: {nic: enp4s0, address: 10.0.0.2/24}\n"
)
HOST = {
    name: Nic(name, up=True, carrier=True, default_route=name == "eth0")
    for name in ("enp1s0", "enp2s0", "enp3s0", "enp4s0", "eth0")
}

BAD = {
    "a place of labgrid at no address": (
        "ssh:",
        "labgrid: {name: shelf-east, coordinator: lab-1}\nssh:",
        "b.yaml:5: coordinator is 'lab-1'; write HOST:PORT, such as lab-1:20408",
    ),
    "a place of labgrid that could be several": (
        "ssh:",
        "labgrid: {name: shelf*}\nssh:",
        "b.yaml:5: name is 'shelf*'; write the name of a place of labgrid",
    ),
    "no cable for a port": (
        "  wan1: {nic: enp2s0, as: eth1}\n",
        "",
        "b.yaml:1: the hub's port 'wan1' has no NIC; add 'wan1: {nic: ..., as: ...}'",
    ),
    "a port that the topology does not have": (
        "  lan0:",
        "  wan2: {nic: enp9s0, as: eth9}\n  lan0:",
        "b.yaml:4: the topology's hub has no port 'wan2'; did you mean 'wan1'?",
    ),
    "a NIC used twice": (
        "enp2s0",
        "enp1s0",
        "b.yaml:3: NIC 'enp1s0' has two cables; give each port a NIC of its own",
    ),
    "a port of the hub used twice": (
        "as: eth1",
        "as: eth0",
        "b.yaml:3: two ports are 'eth0' on the hub; write each port's own name",
    ),
    "no interface name": (
        "nic: enp1s0",
        "nic: the left one",
        "b.yaml:2: nic is 'the left one'; write the name of an interface, at most 15 characters",
    ),
    "no name on the hub": (", as: eth0", "", "b.yaml:2: ports 'wan0' has no 'as'; add 'as: ...'"),
    "no address": (
        "address: 192.168.10.1",
        "address: hub.local",
        "b.yaml:5: address is 'hub.local'; write an IP address",
    ),
    "an address nobody is next to": (
        "address: 192.168.10.1",
        "address: 10.0.0.1",
        "b.yaml:5: ssh reaches 10.0.0.1, but no client of the topology is in that network; write the hub's address in "
        "the LAN 192.168.10.0/24, or describe its management port",
    ),
    "an impossible port": (
        "key: hub.key",
        "key: hub.key, port: 0",
        "b.yaml:5: port is 0; write a number from 1 to 65535",
    ),
    "no user": (
        "key: hub.key",
        "key: hub.key, user: -oProxyCommand=x",
        "b.yaml:5: user is '-oProxyCommand=x'; write the name of a user of the hub",
    ),
    "a fingerprint for a host key": (
        "key: hub.key",
        "key: hub.key, host_key: 'SHA256:abc'",
        "b.yaml:5: host_key is 'SHA256:abc'; write type and key as in the hub's "
        "/etc/ssh/ssh_host_ed25519_key.pub",
    ),
    "a missing key": (
        "key: hub.key",
        "key: hubb.key",
        "b.yaml:5: key {folder}/hubb.key cannot be read (No such file or directory); give the private key's file",
    ),
    "neither key nor agent": (
        ", key: hub.key",
        "",
        "b.yaml:5: neither a key nor an SSH agent; name a key file, or start an agent and keep its variable "
        "(sudo --preserve-env=SSH_AUTH_SOCK)",
    ),
    "no unit": (
        "key: hub.key",
        "key: hub.key, answers_within: 60",
        "b.yaml:5: answers_within is '60'; write a duration: a number and one of the units ns, us, ms, s, min, h, "
        "such as '25 s'",
    ),
}


SEVERAL = """\
hubs:
  east: {ports: {wan0: {nic: enp1s0}, wan1: {nic: enp2s0}, lan0: {nic: enp3s0}}}
  west: {ports: {wan0: {nic: enp4s0}, wan1: {nic: enp5s0}, lan0: {nic: enp6s0}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bench lies, with its key; no agent runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / "hub.key").touch(mode=0o600)
    return tmp_path


def problems(folder: Path, text: str) -> str:
    """Return what a run on the bench is refused for, before anything starts."""
    (folder / "b.yaml").write_text(text)
    with pytest.raises(InputError) as refused:
        plan.make(paths.SCENARIOS / "smoke.yaml", chosen=Chosen(folder / "b.yaml"))
    return str(refused.value)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_bench_is_refused(name: str, folder: Path) -> None:
    """The message names the file, the line, what was found and what would be right."""
    before, after, message = BAD[name]
    assert before in GOOD

    assert message.replace("{folder}", str(folder)) == problems(folder, GOOD.replace(before, after, 1))


def test_a_key_open_to_others_is_refused(folder: Path) -> None:
    """A private key that others may read is not used."""
    (folder / "hub.key").chmod(0o644)

    assert (
        f"b.yaml:5: key {folder}/hub.key is open to others (mode 0644); chmod 600 {folder}/hub.key"
        == problems(folder, GOOD)
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "10.0.0.2",
            "b.yaml:6: address is '10.0.0.2'; write an address of this end with its prefix (10.0.0.2/24)",
        ),
        (
            "10.1.0.2/24",
            "b.yaml:5: ssh reaches 10.0.0.1, which is not in the management port's network 10.1.0.0/24; write an "
            "address in that network",
        ),
    ],
)
def test_a_bad_management_port_is_refused(address: str, message: str, folder: Path) -> None:
    """The hub's address and this host's at its management port belong together."""
    assert message == problems(folder, WITH_MANAGEMENT.replace("10.0.0.2/24", address))


def test_the_plan_has_the_hub_s_own_port_names(folder: Path) -> None:
    """On a bench, ports, wires and uplinks carry the names that the hub's programs must use."""
    (folder / "b.yaml").write_text(GOOD)
    topology = plan.make(paths.SCENARIOS / "smoke.yaml", chosen=Chosen(folder / "b.yaml")).topology

    assert {"eth0", "eth1", "br-lan"} == set(topology.hub.ports)
    assert {"starlink": "eth0", "lte": "eth1"} == {u.name: u.hub_port for u in topology.uplinks.values()}
    assert "192.168.10.1" == topology.hub_lan_address
    assert [] == list(topology.problems())


def test_a_management_port_gets_a_node_of_its_own(folder: Path) -> None:
    """The node has the address of this end, and the hub is reached from there."""
    (folder / "b.yaml").write_text(WITH_MANAGEMENT)
    made = plan.make(paths.SCENARIOS / "smoke.yaml", chosen=Chosen(folder / "b.yaml"))

    assert made.bench is not None
    assert "management" == made.bench.seat(made.topology)
    assert "enp4s0" == made.bench.nic("management")
    assert {"eth0": "10.0.0.2/24"} == made.topology.nodes["management"].ports


def test_without_a_management_port_a_client_reaches_the_hub(folder: Path) -> None:
    """The hub is reached from the first client on its LAN."""
    bench = load.parse(GOOD, Bench, "b.yaml")
    topology = load.read(paths.TOPOLOGIES / "hub-two-uplinks.yaml", Topology)

    assert "client" == bench.seat(bench.fit(topology))


def test_the_bench_is_named_and_hashed_among_the_inputs(folder: Path) -> None:
    """A plan knows its bench's name and lists the file with what the outcome depends on."""
    (folder / "b.yaml").write_text(GOOD)
    made = plan.make(paths.SCENARIOS / "smoke.yaml", chosen=Chosen(folder / "b.yaml"))

    assert made.bench is not None and "b" == made.bench.name
    assert ("bench", folder / "b.yaml") in list(made.inputs())


def test_the_home_of_a_key_is_that_of_the_user_who_called_sudo(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``~`` is not root's home where sudo was called by somebody."""
    monkeypatch.setenv("SUDO_USER", "nobody")
    home = os.path.expanduser("~nobody")
    message = problems(folder, GOOD.replace("hub.key", "~/hub.key"))

    assert f"key {home}/hub.key cannot be read" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SEVERAL.replace("enp4s0", "enp1s0"),
            "b.yaml:3: NIC 'enp1s0' is cabled to two hubs; give each hub NICs of its own",
        ),
        (SEVERAL.replace("west:", "the/west:"), "b.yaml:3: hub 'the/west'; use letters, digits, - and _"),
        (SEVERAL + GOOD, "b.yaml:1: hubs beside a hub of the file's own; give each a name below hubs"),
        ("hubs: {}\n", "b.yaml:1: bench file has no 'ports'; add 'ports: ...', or 'hubs: ...' for several"),
        (
            WITH_MANAGEMENT.replace("ssh: {address: 10.0.0.1, key: hub.key}\n", ""),
            "b.yaml:5: a management port, and no ssh that would use it; add ssh, or leave it out: the hub is closed",
        ),
    ],
)
def test_a_bad_file_of_hubs_is_refused(text: str, message: str, folder: Path) -> None:
    """Several hubs each have a name, and NICs of their own."""
    assert message == problems(folder, text)


HOST_BAD = {
    "an unknown NIC": (
        "enp1s0",
        "enp7s0",
        "b.yaml:2: this host has no NIC 'enp7s0'; its NICs: enp1s0, enp2s0, enp3s0, enp4s0, eth0",
    ),
    "the default route": (
        "enp1s0",
        "eth0",
        "b.yaml:2: NIC 'eth0' carries this host's default route; take another one: a run would cut this host off",
    ),
}


@pytest.mark.parametrize("name", HOST_BAD)
def test_a_nic_that_this_host_cannot_lend_is_refused(name: str) -> None:
    """The message says which NICs there are, or why this one is needed."""
    before, after, message = HOST_BAD[name]
    bench = load.parse(GOOD.replace(f"nic: {before}", f"nic: {after}"), Bench, "b.yaml")

    assert [message] == [str(problem) for problem in nics.problems(bench, HOST)]


def test_a_nic_in_a_bridge_is_refused() -> None:
    """A NIC is not pulled out of a bridge that somebody made."""
    host = HOST | {"enp1s0": Nic("enp1s0", up=True, carrier=True, default_route=False, bridge="br0")}

    assert ["b.yaml:2: NIC 'enp1s0' is a port of 'br0'; take it out of there first"] == messages(
        nics.problems(load.parse(GOOD, Bench, "b.yaml"), host)
    )


def test_a_nic_that_a_killed_lender_left_under_another_name_is_found() -> None:
    """The kernel sends a NIC home under the port's name; its alias says which one it is, and what to do."""
    stray = Nic("lan0", up=False, carrier=False, default_route=False, alias="testbed NIC enp1s0")
    host = {name: nic for name, nic in HOST.items() if name != "enp1s0"} | {"lan0": stray}

    assert [
        "b.yaml:2: NIC 'enp1s0' is called 'lan0' since its lender was killed; "
        "name it back: ip link set dev lan0 down name enp1s0"
    ] == messages(nics.problems(load.parse(GOOD, Bench, "b.yaml"), host))


def test_a_bench_is_found_by_its_name_or_file() -> None:
    """``virtual`` is no file; an unknown name is answered with the nearest known one."""
    assert benches.find("virtual") is None
    with pytest.raises(InputError, match=r"no bench 'virtal' here or in benches/; did you mean 'virtual'\?"):
        benches.find("virtal")


def messages(found: Iterable[Problem]) -> list[str]:
    return list(map(str, found))


def test_the_clock_of_a_hub_on_a_bench_is_its_own(folder: Path) -> None:
    """What the virtual hub's programs are made to see, a real hub's are not."""
    (folder / "b.yaml").write_text(GOOD)
    with pytest.raises(InputError, match=r"clock-is-wrong.yaml:\d+: clock_step, and the hub of bench b has a clock"):
        plan.make(paths.SCENARIOS / "clock-is-wrong.yaml", chosen=Chosen(folder / "b.yaml"))


def test_a_hub_without_a_switch_loses_no_power(folder: Path) -> None:
    """A scenario that wants that is refused before it starts; with the bench's commands it is a plan."""
    (folder / "b.yaml").write_text(GOOD)
    with pytest.raises(InputError, match=r"hub-loses-power.yaml:\d+: power_off, and nobody here can switch the hub"):
        plan.make(paths.SCENARIOS / "hub-loses-power.yaml", chosen=Chosen(folder / "b.yaml"))
    (folder / "b.yaml").write_text(f"{GOOD}\npower: {{off: 'false', on: 'true'}}\n")
    made = plan.make(paths.SCENARIOS / "hub-loses-power.yaml", chosen=Chosen(folder / "b.yaml"))

    assert made.bench is not None and made.bench.power is not None
    assert ("false", "true") == (made.bench.power.off, made.bench.power.on)
