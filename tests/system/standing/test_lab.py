"""A lab as a place to work in: the commands as a user types them, on one lab that stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpx
import pytest

from testbed.result.store import Result
from testbed.result.verdict import Outcome
from testbed.run import plan
from testbed.standing import registry
from testbed.standing.client import LabClient
from testbed.standing.registry import StandingLab
from tests.system.run.host import ENDS_S, Host, settled

TOPOLOGY = "hub-two-uplinks"
SEEN_S = 180.0


@dataclass(frozen=True)
class Standing:
    """A lab that stands, by its name."""

    name: str
    results: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ``testbed lab`` on it."""
        action, *rest = arguments
        return lab(action, "--lab", self.name, *rest)

    @property
    def entry(self) -> StandingLab:
        return registry.find(self.name)


def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``testbed lab`` as a user does."""
    command = [sys.executable, "-m", "testbed", "lab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def bring_up(name: str, results: Path, *more: str) -> Standing:
    done = lab("up", TOPOLOGY, "--name", name, "--results", str(results), *more)
    assert 0 == done.returncode, done.stderr
    return Standing(name, results)


def look() -> Host:
    """Return the host's state; the registry's own folder stays when the last lab has gone."""
    registry.HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Host.look()


def left_on_the_host(before: Host) -> dict[str, Any]:
    """Return what is there now and was not before."""
    return {what: these for what, these in before.left(settled(before)).items() if these}


def state(standing: Standing) -> dict[str, Any]:
    with LabClient(standing.entry) as client:
        return dict(client.ask("state"))


def until(standing: Standing, seen: Callable[..., bool]) -> Any:
    """Watch a lab until a sample shows it."""
    deadline, sample = time.monotonic() + SEEN_S, None
    with LabClient(standing.entry) as client:
        for sample in client.watch():
            if seen(sample):
                return sample
            if time.monotonic() > deadline:
                break
    raise AssertionError(f"not seen in {SEEN_S:g} s, or the lab ended; last: {sample}")


def rtt_ms(standing: Standing) -> float:
    """Return the shortest of some round trips to the tenant."""
    done = standing.command("exec", "client", "ping", "-q", "-c", "5", "-i", "0.2", "203.0.113.10")
    assert 0 == done.returncode, done.stdout + done.stderr
    return float(done.stdout.rpartition("= ")[2].partition("/")[0])


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One lab for all that needs no other; when it is down nothing is left of it."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    before = look()
    it = bring_up(f"works-{os.getpid()}", tmp_path_factory.mktemp("lab"))
    yield it
    done = lab("down", it.name)
    assert 0 == done.returncode, done.stderr
    assert it.name not in [entry.name for entry in registry.labs()]
    assert {} == left_on_the_host(before)


def test_a_command_runs_on_a_node(standing: Standing) -> None:
    """Its output and its exit status are the command's own."""
    done = standing.command("exec", "hub", "sh", "-c", "cat /sys/class/net/wan0/operstate; hostname >&2; exit 7")
    assert (7, "up\n") == (done.returncode, done.stdout)


def test_a_node_that_is_not_there_is_named(standing: Standing) -> None:
    """Before anything is run."""
    done = standing.command("exec", "hup", "true")
    assert 2 == done.returncode
    assert f"testbed: lab {standing.name} has no node 'hup'; did you mean 'hub'?\n" == done.stderr


def test_a_shell_takes_commands(standing: Standing) -> None:
    """Without a terminal it reads them from standard input."""
    command = [sys.executable, "-m", "testbed", "lab", "shell", "--lab", standing.name, "dish"]
    done = subprocess.run(command, input="ip -br link show sky0\nexit 4\n", capture_output=True, text=True, check=False)
    assert 4 == done.returncode
    assert done.stdout.startswith("sky0@")


def test_logs_are_read_from_outside(standing: Standing) -> None:
    """What the hub's programs wrote to its own /var/log."""
    done = standing.command("log", "hub")
    assert 0 == done.returncode, done.stderr
    assert "udhcpc: lease of 100.64.10.100 obtained" in done.stdout


def test_a_lab_is_listed(standing: Standing) -> None:
    """With what it is made of, and until when it stands."""
    (found,) = [row for row in json.loads(lab("list", "--json").stdout) if row["name"] == standing.name]
    assert TOPOLOGY == found["what"]
    assert 2 * 3600 * 10**9 == found["until_ns"] - state(standing)["started_ns"]
    assert found["state"].startswith("stands for ")


def test_a_change_is_undone_by_itself(standing: Standing) -> None:
    """The client that asked for it is gone long before."""
    as_ever_ms = 110.0  # twice 20 or 25 ms and room; 100 ms more one way are beyond it, whichever uplink the hub takes
    assert rtt_ms(standing) < as_ever_ms
    for link in ("starlink", "lte"):
        done = standing.command("set", link, "delay 150ms", "--direction", "up")
        assert done.stdout.endswith(f": {link} delay 150ms (up alone)\n"), done.stderr
    assert rtt_ms(standing) >= as_ever_ms
    for link in ("starlink", "lte"):
        done = standing.command("set", link, "delay 200ms for 1s")
        assert done.stdout.endswith(f": {link} delay 200ms for 1 s\n"), done.stderr
        until(standing, lambda sample, link=link: not sample["links"][link]["up"]["by_hand"])
    assert rtt_ms(standing) < as_ever_ms
    assert any("starlink delay 200ms for 1 s at " in title for title in state(standing)["by_hand"])


def test_an_outage_is_seen_by_the_engine(standing: Standing) -> None:
    """The packets of the preferred uplink are cut, and the other carries."""
    before = state(standing)["links"]["starlink"]["up"]["cut"]
    assert 0 == standing.command("outage", "starlink", "300s").returncode
    seen = until(standing, lambda sample: "lte" == sample["carrier"])["links"]["starlink"]["up"]
    assert "dark" == seen["state"]
    assert seen["cut"] > before
    while "lte" != (carrier := state(standing)["carrier"]):  # who only asks is told, too, by what passed a moment ago
        assert carrier in ("starlink", None)
    assert 0 == standing.command("set", "starlink", "schedule").returncode
    assert "up" == state(standing)["links"]["starlink"]["up"]["state"]
    until(standing, lambda sample: "starlink" == sample["carrier"])


def test_a_change_that_no_link_takes_is_refused(standing: Standing) -> None:
    """With what would be right, and nothing is noted down."""
    noted = state(standing)["by_hand"]
    done = standing.command("set", "starlink", "lossy 5% for 30s")
    assert 2 == done.returncode
    assert "testbed: values: found 'lossy 5%'; write such as 'delay 25ms rate 100Mbit loss 0.1%'\n" == done.stderr
    done = standing.command("outage", "starlynk", "3s")
    assert f"testbed: lab {standing.name} has no link 'starlynk'; did you mean 'starlink'?\n" == done.stderr
    assert noted == state(standing)["by_hand"]


def test_events_of_a_file_happen_from_now_on(standing: Standing, tmp_path: Path) -> None:
    """On links and beside them; a file that is not right is refused whole."""
    file = tmp_path / "events.yaml"
    file.write_text("events:\n  - {at: 0 s, tenant_errors: 2 s}\n  - {at: 0 s, uplink: lte, mtu: 2 s, size: 80 B}\n")
    done = standing.command("play", str(file))
    assert 2 == done.returncode
    assert "events.yaml:3: packets of 80 B; write 576 B to 1500 B" in done.stderr
    file.write_text(
        "events:\n"
        "  - {at: 0 s, uplink: lte, brownout: 60 s, delay: 40 ms}\n"
        "  - {at: 0 s, uplink: lte, mtu: 300 s, size: 1400 B}\n"
    )
    done = standing.command("play", str(file))
    assert 0 == done.returncode, done.stderr
    assert ["lte brownout 60 s (+40 ms)", "lte mtu 300 s (1400 B)"] == [
        line.partition(" s: ")[2] for line in done.stdout.splitlines()
    ]
    played = until(standing, lambda sample: sample["links"]["lte"]["down"]["by_hand"])
    assert 65_000_000 == played["links"]["lte"]["down"]["delay_ns"]
    deadline = time.monotonic() + ENDS_S
    while "mtu 1400" not in (said := standing.command("exec", "modem", "ip", "route", "show", "default").stdout):
        assert time.monotonic() < deadline, said
    assert [] == state(standing)["troubles"]


def test_a_check_keeps_its_evidence_and_is_no_pass(standing: Standing) -> None:
    """What holds is said; the result that is kept calls nothing a pass, and says who touched what."""
    assert 0 == standing.command("outage", "lte", "1s").returncode
    until(standing, lambda sample: sample["t_ns"] > 3 * 10**9 and "starting" != sample["traffic"]["heartbeat"])
    done = standing.command("check", "--json")
    checked = json.loads(done.stdout)
    assert checked["exit_status"] == done.returncode
    record = Result.load(Path(checked["folder"])).record
    assert {Outcome.PASS}.isdisjoint(verdict.outcome for verdict in record.verdicts)
    assert [objective["value"] for objective in checked["objectives"]] == [v.measured for v in record.verdicts]
    assert any("lte outage 1 s" in said for said in record.touched)
    assert Result(Path(checked["folder"]), record).evidence.probes("heartbeat").good.any()


def test_what_was_done_by_hand_is_a_scenario(standing: Standing, tmp_path: Path) -> None:
    """It validates, and its timeline has what was done."""
    assert 0 == standing.command("outage", "starlink", "1s").returncode
    file = tmp_path / "mine.yaml"
    done = standing.command("save", str(file))
    assert 0 == done.returncode, done.stderr
    titles = [text for _, text in plan.timeline(plan.make(file))]
    assert "starlink outage 1 s begins" in titles


def test_a_killed_keeper_leaves_nothing(tmp_path: Path) -> None:
    """The kernel ends its sandbox, here while it comes up; the next look at the labs removes its entry."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    before, name = look(), f"dies-{os.getpid()}"
    command = [sys.executable, "-m", "testbed", "lab", "up", TOPOLOGY, "--name", name, "--json"]
    up = subprocess.Popen(
        [*command, "--results", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert up.stdout is not None and up.stderr is not None
    for line in up.stdout:
        event = json.loads(line)
        if "step" == event["event"] and "network" == event["name"] and event["seconds"] is not None:
            break  # the namespaces are there
    keeper = registry.find(name).pid
    os.kill(keeper, signal.SIGKILL)
    assert 3 == up.wait(), up.stderr.read()
    up.communicate()
    assert registry.wait_for_end(name, ENDS_S)
    assert name not in [entry.name for entry in registry.labs()]
    assert not (registry.HOME / name).exists()
    assert {} == left_on_the_host(before)


SHORT = """\
# does it stay?
topology: hub-two-uplinks
duration: 2 s
uplinks:
  starlink: {fixed: {delay: 20 ms}}
  lte: {fixed: {delay: 30 ms}}
hub: {failover: none}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 50 ms}
fidelity: {late_share: 100 %, late_max: 10 s, away_share: 100 %, wait_max: 60 s}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 60 s}
"""


def test_a_run_can_be_held(tmp_path: Path) -> None:
    """Its result is written before anybody gets in; it ends when its lab is ended, and leaves nothing.

    Its panel shows it as it goes on, and has hands when it is over.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    before = look()
    scenario = tmp_path / f"held-{os.getpid()}.yaml"
    scenario.write_text(SHORT)
    command = [sys.executable, "-m", "testbed", "run", str(scenario), "--hold", "--panel", "--json"]
    command += ["--results", str(tmp_path / "results")]
    run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stderr is not None
    told, hands = [], []
    panel = urlsplit(next(line for line in run.stderr if "http://127.0.0.1:" in line).split()[-1])
    for line in run.stdout:
        told.append(json.loads(line))
        if told[-1]["event"] in ("tick", "standing"):
            hands.append(_shown(panel)["hands"])
        if "standing" == told[-1]["event"]:
            break
    else:
        pytest.fail(f"the run ended: {told[-3:]}")
    assert (False, True) == (hands[0], hands[-1])
    (folder,) = (tmp_path / "results").iterdir()
    record = Result.load(folder).record
    assert ("complete", ()) == (record.state, record.touched)
    (ended,) = [event for event in told if "ended" == event["event"]]
    it = Standing(told[-1]["name"], tmp_path)
    assert 6 == it.command("exec", "hub", "sh", "-c", "ip link show wan0 > /dev/null && exit 6").returncode
    assert 3 == it.command("check").returncode
    assert 0 == lab("down", it.name).returncode
    assert ended["exit_status"] == run.wait()
    run.communicate()
    left = Result.load(folder).record
    assert (record.verdicts, record.evidence_sha256) == (left.verdicts, left.evidence_sha256)
    assert [] == [name for name in left.files if not (folder / name).is_file()]
    assert {} == left_on_the_host(before)


def _shown(panel: SplitResult) -> dict[str, Any]:
    """Return the state that a panel shows to who has its token."""
    bearer = {"Authorization": f"Bearer {parse_qs(panel.query)['token'][0]}"}
    answer = httpx.get(f"http://{panel.netloc}/api/state", headers=bearer, timeout=60, trust_env=False)
    return dict(answer.raise_for_status().json())
