"""A run whose tenant is a storage account, on a host whose default route leads to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from testbed.lab.sandbox import SHARED
from tests.system.bench.conftest import booted
from tests.system.run.host import ENDS_S
from tests.system.tenant.outside import Outside

CATALOGUE = """\
source: made up
classes:
  pages: {count: 4, size: 20 kB, requests: 100 %, content_type: text/html, suffix: .html}
"""
SCENARIO = """\
# Does the hub fetch and store by the emulated links what is in somebody's account?
topology: hub-two-uplinks
duration: 6 s
seed: 7
uplinks:
  starlink: {fixed: {delay: 20 ms, rate: 50 Mbit/s}}
  lte: {fixed: {delay: 30 ms, rate: 20 Mbit/s}}
hub: {failover: none, cache: on}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
  pages: {kind: http-get, from: client2, catalogue: few.yaml, rate: 5/s}
  reports: {kind: http-put, from: client2, size: 10 kB, rate: 5/s}
fidelity: {late_share: 90 %, late_max: 5 s, away_share: 50 %}
objectives:
  - {metric: correctness, of: pages, at_least: 100 %}
  - {metric: uploads_durable, of: reports, at_least: 100 %}
  - {metric: backhaul_bytes, uplink: starlink, at_least: 5 kB}
  - {metric: egress, at_most: 0}
"""
SECRET = re.compile(r"sig=(?!\*\*\*)[\w%+/=-]+|\beyJ[\w-]{10,}\.")
"""A signature that is not masked, a bearer token."""


INVENTORY = SHARED / "secrets" / "ansible" / "inventory" / "hosts.json"
LOOK_S = 0.1


@pytest.mark.skipif(not os.environ.get("TESTBED_OUTSIDE"), reason="takes a minute; TESTBED_OUTSIDE=1 plays it")
@pytest.mark.parametrize("hub_identity", ["", "managed"])
def test_a_run_goes_to_an_account_and_leaves_nothing(outside: Outside, tmp_path: Path, hub_identity: str) -> None:
    """By the links, with the run's tokens or the hub's own; its content, way out and secrets are gone with it."""
    file = outside.file
    if hub_identity:
        file = tmp_path / "mine.yaml"
        file.write_text(f"{outside.file.read_text()}hub_identity: {hub_identity}\n")
    before, host = outside.owner(), outside.state_of_host()

    with _looked_at() as seen:
        folder, told = _finished(_begun(outside, tmp_path, file), tmp_path)

    result = json.loads((folder / "result.json").read_text())
    tenant = result["tenant"]
    expected = ("account", outside.tenant.endpoint.account, "here", "testbed-lab")
    assert expected == tuple(tenant[key] for key in ("kind", "account", "region", "prefix"))
    assert tenant["away_ns"] > 0
    assert "complete" == result["state"]
    assert "fail" not in {verdict["outcome"] for verdict in result["verdicts"]}
    assert before == outside.owner()
    assert host == outside.state_of_host()
    kept = {path: path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}
    assert {} == {path.name: found[0] for path, text in kept.items() if (found := SECRET.search(text))}
    for secret in (outside.key, "BEGIN PRIVATE KEY"):
        assert [] == [path.name for path, text in kept.items() if secret in text]
    assert [True] == [words.startswith('{"hubs":') for words in seen if "cache_origin_sas" in words]  # an inventory
    assert [] == [words for words in (*seen, told) if SECRET.search(words) or outside.key in words]


@pytest.mark.skipif(not shutil.which("sshd", path=f"{os.defpath}:/usr/sbin"), reason="needs sshd")
def test_a_hub_on_a_bench_needs_no_other_option(outside: Outside, tmp_path: Path) -> None:
    """``--bench FILE --tenant FILE``: the hub over its cables has content and uploads there, and its NICs come back."""

    def at_the_host(command: Any) -> None:
        done = outside.host.run(command)
        assert 0 == done.returncode, done.stderr

    (keys := tmp_path / "hardware").mkdir()
    with booted(keys, at_the_host) as hardware:
        before, host = outside.owner(), outside.state_of_host()
        process = _begun(outside, tmp_path, outside.file, "--bench", str(hardware.bench))
        folder, _ = _finished(process, tmp_path)

        assert before == outside.owner()
        assert host == outside.state_of_host()
    result = json.loads((folder / "result.json").read_text())
    assert ("shelf", "account", "complete") == (result["bench"], result["tenant"]["kind"], result["state"])
    assert [] == [v for v in result["verdicts"] if v["outcome"] == "fail"]


def _is(step: str, over: bool) -> Callable[[dict[str, Any]], bool]:
    return lambda told: "step" == told["event"] and step == told["name"] and over == (told["seconds"] is not None)


@pytest.mark.parametrize(
    ("when", "left"),
    [
        pytest.param(_is("network", False), 0, id="network"),
        pytest.param(_is("links and services", True), 2, id="links and services"),
        pytest.param(_is("hub", False), 2, id="hub"),
        pytest.param(_is("probes", False), 2, id="probes"),
        pytest.param(
            lambda told: "tick" == told["event"] and told["t_ns"] >= 0.9 * told["end_ns"], 2, id="late in the scenario"
        ),
        pytest.param(_is("samples", False), 2, id="samples"),
        pytest.param(_is("verdicts", False), 2, id="verdicts"),
    ],
)
def test_what_a_killed_run_has_left_is_cleaned(
    outside: Outside, tmp_path: Path, when: Callable[[dict[str, Any]], bool], left: int
) -> None:
    """Killed with its custodian at a step, or late in its scenario: two containers are there, then none, and no way."""
    before, host = outside.owner(), outside.state_of_host()
    process = _begun(outside, tmp_path, outside.file)
    assert process.stdout
    reached = next((told for line in process.stdout if when(told := json.loads(line))), None)
    keepers = _custodians(process.pid)
    for pid in (*keepers, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    deadline_s = time.monotonic() + ENDS_S
    while "testbed-out" in outside.host.run(["ip", "-brief", "link"]).stdout and time.monotonic() < deadline_s:
        time.sleep(0.05)  # the kernel is ending the sandbox
    found = sorted(set(outside.owner()) - set(before))
    cleaned = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--all", "--json").stdout)

    assert reached is not None
    assert 1 == len(keepers)
    assert left == len(found)
    assert found == sorted(cleaned["removed"])
    assert before == outside.owner()
    assert host == outside.state_of_host()


def test_a_standing_lab_has_its_content_in_an_account(outside: Outside, tmp_path: Path) -> None:
    """It is there while the lab stands, is read through the hub, and goes with the lab."""
    (tmp_path / "few.yaml").write_text(CATALOGUE)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    before, host = outside.owner(), outside.state_of_host()

    up = outside.testbed(
        *("lab", "up", str(tmp_path / "s.yaml"), "--for", "10min"),
        *("--tenant", str(outside.file), "--results", str(tmp_path / "results")),
    )
    try:
        assert 0 == up.returncode, up.stdout + up.stderr
        made = sorted(set(outside.owner()) - set(before))
        page = "http://192.168.10.1/{}/pages/0000.html"
        content = next(name for name in made if name.endswith("-content"))
        read = outside.testbed("lab", "exec", "client", "curl", "-sf", "-o", "/dev/null", page.format(content))
    finally:
        down = outside.testbed("lab", "down", "--all")

    assert 2 == len(made)
    assert 0 == read.returncode, read.stderr
    assert 0 == down.returncode, down.stderr
    assert before == outside.owner()
    assert host == outside.state_of_host()


def _begun(outside: Outside, folder: Path, tenant: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "few.yaml").write_text(CATALOGUE)
    (folder / "s.yaml").write_text(SCENARIO)
    words = ("-m", "testbed", "run", str(folder / "s.yaml"), "--json", "--results", str(folder / "results"))
    return outside.start(*words, "--tenant", str(tenant), *options)


def _finished(process: subprocess.Popen[str], place: Path) -> tuple[Path, str]:
    """Return the folder of the one run, and all that it said."""
    told = "".join(process.communicate(timeout=240))
    assert process.returncode in (0, 3), told  # a host that is too busy for the emulation cannot tell
    (folder,) = (place / "results").iterdir()
    return folder, told


@contextmanager
def _looked_at() -> Iterator[set[str]]:
    """Have all command lines and inventories seen, again and again."""
    seen, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            for process in Path("/proc").glob("[0-9]*"):
                for file in (process / "cmdline", process / "root" / INVENTORY.relative_to("/")):
                    with suppress(OSError):  # it ended meanwhile, or has none
                        seen.add(file.read_bytes().decode("latin-1"))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def _custodians(parent: int) -> list[int]:
    """Return the custodians that a run has started."""
    found = []
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if b"testbed.tenant.custodian" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.append(int(pid))
    return found
