"""A dish as its requests find it: fills the messages from the terminal's view and the link's counters."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import grpc

from testbed.dish import obstructions, protocol
from testbed.dish.history import DishSecond, Rings
from testbed.dish.terminal import BEFORE_S, RING_S, Restart, Terminal
from testbed.model.dish import FIRMWARES

S = 10**9
GPS_EPOCH_NS = (315964800 - 18) * S
"""GPS time counts from 1980-01-06 and has no leap seconds: 18 fewer since 2017."""
_LATENCY_UNKNOWN_MS = -1.0


class Throughput(NamedTuple):
    """Bytes of Ethernet frames that have left the link so far."""

    down: int
    up: int


class LinkOrders(Protocol):
    """What the dish reads of its link, and does to it where it is told to restart or to stow."""

    def bytes_out(self) -> Throughput:
        """Return what has left the link so far."""

    def restart(self, begun: Restart) -> None:
        """Cut the link, and the port towards the hub for a part of it."""

    def stow(self, stowed: bool) -> None:
        """Cut the link until told otherwise."""


class Refusal(Exception):
    """A request that the dish does not answer, with gRPC's code for it."""

    def __init__(self, code: Any, text: str) -> None:
        super().__init__(text)
        self.code = code


class Device:
    """One dish; ``now_ns`` gives the time since the run's start, ``start_ns`` is that in CLOCK_REALTIME."""

    def __init__(self, name: str, terminal: Terminal, link: LinkOrders, clock: Callable[[], int]) -> None:
        self._name, self._terminal, self._link, self._clock = name, terminal, link, clock
        self._start_ns: int | None = None
        self._rings, self._booted = Rings(), 0
        self._last = (clock(), link.bytes_out())
        self._second = DishSecond(0, 0, 0, 0)
        self._frozen: bytes | None = None
        self._lock = threading.Lock()
        idle = self._measured(-2 * S, -S, 0, 0)
        self._rings.current = BEFORE_S - RING_S
        for _ in range(RING_S):
            self._rings.add(idle)
        self._stopped = self._rings.kept()  # as they were before a fault that freezes them

    def start(self, start_ns: int) -> None:
        """The run's first instant; what comes before it is as it was at rest."""
        self._start_ns = start_ns

    @property
    def t_ns(self) -> int:
        """Now, in ns since the run's start; without one, long before it."""
        return self._clock() - self._start_ns if self._start_ns is not None else -S

    @property
    def answers(self) -> bool:
        """Whether its API is up."""
        return self._terminal.answers(self.t_ns)

    @property
    def next_change_s(self) -> float | None:
        """How long until its API goes or comes; None: it stays."""
        t_ns = self.t_ns
        edge = self._terminal.next_change(t_ns) if self._start_ns is not None else None
        return None if edge is None else (edge - t_ns) / S

    def tick(self) -> None:
        """Take the last second into the rings; a dish that has restarted begins with empty ones."""
        now_ns, t_ns = self._clock(), self.t_ns
        before_ns, before = self._last
        bytes_out = self._link.bytes_out()
        bits_s = 8 * S / max(now_ns - before_ns, 1)
        down, up = (max(0, b - a) * bits_s for a, b in zip(before, bytes_out, strict=True))
        second = self._measured(t_ns - S, t_ns, down, up)
        with self._lock:
            self._last, self._second = (now_ns, bytes_out), second
            if (boots := self._terminal.boots(t_ns)) != self._booted:
                self._rings, self._booted = Rings(), boots
            self._rings.add(second)
            fault = self._terminal.fault(t_ns - 1)  # as that second was
            if fault is None or fault.says != "frozen":
                self._stopped = self._rings.kept()

    def hangs(self) -> bool:
        """Whether it answers no question at the moment."""
        fault = self._terminal.fault(self.t_ns)
        return fault is not None and fault.hangs > 0

    def handle(self, request: Any) -> Any:
        """Return the answer to a request. Raises Refusal."""
        asked = request.WhichOneof("request")
        answer = protocol.message("Response")(id=request.id)
        with self._lock:
            if asked in ("get_status", "get_history", "dish_get_obstruction_map"):
                self._tell(asked, answer)
            elif asked == "get_device_info":
                self._device_info(answer.get_device_info.device_info)
            elif asked == "get_location":
                raise Refusal(
                    grpc.StatusCode.PERMISSION_DENIED, "GetLocation requests are not enabled on this device"
                )
            elif asked == "reboot":
                answer.reboot.SetInParent()
                self._link.restart(self._terminal.restart(self.t_ns))
            elif asked == "dish_stow":
                answer.dish_stow.SetInParent()
                if self._terminal.stow(self.t_ns, request.dish_stow.unstow):
                    self._link.stow(self._terminal.is_stowed)
            elif asked == "dish_clear_obstruction_map":
                answer.dish_clear_obstruction_map.SetInParent()
                self._terminal.cleared_ns = self.t_ns
            else:
                raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"Unimplemented: {asked or 'no request'}")
        return answer

    def _measured(self, begin_ns: int, end_ns: int, down_bps: float, up_bps: float) -> DishSecond:
        pings = self._terminal.pings(begin_ns, end_ns)
        return DishSecond(pings.drop, pings.latency_ms or 0.0, down_bps, up_bps)

    def _tell(self, asked: str, answer: Any) -> None:
        """Fill in status or history, or what a dish that is wrong says instead."""
        t_ns = self.t_ns
        fault = self._terminal.fault(t_ns)
        if fault is None or fault.says != "frozen":
            self._frozen = None
        elif self._frozen is None:
            self._frozen = self._status(fault.at, None).SerializeToString()
        told_ns = t_ns if self._frozen is None or fault is None else fault.at
        if asked == "get_history":
            self._history(answer.dish_get_history, told_ns, self._rings if self._frozen is None else self._stopped)
        elif asked == "dish_get_obstruction_map":
            _tell_map(answer.dish_get_obstruction_map, self._terminal.sky_map(told_ns))
        elif self._frozen is not None:
            answer.dish_get_status.ParseFromString(self._frozen)
        else:
            answer.dish_get_status.CopyFrom(self._status(t_ns, fault.says if fault else None))

    def _status(self, t_ns: int, says: str | None) -> Any:
        status = protocol.message("DishGetStatusResponse")()
        terminal = self._terminal
        pings, outage = terminal.pings(t_ns - S, t_ns), terminal.outage(t_ns)
        if says == "connected":
            pings, outage = terminal.pings(-2 * S, -S), None
        self._device_info(status.device_info)
        status.device_state.uptime_s = self._uptime_s(t_ns)
        status.pop_ping_drop_rate = pings.drop
        tells = FIRMWARES[terminal.dish.firmware].tells_latency
        if outage is not None or says == "outage":
            began_ns, cause = (outage.start_ns, outage.cause) if outage else (t_ns - S, "NO_DOWNLINK")
            _tell_outage(status.outage, cause, self._gps_ns(began_ns), t_ns - began_ns)
            status.pop_ping_latency_ms, status.pop_ping_drop_rate = _LATENCY_UNKNOWN_MS, 1.0
        elif tells and pings.latency_ms is not None:
            status.pop_ping_latency_ms = pings.latency_ms
        status.downlink_throughput_bps = self._second.down_bps
        status.uplink_throughput_bps = self._second.up_bps
        self._sky(status, t_ns)
        status.stow_requested = terminal.is_stowed
        return status

    def _sky(self, status: Any, t_ns: int) -> None:
        terminal, connected = self._terminal, not status.HasField("outage")
        obstruction = status.obstruction_stats
        obstruction.valid_s = float(self._uptime_s(t_ns))
        outage = terminal.outage(t_ns)
        obstruction.currently_obstructed = outage is not None and outage.cause == "OBSTRUCTED"
        obstruction.time_obstructed = terminal.obstructed_ns(t_ns) / S
        obstruction.fraction_obstructed = obstruction.time_obstructed / max(obstruction.valid_s, 1.0)
        status.gps_stats.gps_valid, status.gps_stats.gps_sats = True, 12
        status.is_snr_above_noise_floor = connected
        status.eth_speed_mbps = 1000
        status.boresight_elevation_deg = 65.0
        status.has_actuators, status.software_update_state, status.disablement_code = 2, 1, 1
        for part in status.ready_states.DESCRIPTOR.fields:
            setattr(status.ready_states, part.name, connected)

    def _history(self, history: Any, t_ns: int, rings: Rings) -> None:
        history.current = rings.current
        for name, values in rings.columns():
            getattr(history, name).extend(values)
        for outage in self._terminal.outages(t_ns):
            lasted_ns = (outage.end_ns or t_ns) - outage.start_ns
            _tell_outage(history.outages.add(), outage.cause, self._gps_ns(outage.start_ns), lasted_ns)

    def _device_info(self, info: Any) -> None:
        info.id = f"ut00000000-testbed-{self._name}"
        info.hardware_version = "rev3_proto2"
        info.software_version = FIRMWARES[self._terminal.dish.firmware].version
        info.country_code = "KE"
        info.bootcount = 1 + self._terminal.boots(self.t_ns)
        info.generation_number = 1

    def _uptime_s(self, t_ns: int) -> int:
        return (t_ns - self._terminal.up_since(t_ns)) // S

    def _gps_ns(self, t_ns: int) -> int:
        return (self._start_ns or self._clock()) + t_ns - GPS_EPOCH_NS


def _tell_map(told: Any, snr: list[float]) -> None:
    told.num_rows = told.num_cols = obstructions.SIZE
    told.min_elevation_deg, told.max_theta_deg = obstructions.MIN_ELEVATION_DEG, obstructions.MAX_THETA_DEG
    told.snr.extend(snr)


def _tell_outage(told: Any, cause: str, start_gps_ns: int, lasted_ns: int) -> None:
    with suppress(ValueError):  # a cause that the protocol does not know is UNKNOWN
        told.cause = type(told).Cause.Value(cause)
    told.start_timestamp_ns, told.duration_ns, told.did_switch = start_gps_ns, lasted_ns, False
