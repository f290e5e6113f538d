"""When a hub believes its dish, and how it reads what the dish says."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from testbed.dish import protocol
from testbed.dish.sky import Sky
from testbed.dish.terminal import Terminal
from testbed.model.dish import Dish
from testbed.model.event import Event
from testbed.model.failover import DishAware
from testbed.paths import SCENARIOS
from testbed.traces import store
from testbed.traces.compile import compile_link

S = 10**9
PROGRAM = Path(__file__).parents[3] / "playbooks" / "roles" / "failover" / "dish-aware" / "files" / "dish.py"


@pytest.fixture(scope="module")
def dish() -> ModuleType:
    """The program as it is installed on hubs."""
    spec = importlib.util.spec_from_file_location("dish_program", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("answers", "beliefs"),
    [
        ("+-+-+-", "......"),  # one answer is no outage
        ("+--+", "..DD"),
        ("--+++-+", ".DDDDDD"),  # an answer in between begins anew
        ("--++++", ".DDDD."),
        ("--??--", ".DD..D"),  # a dish that is silent is not believed
        ("-?-", "..."),
    ],
)
def test_it_is_believed_after_answers_in_a_row(answers: str, beliefs: str, dish: ModuleType) -> None:
    """Two that tell an outage take the uplink out, four without let it back; + connected, - an outage, ? silent."""
    belief = dish.Belief(fall=2, rise=4)
    meant = {"+": False, "-": True, "?": None}

    assert beliefs == "".join(".D"[belief.observe(meant[answer])] for answer in answers)


def test_a_request_is_what_the_protocol_says(dish: ModuleType) -> None:
    """The body that the program writes by hand is a get_status of the compiled protocol."""
    asked = protocol.message("Request")(get_status={}).SerializeToString()

    assert dish.request("192.168.100.1:9200").endswith(b"\x00" + struct.pack(">I", len(asked)) + asked)


def test_what_a_dish_says_is_found_in_its_bytes(dish: ModuleType) -> None:
    """Outage, cause and drop rate lie where the compiled protocol puts them, among much else."""
    response = protocol.message("Response")(id=7)
    status = response.dish_get_status
    status.device_info.id, status.device_state.uptime_s = "ut1", 2**40
    status.pop_ping_drop_rate, status.pop_ping_latency_ms = 0.25, 31.5
    status.outage.cause, status.outage.start_timestamp_ns = 6, 2**62

    found = dish.fields(dish.fields(response.SerializeToString())[dish.DISH_GET_STATUS])

    assert 0.25 == struct.unpack("<f", found[dish.POP_PING_DROP_RATE])[0]
    assert "OBSTRUCTED" == dish.CAUSES[dish.fields(found[dish.OUTAGE])[1]]


def test_the_causes_are_the_protocol_s(dish: ModuleType) -> None:
    """Each has its number."""
    known = protocol.message("DishOutage").Cause

    assert list(dish.CAUSES) == [known.Name(number) for number in range(len(dish.CAUSES))]


def _phases(name: str) -> Iterator[tuple[int, list[tuple[int, bool, float]]]]:
    """Yield when an outage begins, in each of the 15 phases of a slot, and what a dish answers every half second until
    4 s later, asked at five times of each: when, whether it tells an outage, and what of its pings was lost."""
    trace = store.read(SCENARIOS / "traces" / f"{name}.parquet")
    for phase in range(15):
        begun_ns = (40 + phase) * S
        pair = compile_link(
            trace, duration_ns=60 * S, seed=7, align="slot", repeat=True, events=[Event(at=begun_ns, outage=4 * S)]
        )
        terminal = Terminal(Sky(pair.up, pair.down), Dish())
        for first_ns in range(0, S // 2, S // 10):
            asked = range(first_ns, begun_ns + 4 * S, S // 2)
            yield begun_ns, [(t, terminal.outage(t) is not None, terminal.pings(t - S, t).drop) for t in asked]


@pytest.mark.parametrize(
    ("name", "fall", "drop", "false", "worst_s"),
    [
        ("starlink-isl", 1, 0.5, 195, 0.5),
        ("starlink-isl", 2, 0.5, 195, 1.0),
        ("starlink-isl", 2, 1.0, 39, 1.0),
        ("starlink-isl", 3, 0.5, 38, 1.5),
        ("starlink-isl", DishAware.fall, DishAware.drop, 0, 1.5),
        ("starlink-bent-pipe", 2, 0.5, 0, 1.0),
    ],
)
def test_how_soon_it_is_believed_costs_false_alarms_at_handovers(
    name: str, fall: int, drop: float, false: int, worst_s: float, dish: ModuleType
) -> None:
    """The table of docs/provisioning.md: 75 outages over the phases of the slots, after 200 handovers."""
    alarms, seen_s = 0, list[float]()
    for begun_ns, answers in _phases(name):
        belief = dish.Belief(fall=fall, rise=4)
        before, after = False, None
        for t_ns, tells, lost in answers:
            down = belief.observe(tells or lost >= drop)
            alarms += down and not before and t_ns < begun_ns
            if down and t_ns >= begun_ns and after is None:
                after = (t_ns - begun_ns) / S
            before = down
        assert after is not None
        seen_s.append(after)

    assert (false, worst_s) == (alarms, max(seen_s))
