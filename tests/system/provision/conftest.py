"""A minimal lab for the hub's roles: a hub, two CPEs that lease addresses, the Internet and a client."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testbed.lab.devices import PRIVATE_FILES, NamespaceAccess
from testbed.lab.provision import Secret, TaskResult, provision
from testbed.tenant.certificates import issue

PLAYBOOK = Path(__file__).parents[3] / "playbooks" / "hub.yml"
HOST = "account.blob.core.windows.net"
SAS = "sv=2025-01-05&sr=c&sp=r&sig=c2VjcmV0%2Bc2lnbmF0dXJl%3D"
UPLOAD_SAS = "sv=2025-01-05&sr=c&sp=cw&sig=dXBsb2Fk"
WIRES = (
    ("client", "eth0", "hub", "lan0"),
    ("hub", "wan0", "dish", "lan0"),
    ("hub", "wan1", "modem", "lan0"),
    ("dish", "net0", "internet", "sky0"),
    ("modem", "net0", "internet", "cell0"),
    ("edge", "net0", "internet", "edge0"),
)
CPE = """
ip address add {lan}/24 dev lan0; ip address add {net}/30 dev net0
ip link set lan0 up; ip link set net0 up; ip route add default via {gateway}
echo 1 > /proc/sys/net/ipv4/ip_forward
nft add table ip nat
nft 'add chain ip nat post {{ type nat hook postrouting priority srcnat; }}'
nft add rule ip nat post oifname net0 masquerade
dnsmasq --user=root --conf-file=/dev/null --no-hosts --no-resolv --no-ping --pid-file=/run/dnsmasq.pid \\
    --interface=lan0 --server=203.0.113.1 --dhcp-authoritative --dhcp-leasefile=/run/leases \\
    --dhcp-range={lease},{lease},1h --dhcp-option=option:router,{lan}
"""
SCRIPTS = {
    "client": """
ip address add 192.168.10.101/24 dev eth0; ip link set eth0 up; ip route add default via 192.168.10.1
""",
    "dish": CPE.format(lan="100.64.10.1", net="198.51.100.2", gateway="198.51.100.1", lease="100.64.10.100"),
    "modem": CPE.format(lan="192.168.8.1", net="198.51.100.6", gateway="198.51.100.5", lease="192.168.8.100"),
    "edge": """
ip address add 198.51.100.10/30 dev net0; ip link set net0 up; ip route add default via 198.51.100.9
""",
    "internet": """
ip address add 198.51.100.1/30 dev sky0; ip address add 198.51.100.5/30 dev cell0
ip address add 198.51.100.9/30 dev edge0
ip link set sky0 up; ip link set cell0 up; ip link set edge0 up
echo 1 > /proc/sys/net/ipv4/ip_forward
ip address add 203.0.113.1/32 dev lo; ip address add 203.0.113.10/32 dev lo
dnsmasq --user=root --conf-file=/dev/null --no-hosts --no-resolv --pid-file= --address=/core.windows.net/203.0.113.10
""",
}
# As much of Blob Storage as the cache sees: TLS, ranges, ETags, and nothing without the SAS token.
ORIGIN = """
user root; pid /run/origin.pid; error_log /run/origin-error.log; events {{ }}
http {{
    log_format json escape=json '{{"uri": "$request_uri", "range": "$http_range", "ms_range": "$http_x_ms_range", '
        '"if_none_match": "$http_if_none_match", "authorization": "$http_authorization", "status": $status, '
        '"bytes": $body_bytes_sent, "from": "$remote_addr", "method": "$request_method", "cookie": "$http_cookie", '
        '"type": "$http_x_ms_blob_type", "taken_by": "$http_x_ms_meta_taken_by"}}';
    access_log /run/origin.jsonl json;
    underscores_in_headers on;
    server {{
        listen 203.0.113.10:443 ssl;
        ssl_certificate {folder}/tenant.pem; ssl_certificate_key {folder}/tenant.key;
        root {folder}/blobs;
        location / {{ if ($args != "{sas}") {{ return 403; }} }}
        location /uploads/ {{
            if ($args != "{upload_sas}") {{ return 403; }}
            if ($http_x_ms_blob_type != BlockBlob) {{ return 400; }}
            client_max_body_size 64m; client_body_temp_path {folder}/partial; dav_methods PUT; create_full_put_path on;
        }}
    }}
}}
"""


class Lab:
    """The running nodes, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, NamespaceAccess] = {}
        self.processes: list[subprocess.Popen[str]] = []

    def __getitem__(self, name: str) -> NamespaceAccess:
        return self.nodes[name]

    def sh(self, node: str, script: str, timeout_s: float = 30.0) -> str:
        """Run a script on a node and return its stdout; a failure of it fails the test."""
        done = self.nodes[node].run(["sh", "-euc", script], timeout_s)
        assert 0 == done.returncode, f"{node}: {script}\n{done.stderr}{done.stdout}"
        return done.stdout

    def cut(self, cpe: str) -> None:
        """Make a CPE a black hole: its ports stay up and it still leases, but it forwards nothing."""
        chain = "{ type filter hook forward priority 0; policy drop; }"
        self.sh(cpe, f"nft add table ip cut; nft 'add chain ip cut forward {chain}'")

    def heal(self, cpe: str) -> None:
        """Undo ``cut``."""
        self.sh(cpe, "nft delete table ip cut")

    def origin_requests(self) -> list[Mapping[str, Any]]:
        """Return what the origin was asked since the last call."""
        lines = self.sh("internet", "cat /run/origin.jsonl; : > /run/origin.jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def add_node(self, name: str) -> None:
        """Start a node: a process in network and mount namespaces of its own, with private files."""
        script = f"{PRIVATE_FILES}\nip link set lo up; echo ready; exec sleep infinity"
        command = [
            "unshare",
            "--net",
            "--mount",
            "--",
            "sh",
            "-c",
            script,
            "sh",
            f"{self.folder}/nodes/{name}",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout and "ready\n" == process.stdout.readline()
        self.processes.append(process)
        self.nodes[name] = NamespaceAccess(name, process.pid)

    def end(self) -> None:
        """End every process in the nodes' namespaces, daemons included."""
        own = {os.readlink(f"/proc/{node.pid}/ns/net") for node in self.nodes.values()}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it may have ended since
                if os.readlink(process / "ns" / "net") in own:
                    os.kill(int(process.name), signal.SIGKILL)
        for node in self.processes:
            node.wait()

    def provision(self, on_event: Callable[[TaskResult], None] = lambda step: None, **variables: object) -> None:
        """Run the hub's playbook; ``variables`` replace this lab's own."""
        authority = (self.folder / "authority.pem").read_text()
        given = {
            "failover_targets": ["203.0.113.1"],
            "failover_rise": 2,
            "cache_origin_host": HOST,
            "cache_origin_container": "content",
            "cache_origin_ca": authority,
            "cache_origin_sas": Secret(SAS),
            "cache_upload_sas": Secret(UPLOAD_SAS),
        }
        groups = {"hubs": [self["hub"]], "edges": [self["edge"]]}
        each = dict.fromkeys(("hub", "edge"), given | variables)
        provision(PLAYBOOK, groups, each, self.folder / "ansible", on_event)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab's network, with a hub that nobody has configured."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("starts daemons in namespaces: 'make test-system' runs it in a sandbox")
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.folder.chmod(0o755)
    (lab.folder / "ansible").mkdir()
    for name in ("hub", *SCRIPTS):
        lab.add_node(name)
    for a, port_a, b, port_b in WIRES:
        wire = f"ip link add {port_a} netns {lab[a].pid} type veth peer name {port_b} netns {lab[b].pid}"
        subprocess.run(shlex.split(wire), check=True)
    for name, script in SCRIPTS.items():
        lab.sh(name, script)
    issue(lab.folder, HOST, "203.0.113.10", datetime.now(UTC))
    yield lab
    lab.end()


@pytest.fixture(scope="module")
def blobs(lab: Lab) -> Path:
    """The folder of the container's blobs; an origin with TLS serves them."""
    folder = lab.folder / "blobs" / "content"
    folder.mkdir(parents=True)
    (lab.folder / "origin.conf").write_text(ORIGIN.format(folder=lab.folder, sas=SAS, upload_sas=UPLOAD_SAS))
    lab.sh("internet", f"nginx -c {lab.folder}/origin.conf")
    return folder
