"""A dish is read by the programs that people read theirs with, and says what its link does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.dish.device import GPS_EPOCH_NS
from testbed.dish.process import DishProcess
from testbed.dish.settings import Settings
from testbed.lab.devices import NamespaceAccess
from testbed.link.backend import LinkSpec
from testbed.link.native import LINKD, NativeBackend
from testbed.model.dish import ADDRESS, PORT, Dish, DishFault
from testbed.model.event import Event
from testbed.model.uplink import FixedLink
from testbed.paths import ROOT
from testbed.traces.compile import compile_link

S, MS = 10**9, 10**6
AT = f"{ADDRESS}:{PORT}"
RTT_MS = 50.0
LASTS_NS = 600 * S
ASK = """
import os, sys, time, json
import starlink_grpc
from google.protobuf.json_format import MessageToDict
context = starlink_grpc.ChannelContext(target=sys.argv[1])
for word in sys.stdin:
    try:
        if word.strip() in ("status", "history"):
            message = getattr(starlink_grpc, "get_" + word.strip())(context)
            told = MessageToDict(message, preserving_proto_field_name=True)
        else:
            told = eval("starlink_grpc." + word.strip())
    except Exception as error:
        told = {"error": type(error).__name__}
    print(json.dumps([time.time_ns(), told]), flush=True)
"""


@dataclass
class Place:
    """A terminal's node and its link: what the link plays, when it began, and somebody who asks the dish."""

    cpe: NamespaceAccess
    links: NativeBackend
    dish: DishProcess
    start_ns: int
    asker: subprocess.Popen[str]

    def ask(self, word: str = "status") -> tuple[int, Any]:
        """Return when the dish had answered, in ns since the start, and what."""
        assert self.asker.stdin
        assert self.asker.stdout
        self.asker.stdin.write(word + "\n")
        self.asker.stdin.flush()
        at_ns, told = json.loads(self.asker.stdout.readline())
        return at_ns - self.start_ns, told

    def until(self, t_ns: int) -> None:
        """Wait for an instant of the link's schedule."""
        time.sleep(max(0, self.start_ns + t_ns - time.time_ns()) / S)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Any]:
    """Return ``place(dish, events, restarts)``: a link of 25 ms each way with events, and the dish before it."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if not LINKD.exists():
        pytest.skip("linkd is not built: make -C testbed/link/core")
    with ExitStack() as stack:

        def node(name: str) -> NamespaceAccess:
            keeper = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", "ip link set lo up; echo up; exec sleep 300"],
                stdout=subprocess.PIPE,
            )
            stack.callback(keeper.wait)
            stack.callback(keeper.kill)
            assert keeper.stdout
            stack.enter_context(keeper.stdout).readline()
            return NamespaceAccess(name, keeper.pid)

        def place(dish: Dish, events: Sequence[Event] = (), restarts: Any = ()) -> Place:
            cpe, middle, pop = node("cpe"), node("middle"), node("pop")
            for end, port, address in ((cpe, "l0", "10.9.0.1/24"), (pop, "r0", "10.9.0.2/24")):
                for line in (
                    f"ip link add sky0 type veth peer name {port} netns {middle.pid}",
                    f"ip address add {address} dev sky0",
                    "ip link set sky0 up",
                ):
                    assert 0 == end.run(line.split()).returncode
            pair = compile_link(FixedLink(25 * MS), duration_ns=LASTS_NS, seed=1, events=tuple(events))
            links = NativeBackend(tmp_path / "link", middle.popen)
            links.open([LinkSpec("starlink", "l0", "r0", pair.up, pair.down, seed=1)])
            stack.callback(links.close)
            settings = Settings("starlink", str(tmp_path / "link"), AT, dish, restarts=tuple(restarts))
            process = DishProcess(cpe, settings, tmp_path, tmp_path)
            process.open()
            stack.callback(process.close)
            process.ready()
            asker = cpe.popen(
                [sys.executable, "-c", ASK, AT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.enter_context(asker)
            stack.callback(asker.kill)
            start_ns = time.time_ns() + S
            links.start(start_ns)
            process.start(start_ns)
            found = Place(cpe, links, process, start_ns, asker)
            found.ask()
            return found

        yield place


def test_four_public_clients_read_it(places: Any) -> None:
    """As their packages ship them: by reflection and by stubs that were compiled from a real dish."""
    place = places(Dish())
    clients = [sys.executable, str(Path(__file__).with_name("clients.py")), AT]

    done = place.cpe.run(clients, 60)

    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    status, library = told["library"]["status"], told["library"]
    assert ("CONNECTED", 0.0) == (status["state"], status["pop_ping_drop_rate"])
    assert RTT_MS == pytest.approx(status["pop_ping_latency_ms"], abs=0.01)
    assert 900 == library["samples"]
    assert library["end_counter"] >= 86_400
    assert [RTT_MS] == pytest.approx([library["history"]["pop_ping_latency_ms"][-1]], abs=0.01)
    assert [] == library["alerts"] == library["outages"]
    assert (123, [[-1.0, 1.0]]) == (len(library["map"]), library["map"][50:51])
    assert {"latitude": None, "longitude": None, "altitude": None} == library["location"]
    assert {"get_location": "PERMISSION_DENIED", "wifi_get_clients": "UNIMPLEMENTED"} == told["reflected"][
        "refused"
    ]
    assert {"NO_DOWNLINK", "OBSTRUCTED", "BOOTING"} < set(told["reflected"]["causes"])
    assert ("2026.04.07.mr77639.1", True) == (
        told["python_dish"]["software"],
        told["python_dish"]["connected"],
    )
    assert RTT_MS == pytest.approx(told["python_dish"]["latency_ms"], abs=0.01)
    assert (7, "ut00000000-testbed-starlink") == (told["compiled"]["id"], told["compiled"]["dish"])
    assert told["compiled"]["uptime_s"] >= 86_000


def test_the_hub_s_own_program_reads_it(places: Any) -> None:
    """With Python's library alone, by a port."""
    place = places(Dish(outages="no-sats"), [Event(at=3 * S, outage=60 * S)])
    program = ROOT / "playbooks" / "roles" / "failover" / "dish-aware" / "files"
    asked = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(program)!r}); import dish; "]
    asked[-1] += f"print(dish.ask('lo', {AT!r}, 20))"
    before = place.cpe.run(asked).stdout
    told_ns = time.time_ns() - place.start_ns
    place.until(4 * S)
    after = place.cpe.run(asked).stdout

    assert told_ns > 3 * S or "(None, 0.0)\n" == before
    assert time.time_ns() - place.start_ns > 63 * S or "('NO_SATS', 1.0)\n" == after


def test_it_says_what_its_link_does(places: Any) -> None:
    """Outage and traffic are in its status while they last, and in its history afterwards, at the link's own times."""
    place = places(Dish(outages="obstructed"), [Event(at=4 * S, outage=4 * S)])
    place.until(0)  # what is before does not count
    assert 0 == place.cpe.run(["ping", "-q", "-c", "150", "-i", "0.01", "-s", "1000", "10.9.0.2"]).returncode
    place.until(5 * S)
    at_ns, during = place.ask()
    place.until(10 * S)
    at_later_ns, later = place.ask()
    _, history = place.ask("history")

    carried = sum(history["uplink_throughput_bps"]) / 8
    assert 150 * 1042 == pytest.approx(carried, rel=0.2)
    assert at_ns < 8 * S, "the machine was too slow to ask during the outage"
    outage = during["outage"]
    assert ("OBSTRUCTED", True) == (outage["cause"], during["obstruction_stats"]["currently_obstructed"])
    assert place.start_ns + 4 * S - GPS_EPOCH_NS == int(outage["start_timestamp_ns"])
    assert at_ns - 4 * S - S < int(outage["duration_ns"]) <= at_ns - 4 * S
    assert (1, -1) == (during["pop_ping_drop_rate"], during["pop_ping_latency_ms"])
    assert at_later_ns > 9 * S
    assert "outage" not in later
    assert RTT_MS == pytest.approx(later["pop_ping_latency_ms"], abs=0.01)
    [past] = history["outages"]
    assert ("OBSTRUCTED", 4 * S) == (past["cause"], int(past["duration_ns"]))
    lost = sum(history["pop_ping_drop_rate"])
    assert 4 == pytest.approx(lost, abs=1.5)


def test_a_reboot_resets_it(places: Any) -> None:
    """Without power nobody answers; then uptime and rings begin anew, and it is BOOTING until its sky is back."""
    place = places(Dish(), [Event(at=3 * S, reboot=9 * S)], [(3 * S, 6 * S, 12 * S)])
    place.until(4 * S)
    asked_ns, silent = place.ask()
    while "error" in (told := place.ask())[1]:
        assert told[0] < 60 * S
    back_ns, booting = told
    _, history = place.ask("history")
    place.until(13 * S)
    _, after = place.ask()
    _, rings = place.ask("history")

    assert asked_ns < 6 * S or "error" not in silent
    assert asked_ns >= 6 * S or "error" in silent
    assert back_ns >= 6 * S
    if back_ns < 12 * S:
        assert "BOOTING" == booting["outage"]["cause"]
    uptime_s = int(after["device_state"]["uptime_s"])
    assert 9 <= uptime_s < 60
    assert 0 < int(history.get("current", 0)) < int(rings["current"]) <= uptime_s + 1
    assert 2 == after["device_info"]["bootcount"]
    assert [("BOOTING", 9 * S)] == [(o["cause"], int(o["duration_ns"])) for o in rings["outages"]]


def test_who_asks_it_can_reboot_and_stow_it(places: Any) -> None:
    """The link is cut for as long, in its engine; unfolded, the dish is connected again."""
    place = places(Dish(boot=6 * S))
    place.ask("set_stow_state(context=context)")
    _, folded = place.ask()
    lost = place.cpe.run(["ping", "-c", "2", "-i", "0.2", "-W", "1", "10.9.0.2"]).returncode
    place.ask("set_stow_state(True, context=context)")
    _, unfolded = place.ask()
    found = place.cpe.run(["ping", "-c", "20", "-i", "0.2", "-W", "1", "10.9.0.2"]).stdout
    place.ask("reboot(context=context)")
    while "error" in (told := place.ask())[1] or "outage" not in told[1] and told[0] < 60 * S:
        assert told[0] < 100 * S
    cut = place.cpe.run(["ping", "-c", "1", "-W", "1", "10.9.0.2"]).returncode

    assert folded["stow_requested"]
    assert lost != 0
    assert "stow_requested" not in unfolded
    assert "time=" in found
    assert "BOOTING" == told[1]["outage"]["cause"]
    assert int(told[1]["device_state"].get("uptime_s", 0)) < 60
    assert cut != 0 or place.ask()[0] > 100 * S


def test_a_dish_can_be_wrong(places: Any) -> None:
    """It then tells what the link does not do: its faults are its own."""
    faults = (
        DishFault(at=S, wrong=5 * S, says="connected"),
        DishFault(at=20 * S, wrong=60 * S, says="outage"),
    )
    place = places(Dish(faults=faults), [Event(at=2 * S, outage=15 * S)])
    place.until(int(3.5 * S))
    at_ns, rosy = place.ask()
    place.until(int(8 * S))
    true_ns, true = place.ask()
    place.until(21 * S)
    _, gloomy = place.ask()

    assert at_ns > 6 * S or "outage" not in rosy
    assert at_ns > 6 * S or 0 == rosy.get("pop_ping_drop_rate", 0)
    assert true_ns > 17 * S or "NO_DOWNLINK" == true["outage"]["cause"]
    assert ("NO_DOWNLINK", 1) == (gloomy["outage"]["cause"], gloomy["pop_ping_drop_rate"])


def test_a_dish_can_hang(places: Any) -> None:
    """A question gets no answer while it does, whoever asks, and the connection stands."""
    place = places(Dish(faults=(DishFault(at=S, hangs=5 * S),)))
    place.until(int(1.5 * S))
    asked_ns = time.time_ns() - place.start_ns
    answered_ns, told = place.ask()

    assert asked_ns > S
    assert asked_ns >= 6 * S or answered_ns >= 6 * S
    assert "device_info" in told


def test_an_old_firmware_leaves_the_latency_out(places: Any) -> None:
    """2024.11 has it in its history alone."""
    place = places(Dish(firmware="2024.11"))
    place.until(2 * S)

    _, status = place.ask()
    _, history = place.ask("history")

    assert "pop_ping_latency_ms" not in status
    assert "2024.11.18.mr46048.1" == status["device_info"]["software_version"]
    newest = history["pop_ping_latency_ms"][(int(history["current"]) - 1) % 900]
    assert RTT_MS == pytest.approx(newest, abs=0.01)
