"""A run whose tenant is a storage account, on a host whose default route leads to it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

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


@pytest.mark.skipif(not os.environ.get("TESTBED_OUTSIDE"), reason="takes a minute; TESTBED_OUTSIDE=1 plays it")
@pytest.mark.parametrize("hub_identity", ["", "managed"])
def test_a_run_goes_to_an_account_and_leaves_nothing(outside: Outside, tmp_path: Path, hub_identity: str) -> None:
    """By the links, with the run's tokens or the hub's own; its content, way out and secrets are gone with it."""
    file = outside.file
    if hub_identity:
        file = tmp_path / "mine.yaml"
        file.write_text(f"{outside.file.read_text()}hub_identity: {hub_identity}\n")
    (tmp_path / "few.yaml").write_text(CATALOGUE)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    before, host = outside.owner(), outside.state_of_host()
    process = outside.start(
        *("-m", "testbed", "run", str(tmp_path / "s.yaml"), "--json"),
        *("--tenant", str(file), "--results", str(tmp_path / "results")),
    )
    assert process.stdout
    told, seen = list[str](), set[str]()
    for line in process.stdout:  # each step and each half second of the scenario
        told.append(line)
        seen |= set(_command_lines())
    assert process.stderr
    said = "".join(told) + process.stderr.read()
    status = process.wait(timeout=60)

    assert status in (0, 3), said  # a host that is too busy for the emulation cannot tell
    (folder,) = (tmp_path / "results").iterdir()
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
    assert [] == [words for words in (*seen, said) if SECRET.search(words) or outside.key in words]


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


def _command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().decode("latin-1"))
        except OSError:
            continue  # it ended meanwhile
    return found
