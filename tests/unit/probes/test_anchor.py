"""The anchor, over loopback: whom it answers, and what it refuses to be told."""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.probes.responder import read_moves

CORE = Path(__file__).parents[3] / "testbed/probes/core"
MAGIC = bytes.fromhex("14a75b")
ALICE, BOB = b"alice...", b"bob....."


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    subprocess.run(["make", "-s", "-C", str(CORE), f"BUILD={folder}"], check=True, timeout=60)
    return folder / "anchor"


@dataclass(frozen=True)
class Relay:
    """A running anchor between clients (made by ``client``) and the socket ``server``."""

    address: tuple[str, int]
    server: socket.socket
    log: Path
    sockets: ExitStack
    host: str

    def client(self) -> socket.socket:
        return self.sockets.enter_context(_socket(self.host))

    def through(self, client: socket.socket, packet: bytes) -> tuple[str, int]:
        """Send from a client; return the address from which the server saw the packet."""
        client.sendto(packet, self.address)
        seen_from: tuple[str, int]
        received, seen_from = self.server.recvfrom(2048)
        assert packet == received
        return seen_from

    def answer(self, to: tuple[str, int], packet: bytes = MAGIC + b"\x02reply") -> None:
        self.server.sendto(packet, to)


def _socket(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.settimeout(5)
    return made


def _echo(token: bytes, seq: int) -> bytes:
    return MAGIC + b"\x00" + token + seq.to_bytes(4, "little") + bytes(44)


OPEN = MAGIC + b"\x01parameters"


def _written(made: socket.socket) -> str:
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.fixture(params=["127.0.0.1", "::1"])
def relay(anchor: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Relay]:
    """An anchor whose clients come by either family; the server is beside it, as irtt's is."""
    if request.param == "::1" and not Path("/proc/sys/net/ipv6").is_dir():
        pytest.skip("this kernel has no IPv6")
    with ExitStack() as sockets:
        server, free = sockets.enter_context(_socket()), _socket(request.param)
        address = free.getsockname()
        addresses = [_written(free), _written(server)]
        free.close()
        log = tmp_path / "anchor.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(anchor), "--listen", addresses[0], "--to", addresses[1], "--dscp", "46"],
                stdout=subprocess.PIPE,
                stderr=file,
            )
        assert process.stdout
        assert b"ready\n" == process.stdout.readline()
        yield Relay(address, server, log, sockets, request.param)
        assert process.poll() is None
        process.kill()
        process.communicate()


def _is_silent(client: socket.socket) -> bool:
    return not select.select([client], [], [], 0.1)[0]


def test_answers_follow_the_client_to_its_new_address(relay: Relay) -> None:
    """The server keeps seeing one address; replies go to where the newest packet came from."""
    old, new = relay.client(), relay.client()
    seen = relay.through(old, OPEN)
    assert seen == relay.through(old, _echo(ALICE, 0)) == relay.through(new, _echo(ALICE, 1))
    relay.answer(seen)

    assert MAGIC + b"\x02reply" == new.recv(100)
    assert _is_silent(old)
    (move,) = read_moves(relay.log)
    assert (1, _written(old), _written(new)) == (move.seq, move.old, move.new)


def test_a_straggler_does_not_take_the_answers_back(relay: Relay) -> None:
    """A packet of the old path that arrives late is forwarded and changes nothing."""
    old, new = relay.client(), relay.client()
    seen = relay.through(old, OPEN)
    for client, seq in ((old, 5), (new, 7), (old, 6)):
        relay.through(client, _echo(ALICE, seq))
    relay.answer(seen)

    assert b"reply" in new.recv(100)
    assert 1 == len(list(read_moves(relay.log)))


def test_sessions_are_kept_apart(relay: Relay) -> None:
    """Two clients that swap their addresses, as NAT may make them, each get their own answers."""
    one, two = relay.client(), relay.client()
    alice, bob = relay.through(one, OPEN), relay.through(two, OPEN)
    assert alice != bob
    relay.through(one, _echo(ALICE, 1))
    relay.through(two, _echo(BOB, 1))
    assert alice == relay.through(two, _echo(ALICE, 2))
    assert bob == relay.through(one, _echo(BOB, 2))
    relay.answer(alice, MAGIC + b"\x02alice")
    relay.answer(bob, MAGIC + b"\x02bob")

    assert b"alice" in two.recv(100)
    assert b"bob" in one.recv(100)


def test_strangers_are_ignored(relay: Relay) -> None:
    """Packets that are not irtt's, are cut short or belong to no session reach nobody."""
    client = relay.client()
    for packet in (b"", b"hello", MAGIC, MAGIC + b"\x00short", _echo(BOB, 1), bytes(2000)):
        client.sendto(packet, relay.address)
    expected = relay.through(client, OPEN)  # the first to arrive: all before it were dropped
    with _socket() as stranger:
        stranger.sendto(MAGIC + b"\x02forged", expected)

    assert _is_silent(client)


def test_a_client_that_is_gone_ends_nothing(relay: Relay) -> None:
    """The ICMP error for an answer that nobody takes leaves the other sessions as they were."""
    gone, client = relay.client(), relay.client()
    nobody, seen = relay.through(gone, OPEN), relay.through(client, OPEN)
    gone.close()
    relay.answer(nobody)
    relay.answer(nobody)
    relay.answer(seen)

    assert b"reply" in client.recv(100)
    assert seen == relay.through(client, _echo(ALICE, 1))


def test_the_oldest_session_gives_way(relay: Relay) -> None:
    """With all 64 places taken a new client gets that of the longest silent one."""
    clients = [relay.client() for _ in range(65)]
    seen = [relay.through(client, OPEN) for client in clients]

    assert 64 == len(set(seen))
    assert seen[0] == seen[64]
    relay.answer(seen[0])
    assert b"reply" in clients[64].recv(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "nowhere", "--to", "127.0.0.1:9"], "'nowhere' is no address; write ADDRESS:PORT"),
        (["--listen", "127.0.0.1:70000", "--to", "127.0.0.1:9"], "'127.0.0.1:70000' is no address"),
        (["--listen", "[::1:9", "--to", "127.0.0.1:9"], "'[::1:9' is no address"),
        (["--listen", "[" + "1" * 99 + "]:5", "--to", "127.0.0.1:9"], "is no address"),
        (["--listen", "1" * 99 + ":5", "--to", "127.0.0.1:9"], "is no address"),
        (["--listen", "127.0.0.1:9"], "usage: anchor"),
        (["--speed"], "unrecognized option"),
    ],
)
def test_a_wrong_argument_is_refused(anchor: Path, arguments: list[str], message: str) -> None:
    """The anchor says what is wrong and ends with 2."""
    done = subprocess.run([str(anchor), *arguments], capture_output=True, text=True, timeout=60, check=False)

    assert 2 == done.returncode
    assert message in done.stderr
