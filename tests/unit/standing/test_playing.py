"""Events that are played in a lab that stands: read whole, and told to the links."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.link.backend import LinkEvent
from testbed.model.event import Event
from testbed.model.link import Direction, LinkState
from testbed.run.bringup import Rig
from testbed.run.job import Job, pack, unpack
from testbed.standing import made, playing
from testbed.standing.playing import Players

S = 10**9


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The job of a lab of a topology."""
    folder = tmp_path_factory.mktemp("lab")
    pack(made.make(made.find("hub-two-uplinks"), (), None, 60 * S, folder), folder)
    return unpack(folder)


def test_events_are_read_alone_or_from_a_scenario(job: Job) -> None:
    """Of a scenario nothing but its events counts; they may last longer than the lab has."""
    alone = "events:\n  - {at: 50 s, uplink: lte, outage: 30 s}\n  - {at: 1 s, tenant_errors: 2 s}\n"
    assert ("lte outage 30 s", "tenant errors 2 s") == tuple(e.title for e in playing.read(alone, "e.yaml", job))
    text = (paths.SCENARIOS / "starlink-blackout.yaml").read_text()
    assert (Event(30 * S, "starlink", outage=25 * S),) == playing.read(text, "starlink-blackout.yaml", job)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {at: 1 s}\n", "e.yaml:1: event file is not a mapping; write 'key: value' pairs"),
        ("events: []\n", "e.yaml: no event; write one: 'events: [{at: 0 s, uplink: NAME, outage: 10 s}]'"),
        ("events: [{at: 0 s, uplink: geo, outage: 1 s}]", "e.yaml:1: unknown uplink 'geo'; known: lte, starlink"),
        ("events: [{at: 0 s, uplink: lte}]", "e.yaml:1: the event has no fault that lasts"),
        ("events: [{at: 0 s, target_down: 5 s, address: 1.2.3.4}]", "e.yaml:1: the hub does not ping 1.2.3.4"),
        (
            "events:\n- {at: 0 s, uplink: lte, outage: 5 s}\n- {at: 4 s, uplink: lte, hold: 5 s}",
            "e.yaml:3: lte hold 5 s at 4 s overlaps lte outage 5 s at 0 s (line 2); begin at 5 s or later",
        ),
        ("a: [", "e.yaml:1: not YAML"),
    ],
)
def test_what_cannot_happen_here_is_refused_whole(job: Job, text: str, said: str) -> None:
    """Before anything begins, with its line."""
    with pytest.raises(InputError, match=re.escape(said)):
        playing.read(text, "e.yaml", job)


def test_links_are_told_at_their_instants(job: Job) -> None:
    """Each direction, until the event's end; what is due is told at once."""
    told: list[tuple[str, Direction | None, LinkEvent]] = []
    all_told = threading.Event()

    def inject(link: str, direction: Direction | None, event: LinkEvent) -> None:
        told.append((link, direction, event))
        if 4 == len(told):
            all_told.set()

    lab = cast(Rig, SimpleNamespace(site=None, actors=[]))
    players = Players(lab, job.schedules, time.time_ns(), inject)
    events = [Event(0, "lte", outage=600 * S), Event(0, "starlink", brownout=600 * S, loss=0.1)]
    players.play(events, pytest.fail)

    assert all_told.wait(60)
    players.stop()
    assert {(link, way) for link in ("lte", "starlink") for way in Direction} == {(link, way) for link, way, _ in told}
    changes: dict[str, Any] = {link: event for link, _, event in told}
    assert LinkState.CUT == changes["lte"].state
    assert 0.1 == pytest.approx(changes["starlink"].loss)
    assert 0 < changes["lte"].for_ns <= 600 * S


def test_what_is_being_played_is_not_played_over() -> None:
    """On the same link; another one, or later, is free."""
    lasts = [Event(10 * S, "lte", outage=20 * S)]
    assert [] == list(playing.clashing([Event(10 * S, "starlink", outage=S), Event(30 * S, "lte", outage=S)], lasts))
    (problem,) = playing.clashing([Event(12 * S, "lte", hold=S)], lasts)
    assert "lte hold 1 s overlaps lte outage 20 s, which is being played; wait until 30 s of the lab" == str(problem)
    assert 1 == len(list(playing.clashing([Event(5 * S, "lte", hold=10 * S)], lasts)))


def test_a_file_that_is_no_text_is_refused(job: Job, tmp_path: Path) -> None:
    """As a file that is empty is."""
    with pytest.raises(InputError, match="e.yaml: the file is empty; write a event file"):
        playing.read("", "e.yaml", job)
