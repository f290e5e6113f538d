"""The dish's status becomes a line a reply; silence is told once and ends nothing."""

import itertools

import grpc
import pytest
from google.protobuf import struct_pb2

from testbed.model.trace import EventKind
from testbed.traces import dish, store

S = 10**9


class Unreachable(grpc.RpcError):
    pass


def dish_that(*answers):
    """Return what asks a dish that gives these answers, or raises them."""
    given = iter(answers)

    def ask():
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def status(**fields):
    message = struct_pb2.Struct()
    message.update(fields)
    return message


def test_replies_are_lines_that_can_be_imported(tmp_path):
    """The times of asking and of the reply stand in front, in UTC; each reply is a reading at its time."""
    clock = itertools.count(1_700_000_000 * S, S // 4)
    outage = {"cause": "NO_PINGS", "startTimestampNs": str((1_700_000_001 - 315964800 + 18) * S)}
    ask = dish_that(
        status(popPingLatencyMs=31.5),
        status(popPingLatencyMs=33, popPingDropRate=0.5, outage=outage | {"durationNs": "400000000"}),
        status(popPingDropRate=1, outage=outage | {"durationNs": "900000000"}),
    )

    lines = list(
        itertools.islice(dish.replies(ask, "192.0.2.1:9200", lambda: next(clock), lambda _: None), 3)
    )
    (tmp_path / "dish.txt").write_text("".join(f"{line}\n" for line in lines))
    trace = store.import_file(tmp_path / "dish.txt")

    assert lines[0].startswith(
        "req: 2023-11-14T22:13:20.000000+00:00 | res: 2023-11-14T22:13:20.250000+00:00"
    )
    assert "dish-status 1" == trace.provenance.made_by
    assert 1_700_000_000 * S + S // 4 == trace.provenance.start_ns
    assert [31_500_000, 33_000_000, 0] == trace.probes.value.tolist()
    assert [False, False, True] == trace.probes.lost.tolist()
    event = trace.events[0]
    assert (EventKind.OUTAGE, "NO_PINGS", 3 * S // 4) == (event.kind, event.cause, event.t_ns)
    assert 1 == len(trace.events)


def test_silence_is_told_when_it_begins_and_ends(capsys):
    """A dish that reboots is asked again and again; the user hears of it twice, not every half second."""
    waits = []
    ask = dish_that(
        status(popPingLatencyMs=30),
        Unreachable(),
        Unreachable(),
        ValueError("no dish"),
        status(popPingLatencyMs=31),
    )

    lines = list(itertools.islice(dish.replies(ask, "192.0.2.1:9200", lambda: 0, waits.append), 2))

    assert 2 == len(lines)
    assert [0.5] * 4 == waits
    assert [
        "the dish at 192.0.2.1:9200 does not answer (Unreachable); it is asked again",
        "the dish at 192.0.2.1:9200 answers",
    ] == capsys.readouterr().err.splitlines()


def test_what_is_no_dish_s_failure_is_not_hidden():
    """A mistake of the program itself ends it."""
    with pytest.raises(ZeroDivisionError):
        next(dish.replies(dish_that(ZeroDivisionError()), "192.0.2.1:9200", lambda: 0))
