"""Each fault in a built network: what it breaks, what it leaves alone, and that it can be taken back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from testbed.errors import RunError
from testbed.faults import Actor, FaultSite, actors_for
from testbed.lab.clock import DeviceClock
from testbed.lab.network import Network
from testbed.model.event import Event
from testbed.model.uplink import Mtu
from testbed.tenant.backend import Endpoint
from testbed.tenant.certificates import issue
from tests.system.lab.conftest import NAME, sh

ADDRESS, RESOLVER, S = "203.0.113.10", "198.51.100.9", 10**9
SERVE = (
    "import http.server as h; h.ThreadingHTTPServer(('', {port}), h.BaseHTTPRequestHandler).serve_forever()"
)
CONNECT = (
    "import socket, sys\n"
    "try: socket.create_connection(('{address}', {port}), 2).close(); print('open')\n"
    "except OSError as error: print(type(error).__name__)\n"
)
KEEP = (
    "import socket, sys\n"
    "s = socket.create_connection(('{address}', 443), 5); print('open', flush=True); sys.stdin.readline()\n"
    "try: s.sendall(b'GET / HTTP/1.0'); s.recv(1); print('answered')\n"
    "except OSError as error: print(type(error).__name__)\n"
)
GET = (
    "import http.client as h, ssl\n"
    "c = h.HTTPSConnection('{name}', context=ssl.create_default_context(cafile='{authority}'), timeout=5)\n"
    "c.request('GET', '/content/a.jpg'); a = c.getresponse(); a.read()\n"
    "print(a.status, a.headers['x-ms-error-code'])\n"
)
QUERY = (
    "import socket\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)\n"
    "name = b''.join(bytes([len(p)]) + p for p in b'{name}'.split(b'.')) + bytes(1)\n"
    "s.sendto(bytes.fromhex('123401000001000000000000') + name + bytes([0, 1, 0, 1]), ('{resolver}', 53))\n"
    "try: print('code', s.recv(512)[3] & 15)\n"
    "except TimeoutError: print('silent')\n"
)


@pytest.fixture(scope="module")
def site(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultSite]:
    """The network with something that listens where the tenant's service would, and beside it."""
    tenant = network.devices["tenant"]
    servers = [
        tenant.popen([sys.executable, "-c", SERVE.format(port=port)], stderr=subprocess.DEVNULL)
        for port in (443, 8080)
    ]
    files = issue(tmp_path_factory.mktemp("tls"), NAME, ADDRESS, datetime.now(UTC))
    endpoint = Endpoint(NAME, ADDRESS, 443, "content", files.authority, files)
    sh(network.devices["dish"], f"echo {ADDRESS} {NAME} >> /etc/hosts")
    for port in (443, 8080):
        sh(
            tenant,
            f'for _ in $(seq 100); do {sys.executable} -c "{connecting(port, "127.0.0.1")}" && exit; done',
        )
    yield FaultSite(network, endpoint, tmp_path_factory.mktemp("logs"))
    for server in servers:
        server.kill()
        server.wait()


def connecting(port: int, address: str) -> str:
    return f"import socket; socket.create_connection(('{address}', {port}), 1)"


def python(site: FaultSite, device: str, script: str, **values: object) -> str:
    done = site.devices[device].run([sys.executable, "-c", script.format(**values)])
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


@contextmanager
def applied(event: Event, site: FaultSite) -> Iterator[Actor]:
    """The event's fault while the block lasts; what its other actors do follows at once."""
    actor, *later = actors_for([event], site)
    actor.open()
    actor.apply()
    try:
        yield actor
    finally:
        actor.undo()
        for follower in later:
            follower.apply()
            follower.undo()
        actor.close()


def test_a_black_hole_swallows_the_service_alone(site: FaultSite) -> None:
    """Nothing comes back from its port, other ports answer; afterwards it is as before."""
    with applied(Event(0, tenant_black_hole=S), site):
        assert "TimeoutError" == python(site, "dish", CONNECT, address=ADDRESS, port=443)
        assert "open" == python(site, "dish", CONNECT, address=ADDRESS, port=8080)

    assert "open" == python(site, "dish", CONNECT, address=ADDRESS, port=443)


def test_a_busy_tenant_refuses_by_its_own_name(site: FaultSite) -> None:
    """A new request is answered 503 ServerBusy under the tenant's certificate; afterwards the old one is back."""
    with applied(Event(0, tenant_errors=S), site):
        found = python(site, "dish", GET, name=NAME, authority=site.endpoint.authority)
        assert "503 ServerBusy" == found

    assert "open" == python(site, "dish", CONNECT, address=ADDRESS, port=443)


def test_a_stand_in_must_live_while_its_fault_lasts(site: FaultSite) -> None:
    """Its death is an unasked end; the one that closing brings is none."""
    with applied(Event(0, tenant_errors=S), site) as actor:
        (lives,) = actor.parts()
        assert ("the stand-in of tenant errors 1 s", False) == (lives.name, lives.ended(0))
        process = cast(subprocess.Popen[str], lives.process)
        process.kill()
        process.wait(timeout=60)
        assert [True] == [part.ended(0) for part in actor.parts()]

    assert [] == list(actor.parts())


def test_a_name_service_that_was_stopped_is_not_missed(site: FaultSite) -> None:
    """While a CPE reboots its name service is no part; afterwards it is one again, and lives."""
    with applied(Event(0, "starlink", reboot=60 * S), site):
        assert "dnsmasq of dish" not in [part.name for part in site.network.parts()]

    assert [("dnsmasq of dish", False)] == [
        (part.name, part.ended(0)) for part in site.network.parts() if part.name == "dnsmasq of dish"
    ]


def test_a_busy_tenant_resets_what_is_open(site: FaultSite) -> None:
    """A connection from before learns it with its next packet."""
    with site.devices["dish"].popen(
        [sys.executable, "-c", KEEP.format(address=ADDRESS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout
        assert "open\n" == client.stdout.readline()
        with applied(Event(0, tenant_errors=S), site):
            said, _ = client.communicate("go on\n", timeout=60)

    assert "ConnectionResetError\n" == said


@pytest.mark.parametrize(("answer", "expected"), [("silent", "silent"), ("servfail", "code 2")])
def test_the_resolver_fails_as_it_is_told_to(site: FaultSite, answer: str, expected: str) -> None:
    """It says nothing, or SERVFAIL; afterwards it knows the name again."""
    ask = {"name": NAME, "resolver": RESOLVER}
    with applied(Event(0, dns_failure=S, answer=answer), site):  # type: ignore[arg-type]
        assert expected == python(site, "dish", QUERY, **ask)

    assert "code 0" == python(site, "dish", QUERY, **ask)


@pytest.mark.parametrize(
    ("status", "expected"), [(403, "403 AuthenticationFailed None"), (429, "429 TooManyRequests 7")]
)
def test_a_tenant_refuses_as_it_is_told(site: FaultSite, status: int, expected: str) -> None:
    """An expired token's 403 has no Retry-After; a throttled request's has the event's."""
    again = 7 * S if status == 429 else 0
    with applied(Event(0, tenant_errors=S, status=status, retry_after=again), site):
        get = GET.replace("a.headers['x-ms-error-code'])", "a.headers['x-ms-error-code'], a.headers['Retry-After'])")
        assert expected == python(site, "dish", get, name=NAME, authority=site.endpoint.authority)


@pytest.mark.parametrize("kind", ["tenant_errors", "dns_failure"])
def test_a_fault_can_come_again(kind: str, site: FaultSite) -> None:
    """Two faults of one kind have stand-ins of their own, opened before either of them begins."""
    answer = "servfail" if kind == "dns_failure" else "silent"
    events = [Event(at, **{kind: S}, answer=answer) for at in (0, 2 * S)]  # type: ignore[arg-type]
    actors = list(actors_for(events, site))
    try:
        for actor in actors:
            actor.open()
        for actor in actors:
            actor.apply()
            if kind == "dns_failure":
                assert "code 2" == python(site, "dish", QUERY, name=NAME, resolver=RESOLVER)
            else:
                assert "503 ServerBusy" == python(
                    site, "dish", GET, name=NAME, authority=site.endpoint.authority
                )
            actor.undo()
    finally:
        for actor in actors:
            actor.close()


def test_a_rebooting_dish_takes_its_port_and_its_leases_along(site: FaultSite) -> None:
    """The hub's port loses its carrier and nobody leases; afterwards the same address is leased."""
    hub = site.devices["hub"]
    lease = "udhcpc -i wan0 -n -q -f -t 3 -T 1 -s /run/lease"
    sh(hub, "ip link set wan0 up; printf '#!/bin/sh\\nenv\\n' > /run/lease; chmod +x /run/lease")
    with applied(Event(0, "starlink", reboot=60 * S), site):
        assert "0\n" == sh(hub, "cat /sys/class/net/wan0/carrier")
        assert "ip=" not in sh(hub, f"{lease} || true")

    assert "1\n" == sh(hub, "cat /sys/class/net/wan0/carrier")
    assert "ip=100.64.10.100" in sh(hub, lease)


def test_a_dish_without_a_sky_leases_another_address(site: FaultSite) -> None:
    """From when its port is up until the sky is back it leases 192.168.100.100 for seconds; then the ordinary one."""
    hub = site.devices["hub"]
    lease = "udhcpc -i wan0 -n -q -f -t 5 -T 1 -s /run/lease"
    reboot, boot = actors_for([Event(0, "starlink", reboot=60 * S, port_down=20 * S)], site)
    reboot.apply()
    reboot.undo()
    boot.apply()
    booting = sh(hub, lease)
    boot.undo()
    booted = sh(hub, lease)

    assert [0, 20 * S, 20 * S, 60 * S] == [reboot.apply_ns, reboot.undo_ns, boot.apply_ns, boot.undo_ns]
    assert {"ip=192.168.100.100", "router=192.168.100.1", "lease=10"} <= set(booting.splitlines())
    assert {"ip=100.64.10.100", "router=100.64.10.1", "lease=300"} <= set(booted.splitlines())
    assert [] == [part.name for part in site.network.parts() if part.ended(0)]


def test_a_fault_that_cannot_be_applied_says_why(site: FaultSite) -> None:
    """The device, the fault and what the tool said."""
    with (
        applied(Event(0, tenant_black_hole=S), site) as actor,
        pytest.raises(RunError, match="dish: tenant black hole 1 s failed: .*Cannot find device"),
    ):
        actor.run(site.devices["dish"], "ip", "link", "set", "nothing", "down")


def test_a_tenant_of_somebody_else_cannot_be_made_busy(site: FaultSite, tmp_path: Path) -> None:
    """Nobody can stand in for a service whose certificate is not at hand."""
    elsewhere = FaultSite(site.network, Endpoint(NAME, ADDRESS, 443, "content", None), tmp_path)

    with pytest.raises(RunError, match="tenant errors 1 s: only a tenant of the lab"):
        list(actors_for([Event(0, tenant_errors=S)], elsewhere))


RECEIVE = (
    "import socket\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9000)); print('ready', flush=True)\n"
    "while True:\n  said, client = s.recvfrom(2048); s.sendto(said, client)\n"
)
ASK = (
    "import socket\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(b'?', ('{address}', 9000))\n"
    "try: s.recv(9); print('open')\n"
    "except OSError as error: print(type(error).__name__)\n"
)
SEND = (
    "import errno, socket\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect(('{address}', 9000))\n"
    "s.setsockopt(socket.IPPROTO_IP, 10, 2)\n"  # IP_MTU_DISCOVER: never cut
    "s.send(bytes({size}))\n"
    "try: print(len(s.recv(2048)))\n"
    "except OSError as error: print(errno.errorcode.get(error.errno, 'silent'))\n"
)


@pytest.fixture(scope="module")
def lan(site: FaultSite) -> Iterator[str]:
    """The hub as far as these tests need it: an address of the dish's network; the tenant answers UDP."""
    sh(site.devices["hub"], "ip address replace 100.64.10.100/24 dev wan0; ip link set wan0 up")
    sh(site.devices["hub"], "ip route replace default via 100.64.10.1")
    with site.devices["tenant"].popen(
        [sys.executable, "-c", RECEIVE], stdout=subprocess.PIPE, text=True
    ) as echo:
        assert echo.stdout
        echo.stdout.readline()
        yield "hub"
        echo.kill()
    sh(site.devices["hub"], "ip route flush exact default; ip address flush dev wan0")  # its boot may have


def passes(site: FaultSite, device: str) -> str:
    """What passes between a device and the tenant, in letters: a ping, UDP, TCP to each of two ports."""
    ping = site.devices[device].run(["ping", "-q", "-c", "1", "-W", "1", ADDRESS]).returncode == 0
    udp = python(site, device, ASK, address=ADDRESS) == "open"
    tcp = [python(site, device, CONNECT, address=ADDRESS, port=port) == "open" for port in (443, 8080)]
    return "".join(letter for letter, there in zip("PU48", (ping, udp, *tcp), strict=True) if there)


@pytest.mark.parametrize(
    ("hole", "left"),
    [
        ({"passes": "icmp"}, "P"),
        ({"protocol": "tcp"}, "PU"),
        ({"protocol": "tcp", "port": 443}, "PU8"),
        ({"protocol": "udp"}, "P48"),
        ({"protocol": "icmp"}, "U48"),
    ],
)
def test_a_black_hole_of_an_uplink_swallows_what_it_says(
    hole: dict[str, Any], left: str, site: FaultSite, lan: str
) -> None:
    """Only that vanishes, the CPE's own name service goes on, and afterwards all passes."""
    with applied(Event(0, "starlink", black_hole=S, **hole), site):
        assert left == passes(site, lan)

    assert "PU48" == passes(site, lan)


@pytest.mark.parametrize(("icmp", "said"), [(True, "EMSGSIZE"), (False, "silent")])
def test_a_path_takes_no_longer_packets(icmp: bool, said: str, site: FaultSite, lan: str) -> None:
    """What fits passes; what does not is answered "too big", or by nobody; afterwards it passes."""
    sh(site.devices[lan], "ip route flush cache")
    with applied(Event(0, "starlink", mtu=S, size=1420, icmp=icmp), site):
        assert "1392" == python(site, lan, SEND, address=ADDRESS, size=1420 - 28)
        assert said == python(site, lan, SEND, address=ADDRESS, size=1421 - 28)
    sh(site.devices[lan], "ip route flush cache")

    assert "1472" == python(site, lan, SEND, address=ADDRESS, size=1500 - 28)


def test_a_path_that_is_short_all_the_time_is_so_after_an_event(site: FaultSite, lan: str) -> None:
    """What an event takes back is what the scenario gives the uplink."""
    route = "ip route show default"
    short = replace(site, mtus={"starlink": Mtu(1000)})
    with applied(Event(0, "starlink", mtu=S, size=900), short):
        pass
    taken = sh(site.devices["dish"], route)
    with applied(Event(0, "starlink", mtu=S, size=900), site):
        pass

    assert "mtu 1000 congctl" in taken
    assert "mtu 1500 congctl" in sh(site.devices["dish"], route)


@pytest.mark.parametrize(("address", "silent"), [("", ["203.0.113.1"]), ("all", ["203.0.113.1", "198.51.100.10"])])
def test_a_dead_target_is_silent_and_all_else_goes_on(
    address: str, silent: list[str], site: FaultSite, lan: str
) -> None:
    """No ping of the target, or of any, is answered through the uplink; the tenant is."""

    def answers(target: str) -> bool:
        return 0 == site.devices[lan].run(["ping", "-q", "-c", "1", "-W", "1", target]).returncode

    targets = site.topology.probe_targets
    with applied(Event(0, "starlink", target_down=S, address=address), site):
        assert silent == [target for target in targets if not answers(target)]
        assert "PU48" == passes(site, lan)

    assert all(answers(target) for target in targets)


@pytest.mark.parametrize(("answer", "expected"), [("silent", "silent"), ("servfail", "code 2")])
def test_the_resolver_of_one_uplink_fails_alone(answer: str, expected: str, site: FaultSite, lan: str) -> None:
    """The hub hears nothing of its CPE, or of another resolver by that uplink; who asks elsewhere is served."""
    cpe = {"name": NAME, "resolver": "100.64.10.1"}
    with applied(Event(0, "starlink", dns_failure=S, answer=answer), site):  # type: ignore[arg-type]
        assert expected == python(site, lan, QUERY, **cpe)
        assert expected == python(site, lan, QUERY, name=NAME, resolver=RESOLVER)
        assert "code 0" == python(site, "modem", QUERY, name=NAME, resolver=RESOLVER)

    assert "code 0" == python(site, lan, QUERY, **cpe)


LEASE = "udhcpc -i wan0 -n -q -f -t 3 -T 1 -s /run/lease"


@pytest.fixture
def client(site: FaultSite) -> str:
    """The hub with a client of DHCP that says what it was told."""
    script = "ip link set wan0 up; printf '#!/bin/sh\\necho got $1; env\\n' > /run/lease; chmod +x /run/lease"
    sh(site.devices["hub"], script)
    return "hub"


def test_an_unplugged_cable_takes_the_hubs_carrier(site: FaultSite, client: str) -> None:
    """The port is dark, and what the dish serves lives on."""
    carrier = "cat /sys/class/net/wan0/carrier"
    with applied(Event(0, "starlink", unplug=S), site):
        assert "0\n" == sh(site.devices[client], carrier)
        assert "dnsmasq of dish" in [part.name for part in site.network.parts()]

    assert "1\n" == sh(site.devices[client], carrier)
    assert "ip=100.64.10.100" in sh(site.devices[client], LEASE)


def test_a_silent_dhcp_server_leases_nothing_and_resolves(site: FaultSite, lan: str, client: str) -> None:
    """No lease for who asks; names and packets pass."""
    with applied(Event(0, "starlink", dhcp_down=S), site):
        assert "ip=" not in sh(site.devices[client], f"{LEASE} || true")
        assert "code 0" == python(site, lan, QUERY, name=NAME, resolver="100.64.10.1")
        assert "PU48" == passes(site, lan)

    assert "ip=100.64.10.100" in sh(site.devices[client], LEASE)


def test_a_changed_lease_is_the_only_address_that_is_carried(site: FaultSite, lan: str, client: str) -> None:
    """Who asks for the old address is told no and gets the new one; the old one carries nothing. Then it is back."""
    asked = f"{LEASE} -r 100.64.10.100"
    with applied(Event(0, "starlink", lease=S, address="100.64.10.150", time=120 * S), site):
        said = sh(site.devices[client], asked).splitlines()
        assert "" == passes(site, lan)

    assert {"ip=100.64.10.150", "lease=120"} <= set(said)
    assert "PU48" == passes(site, lan)
    assert {"ip=100.64.10.100", "lease=300"} <= set(sh(site.devices[client], asked).splitlines())


def test_a_refused_lease_is_a_no(site: FaultSite, lan: str, client: str) -> None:
    """Who asks for what it has hears a NAK, others nothing; packets pass."""
    with site.devices[client].popen(
        ["udhcpc", "-i", "wan0", "-f", "-s", "/run/lease", "-p", "/run/lease.pid"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        assert holder.stdout
        assert "got bound\n" in iter(holder.stdout.readline, "")
        with applied(Event(0, "starlink", lease=S, refused=True), site):
            sh(site.devices[client], "kill -USR1 $(cat /run/lease.pid)")
            assert "got nak\n" in iter(holder.stdout.readline, "")
            assert "ip=" not in sh(site.devices[client], f"{LEASE} || true")
            assert "PU48" == passes(site, lan)
        sh(site.devices[client], "kill $(cat /run/lease.pid)")

    assert "ip=100.64.10.100" in sh(site.devices[client], LEASE)


@pytest.mark.parametrize("port_down", [60 * S, 20 * S])
def test_a_dish_may_come_back_with_another_address(port_down: int, site: FaultSite, client: str) -> None:
    """What it leases after the reboot it goes on leasing, whether or not it had another one while it booted."""
    usual = site.network.leases["dish"]
    with applied(Event(0, "starlink", reboot=60 * S, port_down=port_down, address="100.64.10.150"), site):
        pass
    said = sh(site.devices[client], LEASE)
    site.network.stop_service("dish")
    site.network.change_lease("dish", usual)
    site.network.start_service("dish")

    assert "ip=100.64.10.150" in said


@pytest.fixture
def unprovisioned(site: FaultSite) -> Iterator[None]:
    """A boot brings up what roles have set up; the other tests' hub has its ports up without one."""
    yield
    sh(site.devices["hub"], "rm -r /etc/hub; for port in lo lan0 wan0 wan1; do ip link set $port up; done")
    sh(site.devices["hub"], "echo 1 > /proc/sys/net/ipv4/ip_forward")


def test_a_hub_without_power_forgets_all_but_its_disk_and_boots(site: FaultSite, unprovisioned: None) -> None:
    """Its programs die, its ports go dark, rules and /run are gone; then its init does what /etc/hub/boot has."""
    hub, dish = site.devices["hub"], site.devices["dish"]
    before = sh(hub, "ip rule")
    sh(hub, "ip link set wan0 up; ip address replace 100.64.10.100/24 dev wan0; ip rule add from 192.0.2.1 lookup 101")
    sh(hub, "nft add table ip hub; ip link add tun-x type bridge; touch /run/gone")
    sh(hub, "echo 1 > /proc/sys/net/ipv4/ip_forward")
    sh(hub, "mkdir -p /etc/hub; echo 'touch /run/hub/booted; echo > /run/hub/done' > /etc/hub/boot")
    with hub.popen(["sh", "-c", "trap '' TERM HUP; echo ready; sleep 600"], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        assert "ready\n" == one.stdout.readline()
        with applied(Event(0, power_off=S), site):
            assert -9 == one.wait(timeout=20)
            assert "0\n" == sh(dish, "cat /sys/class/net/lan0/carrier")
            left = sh(hub, "nft list ruleset; ls /run; ip -o address; ip -o link show type bridge")
            left += sh(hub, "ip route show table all")
            left += sh(hub, "ls /sys/class/net; cat /proc/sys/net/ipv4/ip_forward")
            assert ["hub", "lock", "lan0", "lo", "wan0", "wan1", "0"] == left.split()
            assert before == sh(hub, "ip rule")
    sh(hub, "for _ in $(seq 100); do [ -s /run/hub/done ] && exit; sleep 0.1; done; exit 1")

    assert "booted\ndone\n" == sh(hub, "ls /run/hub")


CLOCKS = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"


@pytest.mark.parametrize("by_s", [-400 * 86400, -0.75, 400 * 86400])
def test_the_hub_alone_sees_another_time_of_day(by_s: float, site: FaultSite) -> None:
    """Programs that run already see it too, and all see the lab's again when it is over; intervals are as ever."""
    DeviceClock(site.devices["hub"]).install()

    def shift(device: str) -> tuple[float, float]:
        """Between which bounds the shift lies that a running program of the device sees, in s."""
        before, monotonic = time.time(), time.monotonic()
        print(file=programs[device].stdin, flush=True)
        seen, interval = map(float, cast(Any, programs[device].stdout).readline().split())
        assert monotonic <= interval <= time.monotonic()
        return seen - time.time() - 1e-4, seen - before + 1e-4

    programs = {
        name: site.devices[name].popen(
            [sys.executable, "-c", CLOCKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("hub", "client")
    }
    try:
        with applied(Event(0, clock_step=S, by=round(by_s * S)), site):
            (low, high), (elsewhere_low, elsewhere_high) = shift("hub"), shift("client")
        assert low <= by_s <= high
        assert elsewhere_low <= 0 <= elsewhere_high
        low, high = shift("hub")
        assert low <= 0 <= high
    finally:
        for program in programs.values():
            program.kill()
            program.communicate()
