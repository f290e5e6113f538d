"""What can be done to a lab that stands, and what it shows: the answers to the asks of testbed.standing.protocol."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from testbed.errors import InputError, did_you_mean
from testbed.lab.network import written_logs
from testbed.link import bridge
from testbed.link.backend import Change, LinkEvent, Restore
from testbed.link.backend import outage as an_outage
from testbed.model.ends import End
from testbed.model.link import Direction, LinkState
from testbed.run.bringup import Rig
from testbed.run.job import Job
from testbed.run.live import words
from testbed.standing import hands, protocol
from testbed.standing.hands import Deed, Journal
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
    until_ns: int | None

    def __post_init__(self) -> None:
        self.journal = Journal(self.job.schedules)
        self.ends: tuple[End, ...] = ()
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
            "nodes": {name: str(node.kind) for name, node in topology.nodes.items()},
            "objectives": [objective.title for objective in self.job.scenario.objectives],
            "by_hand": list(self.journal.titles),
            "ends": list(map(str, self.ends)),
            **self.sampler()(),
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

    def inject(self, link: str, direction: Direction | None, event: LinkEvent) -> None:
        """Have the engine change a link. Raises RunError."""
        with self._links:
            self.lab.links.inject(link, direction, event)

    def check_link(self, link: str) -> None:
        """Raise InputError where there is no such link."""
        if link not in self.job.schedules:
            expected = did_you_mean(link, self.job.schedules)
            raise InputError("", f"lab {self.name} has no link {link!r}", expected)

    def _touch(self, link: str, way: str, change: LinkEvent, title: str) -> Values:
        self.check_link(link)
        direction = None if way == "both" else Direction(way)
        said = title if direction is None else f"{title} ({direction} alone)"
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
            marked = {link: counters[link, Direction.UP].marked_out for link in self.job.schedules}
            seen.append(marked)
            links = {
                link: {
                    str(direction): {**asdict(counters[link, direction]), **self._does(link, direction, now_ns)}
                    for direction in Direction
                }
                for link in self.job.schedules
            }
            traffic = {name: words(probe.poll()) for name, probe in self.lab.probes.items()}
            lasting = [event.title for event in self.journal.played if event.at <= now_ns < event.end_ns]
            return {
                "t_ns": now_ns,
                "links": links,
                "carrier": _carrier(seen),
                "traffic": traffic,
                "events": lasting,
            }

        return sample

    def _does(self, link: str, direction: Direction, t_ns: int) -> Values:
        """Return what a direction of a link is told to do at a time, by its schedule and by hand."""
        by_hand = self.journal.by_hand(link, direction, t_ns)
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
