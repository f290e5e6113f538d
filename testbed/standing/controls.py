"""What can be done to a lab that stands, and what it shows: the answers to the asks of testbed.standing.protocol."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from testbed.errors import InputError, RunError, did_you_mean
from testbed.lab.network import written_logs
from testbed.link import bridge
from testbed.link.backend import Change, Counters, LinkEvent, Restore
from testbed.link.backend import outage as an_outage
from testbed.model.ends import End
from testbed.model.link import Direction, LinkState
from testbed.run.bringup import Rig
from testbed.run.job import FOLDER, Job
from testbed.run.live import words
from testbed.standing import checking, hands, playing, protocol, saved
from testbed.standing.hands import Deed, Journal
from testbed.standing.playing import Players
from testbed.standing.protocol import Values
from testbed.units import format_duration, parse_duration

STATES = {LinkState.PASS: "up", LinkState.CUT: "dark", LinkState.HOLD: "held"}
_FOR = re.compile(r"(?P<values>.+?)\s+for\s+(?P<time>\S.*)")
_CARRIER_LOOKS = 5
"""Over so many samples an uplink must have carried the heartbeat's mark, and more than the others."""


@dataclass
class Controls:
    """The hands on a lab: ``start_ns`` is its start, ``until_ns`` its end (CLOCK_REALTIME)."""

    name: str
    job: Job
    lab: Rig
    folder: Path
    start_ns: int
    until_ns: int
    over: bool = False
    """A run is over and judged, and its lab is held."""
    hands: bool = True
    """It can be touched; not so as long as a run that is judged goes on."""

    def __post_init__(self) -> None:
        self.journal = Journal(self.job.schedules)
        self.ends: tuple[End, ...] = ()
        self.troubles: tuple[str, ...] = ()
        self.players = Players(self.lab, self.job.schedules, self.start_ns, self.inject)
        self._marked: deque[Mapping[str, int]] = deque(maxlen=2)
        self._told: dict[tuple[str, Direction], dict[str, tuple[Any, int]]] = {}
        self._hands = threading.Lock()  # one thing is done at a time
        self._links = threading.Lock()  # of the engine's one control connection

    @property
    def now_ns(self) -> int:
        """The time since the lab's start."""
        return time.time_ns() - self.start_ns

    def note(self, ends: Iterable[End]) -> None:
        """Take note of parts that have ended unasked."""
        self.ends += tuple(ends)

    def asks(self) -> Mapping[str, tuple[type, Callable[[Any], Values]]]:
        """Return what can be asked."""
        return {
            "state": (protocol.AskState, self.state),
            "command": (protocol.AskCommand, self.command),
            "log": (protocol.AskLog, self.log),
            "set": (protocol.AskSet, self.set),
            "outage": (protocol.AskOutage, self.outage),
            "play": (protocol.AskPlay, self.play),
            "check": (protocol.AskCheck, self.check),
            "save": (protocol.AskSave, self.save),
        }

    def state(self, _: protocol.AskState) -> Values:
        """Return what stands."""
        topology = self.job.topology
        return {
            "name": self.name,
            "what": self.job.manifest.name,
            "topology": self.job.scenario.topology,
            "started_ns": self.start_ns,
            "until_ns": self.until_ns,
            "hands": self.hands,
            "nodes": {name: str(node.kind) for name, node in topology.nodes.items()},
            "objectives": [objective.title for objective in self.job.scenario.objectives],
            "by_hand": list(self.journal.titles(self.now_ns)),
            "ends": list(map(str, self.ends)),
            "troubles": list(self.troubles),
            **self.sampler()(),
            "carrier": _carrier([*self._marked, self._marks()]),
        }

    def command(self, asked: protocol.AskCommand) -> Values:
        """Return the command line that runs a command on a node."""
        devices = self.lab.network.devices
        if asked.node not in devices:
            raise InputError("", f"lab {self.name} has no node {asked.node!r}", did_you_mean(asked.node, devices))
        return {"argv": devices[asked.node].argv(asked.command)}

    def log(self, asked: protocol.AskLog) -> Values:
        """Return a node's logs: what it wrote to its /var/log, and what its services said."""
        nodes = self.job.topology.nodes
        if asked.node not in nodes:
            raise InputError("", f"lab {self.name} has no node {asked.node!r}", did_you_mean(asked.node, nodes))
        services = sorted((self.folder / "logs").glob(f"*-{asked.node}.log"))
        tenant = [self.folder / "logs" / "azurite.log"] if asked.node == self.job.topology.tenant.name else []
        found = [*written_logs(asked.node), *services, *(path for path in tenant if path.exists())]
        return {"files": [str(path) for path in found if path.stat().st_size]}

    def set(self, asked: protocol.AskSet) -> Values:
        """Change a link; the engine undoes it when its time is over, whoever has gone meanwhile."""
        if asked.values.strip() == "schedule":
            return self._touch(asked.link, asked.direction, Restore(), f"{asked.link} as its schedule says")
        match = _FOR.fullmatch(asked.values.strip())
        for_ns = _duration(match["time"]) if match else None
        values = match["values"] if match else asked.values
        change = bridge.parse_values(values, "values").change(for_ns, "values")
        lasts = f" for {format_duration(for_ns)}" if for_ns is not None else ""
        return self._touch(asked.link, asked.direction, change, f"{asked.link} {values.strip()}{lasts}")

    def outage(self, asked: protocol.AskOutage) -> Values:
        """Interrupt a link for a time."""
        for_ns = _duration(asked.duration)
        word = "hold" if asked.hold else "outage"
        title = f"{asked.link} {word} {format_duration(for_ns)}"
        return self._touch(asked.link, asked.direction, an_outage(for_ns, hold=asked.hold), title)

    def play(self, asked: protocol.AskPlay) -> Values:
        """Play the events of a file from now on; all of it is checked first."""
        events = playing.read(asked.text, asked.file, self.job)
        with self._hands:
            now_ns = self.now_ns
            events = hands.later(events, now_ns + playing.LEAD_NS)
            lasting = [event for event in self.journal.played if event.end_ns > now_ns]
            if problems := list(playing.clashing(events, lasting)):
                raise InputError.of(problems)
            self.players.play(events, self._trouble)
            self.journal.played.extend(events)
        return {
            "t_ns": now_ns,
            "until_ns": max(event.end_ns for event in events),
            "events": [{"at_ns": event.at, "what": event.title} for event in events],
        }

    def check(self, asked: protocol.AskCheck) -> Values:
        """Judge the objectives, and keep what they were judged by."""
        if self.over:
            raise RunError(f"the run of {self.job.manifest.name} is over and judged, and its traffic has ended")
        last_ns = _duration(asked.last) if asked.last else None
        now_ns = self.now_ns
        events, _ = self.journal.events(now_ns)
        touched = self.journal.titles(now_ns)
        checked = checking.check(
            self.job,
            self.lab,
            self.folder,
            self.start_ns,
            last_ns=last_ns,
            events=events,
            touched=touched,
            ends=self.ends,
        )
        return {
            "folder": str(checked.folder),
            "window_ns": list(checked.window_ns),
            "objectives": [
                {
                    "title": replace(objective, window=None).title,
                    "value": verdict.measured,
                    "bound": verdict.bound_text,
                    "word": checking.words(verdict),
                    "reason": verdict.reason,
                }
                for objective, verdict in zip(self.job.scenario.objectives, checked.verdicts, strict=True)
            ],
            "by_hand": list(touched),
        }

    def save(self, _: protocol.AskSave) -> Values:
        """Return what was done by hand, as the events of a scenario."""
        now_ns = self.now_ns
        events, notes = self.journal.events(now_ns)
        last_ns = max([now_ns, *(event.end_ns for event in events)])
        return {
            "scenario": str(self.folder / FOLDER / "scenario.yaml"),
            "events": [saved.written(event) for event in events],
            "notes": list(notes),
            "lasted_ns": last_ns,
        }

    def look(self) -> None:
        """Take note of who carries, and of events that could not be played."""
        self._marked.append(self._marks())
        for said in self.players.look():
            self._trouble(said)

    def _trouble(self, said: str) -> None:
        self.troubles += (said,)

    def inject(self, link: str, direction: Direction | None, event: LinkEvent) -> None:
        """Have the engine change a link. Raises RunError."""
        with self._links:
            self.lab.links.inject(link, direction, event)
            self._note(link, direction, event)

    def _note(self, link: str, direction: Direction | None, event: LinkEvent) -> None:
        """Remember what a link was told, and until when."""
        now_ns = self.now_ns
        for way in Direction if direction is None else (direction,):
            told = self._told.setdefault((link, way), {})
            if isinstance(event, Restore):
                told.clear()
                continue
            until_ns = hands.FOREVER if event.for_ns is None else now_ns + event.for_ns
            for name in hands.FIELDS:
                if (value := getattr(event, name)) is not None:
                    told[name] = (value, until_ns)

    def check_link(self, link: str) -> None:
        """Raise InputError where there is no such link."""
        if link not in self.job.schedules:
            expected = did_you_mean(link, self.job.schedules)
            raise InputError("", f"lab {self.name} has no link {link!r}", expected)

    def _touch(self, link: str, way: str, change: LinkEvent, title: str) -> Values:
        self.check_link(link)
        direction = None if way == "both" else Direction(way)
        said = title if direction is None else f"{title} ({direction} alone)"
        with self._hands:
            self.inject(link, direction, change)
            now_ns = self.now_ns
            self.journal.deeds.append(Deed(now_ns, link, direction, change, said))
        until_ns = now_ns + change.for_ns if isinstance(change, Change) and change.for_ns is not None else None
        return {"did": said, "t_ns": now_ns, "until_ns": until_ns}

    def sampler(self) -> Callable[[], Values]:
        """Return what samples the lab for one who watches: links' counters since the start, carrier, traffic."""
        seen: deque[Mapping[str, int]] = deque(maxlen=_CARRIER_LOOKS + 1)

        def sample() -> Values:
            now_ns = self.now_ns
            counters = self.lab.links.read()
            seen.append(self._marks(counters))
            links = {
                link: {
                    str(direction): {**asdict(counters[link, direction]), **self._does(link, direction, now_ns)}
                    for direction in Direction
                }
                for link in self.job.schedules
            }
            traffic = {name: words(probe.poll()) for name, probe in list(self.lab.probes.items())}
            lasting = [event.title for event in self.journal.played if event.at <= now_ns < event.end_ns]
            return {
                "t_ns": now_ns,
                "links": links,
                "carrier": _carrier(seen),
                "traffic": traffic,
                "events": lasting,
            }

        return sample

    def _marks(self, counters: Counters | None = None) -> Mapping[str, int]:
        """Return how many of the heartbeat's packets each link has carried."""
        counters = counters or self.lab.links.read()
        return {link: counters[link, Direction.UP].marked_out for link in self.job.schedules}

    def _does(self, link: str, direction: Direction, t_ns: int) -> Values:
        """Return what a direction of a link is told to do at a time, by its schedule and by hand."""
        told = self._told.get((link, direction), {}).copy()
        by_hand = hands.LinkValues(**{name: value for name, (value, until_ns) in told.items() if t_ns < until_ns})
        schedule = self.job.schedules[link]
        base = hands.at(schedule.up if direction is Direction.UP else schedule.down, max(t_ns, 0))
        now = hands.over(base, by_hand)
        state = STATES[now.state or LinkState.PASS]
        touched = by_hand != hands.LinkValues()
        return {**asdict(now), "state": state, "by_hand": touched}


def _carrier(seen: Sequence[Mapping[str, int]]) -> str | None:
    """Return the link that carried most of the heartbeat lately; None: nobody did, or it is not known yet."""
    gained = {link: count - seen[0][link] for link, count in seen[-1].items()}
    most = max(gained, key=lambda link: gained[link], default=None)
    return most if most is not None and gained[most] > 0 else None


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError("", repr(text), f"write {error}") from None
