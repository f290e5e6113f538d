"""When a hub believes its dish, and how it reads what the dish says."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from types import ModuleType

import pytest

from testbed.dish import protocol

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
