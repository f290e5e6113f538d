"""Somebody's storage account and the host that reaches it by its default route: two namespaces, and Azurite in one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from testbed.lab.devices import NamespaceAccess
from testbed.model.catalogue import CatalogueObject
from testbed.paths import ROOT
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.held import Custodian, HeldTenant

TOKENS = 8765
SERVICE, SAID = Path(__file__).with_name("service.cjs"), "said"
LASTING, AN_HOUR_S = "lasting", 3600
CUSTODIAN = ("-m", "testbed.tenant.custodian")
ADDRESS = "192.0.2.10"
WITH_THE_KEY = """
import json, sys
from azure.storage.blob import BlobServiceClient
job = json.load(sys.stdin)
client = BlobServiceClient(job["url"], credential=job["key"], connection_verify=job["ca"])
for name, metadata in job["make"].items():
    client.create_container(name, metadata=metadata)
    client.get_container_client(name).upload_blob("a", b"x")
print(json.dumps({c.name: c.metadata for c in client.list_containers(include_metadata=True)}))
"""
WIRE = f"""
ip link set lo up
ip link add eth0 type veth peer name wan0 netns $1
ip address add 192.0.2.2/24 dev eth0
ip link set eth0 up
ip route add default via {ADDRESS}
nsenter --net=/proc/$1/ns/net sh -euc 'ip link set lo up; ip address add {ADDRESS}/24 dev wan0; ip link set wan0 up'
"""


@dataclass(frozen=True)
class Outside:
    """Somebody's account: its file, the host that reaches it, and what its owner does with its key."""

    host: NamespaceAccess
    tenant: AzuriteTenant
    file: Path
    orders: Path

    @contextmanager
    def does(self, **orders: Any) -> Iterator[Callable[[], list[str]]]:
        """Have the service do what service.cjs can; give what asks for the refusals so far."""
        said = self.orders.with_name(SAID)
        said.write_text("")
        _say(self.orders, json.dumps(orders))
        try:
            yield lambda: said.read_text().splitlines()
        finally:
            _say(self.orders, "{}")

    @contextmanager
    def tokens_last(self, seconds: int) -> Iterator[None]:
        """Have the identity's tokens last so long from now; negative: they have expired."""
        lasting = self.orders.with_name(LASTING)
        _say(lasting, str(seconds))
        try:
            yield
        finally:
            _say(lasting, str(AN_HOUR_S))

    def owner(self, make: Mapping[str, Mapping[str, str]] | None = None) -> list[str]:
        """Make containers; return all that there are."""
        return list(self.described(make))

    def described(self, make: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, dict[str, str]]:
        """Make containers; return all that there are, with their metadata."""
        job = {
            "url": f"https://{self.tenant.endpoint.host}",
            "key": {"account_name": self.tenant.endpoint.account, "account_key": self.key},
            "ca": str(self.tenant.endpoint.authority),
            "make": make or {},
        }
        done = subprocess.run(
            self.host.argv([sys.executable, "-c", WITH_THE_KEY]),
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: dict[str, dict[str, str]] = json.loads(done.stdout)
        return found

    @property
    def key(self) -> str:
        return self.tenant._key

    @contextmanager
    def kept(self, folder: Path) -> Iterator[HeldTenant]:
        """Have the account kept by a custodian on the host, asked from here; what it made is removed then."""
        ours, theirs = socket.socketpair()
        with theirs, (folder / "tenant.log").open("wb") as log:
            keeper = subprocess.Popen(
                self.host.argv([sys.executable, *CUSTODIAN, str(theirs.fileno()), str(self.file)]),
                env=self.environment(),
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        try:
            with ours:
                custodian = Custodian(os.dup(ours.fileno()))
                yield HeldTenant(custodian, folder, folder)
                custodian.close()
        finally:
            assert 0 == keeper.wait(timeout=60), (folder / "tenant.log").read_text()

    def state_of_host(self) -> str:
        """Return what a run's way out could leave on the host."""
        look = "ip -brief link; ip address; nft list ruleset; cat /proc/sys/net/ipv4/conf/*/forwarding"
        return self.host.run(["sh", "-c", look]).stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start Python on the host."""
        return subprocess.Popen(
            self.host.argv([sys.executable, *words]),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        """Return a managed identity's."""
        return os.environ | {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{TOKENS}/token",
            "IDENTITY_HEADER": "anything",
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",  # and nothing else of this machine's
            "PYTHONPATH": str(ROOT),
        }

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python there to its end."""
        process = self.start(*words)
        try:
            said, errors = process.communicate(timeout=150)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, said, errors)

    def testbed(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "testbed", *words)


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """Have an account that its owner has marked, with a container of somebody else's."""
    with ExitStack() as stack:
        far, host = (stack.enter_context(namespaces(name)) for name in ("far", "host"))
        done = host.run(["sh", "-euc", WIRE, "sh", str(far.pid)])
        assert 0 == done.returncode, done.stderr
        tenant = AzuriteTenant(far, folder, folder, datetime.now(UTC), address=ADDRESS, oauth=True)
        endpoint = tenant.endpoint
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{endpoint.address} {endpoint.host}\n")
        assert 0 == host.run(["mount", "--bind", str(folder / "hosts"), "/etc/hosts"]).returncode
        stack.callback(tenant.close)
        orders = folder / "orders.json"
        _say(orders, "{}")
        service = {"SERVICE_ORDERS": str(orders), "SERVICE_SAID": str(folder / SAID)}
        with mock.patch.dict(os.environ, service, NODE_OPTIONS=f"--require {SERVICE}"):
            tenant.open()
        _say(folder / LASTING, str(AN_HOUR_S))
        # The metadata service of the host is that of whatever asks through it, as on a machine of Azure's.
        assert 0 == host.run(["ip", "address", "add", "169.254.169.254/32", "dev", "lo"]).returncode
        tokens = host.popen(
            [sys.executable, str(Path(__file__).with_name("token_server.py")), str(TOKENS), str(folder / LASTING)],
            stdout=subprocess.PIPE,
        )
        stack.callback(tokens.wait)
        stack.callback(tokens.kill)
        assert tokens.stdout
        assert b"ready\n" == tokens.stdout.readline()
        tenant.seed((CatalogueObject("a", 1, 1.0, "text/plain"),), 1).wait()
        file = folder / "mine.yaml"
        file.write_text(
            f"account: {endpoint.account}\nprefix: testbed-lab\nregion: here\nauthority: {endpoint.authority}\n"
        )
        found = Outside(host, tenant, file, orders)
        found.owner({"testbed-lab": {"testbed": "tenant"}, "testbed-lab-of-somebody": {}})
        yield found


def _say(file: Path, words: str) -> None:
    """Replace a file whole: who reads it reads one or the other."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(words)
    new.replace(file)


@contextmanager
def namespaces(name: str) -> Iterator[NamespaceAccess]:
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--", "sh", "-c", "echo ready; exec sleep 600"],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout
        holder.stdout.readline()
        yield NamespaceAccess(name, holder.pid)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
