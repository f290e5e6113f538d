#!/usr/bin/env python3
"""Sends new flows to the hub's second uplink while its preferred one is congested.

    overflow SETTINGS.json

Twice a second it reads the preferred uplink's queueing delay from pings, and both uplinks' throughput from
the ports' counters. A flow stays where it began. What a dead uplink needs is done by others: while
`/etc/hub/uplinks avoid` has taken one of the two out, no flow overflows. Changes are logged with their
time in /var/log/hub/overflow.jsonl. It needs nft, conntrack, ping, and nothing of Python but its library.
"""

import json
import re
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

LOG = Path("/var/log/hub/overflow.jsonl")
STATE = Path("/run/hub")
MINUTE_S = 60.0
MINUTES = 10  # the lowest delay of so long is the uplink's own
RULES = """
add table ip overflow
delete table ip overflow
table ip overflow {{
    chain choose {{
        ct mark set {preferred_table}
    }}
    chain steer {{
        meta l4proto != {{ tcp, udp }} return
        fib daddr type local return
        ct mark 0 jump choose
        ct mark {second_table} meta mark set ct mark
    }}
    chain lan {{
        type filter hook prerouting priority mangle
        iifname {lan} jump steer
    }}
    chain own {{
        type route hook output priority mangle
        jump steer
    }}
}}
"""
ROUTING = """
while ip rule delete priority 800 lookup main suppress_prefixlength 0 2>/dev/null; do :; done
while ip rule delete priority 801 fwmark {second_table} lookup {second_table} 2>/dev/null; do :; done
ip rule add priority 800 lookup main suppress_prefixlength 0
ip rule add priority 801 fwmark {second_table} lookup {second_table}
"""
"""What lies nearer than a default route is reached as ever; marked flows take the second uplink's own table."""


class Lowest:
    """The lowest value of the last minutes."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, float]] = deque(maxlen=MINUTES)

    def of(self, value: float, now_s: float) -> float:
        """Take a value in, and return the lowest."""
        minute = int(now_s / MINUTE_S)
        if self._minutes and self._minutes[-1][0] == minute:
            value = min(value, self._minutes.pop()[1])
        self._minutes.append((minute, value))
        return min(lowest for _, lowest in self._minutes)


class Congestion:
    """Whether the preferred uplink is congested, with hysteresis."""

    def __init__(
        self, busy_ms: float, calm_ms: float, enter: int, leave: int, retry: int, share: float
    ) -> None:
        self.overflowing = False
        self._busy_ms, self._calm_ms, self._share = busy_ms, calm_ms, share
        self._enter, self._leave, self._retry = enter, leave, retry
        self._streak = self._free = 0
        self._full_bps = 0.0

    def observe(self, queueing_ms: float, preferred_bps: float, both_bps: float) -> bool:
        """Take a measurement in; return whether new flows overflow from now on.

        The throughput of the congested preferred uplink is what it can carry: flows come back when the
        two uplinks together carry clearly less, or when it has not been congested for so long that it
        may carry more by now.
        """
        busy = queueing_ms > self._busy_ms
        if busy:
            self._full_bps = max(self._full_bps, preferred_bps)
        elif not self.overflowing:
            self._full_bps = 0.0
        calm = queueing_ms < self._calm_ms and both_bps <= self._share * self._full_bps
        self._streak = self._streak + 1 if (calm if self.overflowing else busy) else 0
        self._free = 0 if busy else self._free + 1
        if self.overflowing:
            change = self._streak >= self._leave or self._free >= self._retry
        else:
            change = self._streak >= self._enter
        if change:
            self.overflowing, self._streak, self._free = not self.overflowing, 0, 0
            self._full_bps *= self.overflowing
        return self.overflowing


class Pings:
    """Pings through a port, at an interval, for ever."""

    def __init__(self, interface: str, target: str, interval_s: float) -> None:
        self._command = ["ping", "-I", interface, "-i", f"{interval_s:g}", target]
        self._interval_s, self._lowest = interval_s, Lowest()
        self._answers: deque[tuple[float, float]] = deque(maxlen=1)
        threading.Thread(target=self._run, daemon=True).start()

    def rtt_ms(self) -> float:
        """Return the last answer's round-trip time; infinite where none has come for two intervals."""
        at_s, rtt_ms = self._answers[-1] if self._answers else (0.0, 0.0)
        return rtt_ms if time.monotonic() - at_s < 2 * self._interval_s else float("inf")

    def queueing_ms(self) -> float:
        """Return the round-trip time above the lowest one; infinite without an answer."""
        rtt_ms = self.rtt_ms()
        return rtt_ms - self._lowest.of(rtt_ms, time.monotonic()) if rtt_ms < float("inf") else rtt_ms

    def _run(self) -> None:
        while True:
            ping = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for line in ping.stdout or ():
                if found := re.search(r"time=([\d.]+) ms", line):
                    self._answers.append((time.monotonic(), float(found[1])))
            ping.wait()
            time.sleep(self._interval_s)  # the port has no address, for the moment


class Meter:
    """The throughput of a port, in both directions together."""

    def __init__(self, interface: str) -> None:
        self._interface, self._bytes, self._at_s = interface, self._count(interface), time.monotonic()

    def bps(self) -> float:
        """Return the mean since the last call, in bit/s."""
        now, now_s = self._count(self._interface), time.monotonic()
        mean = 8 * (now - self._bytes) / max(now_s - self._at_s, 1e-3)
        self._bytes, self._at_s = now, now_s
        return mean

    @staticmethod
    def _count(interface: str) -> int:
        for line in Path("/proc/net/dev").read_text().splitlines():
            name, _, counters = line.partition(":")
            if name.strip() == interface:
                received, sent = counters.split()[0], counters.split()[8]
                return int(received) + int(sent)
        return 0


def say(**event: object) -> None:
    """Write a line to the log."""
    with LOG.open("a") as log:
        log.write(json.dumps({"at_ns": time.time_ns(), **event}) + "\n")


def nft(script: str) -> None:
    """Change the rules, all or nothing."""
    subprocess.run(["nft", "--file", "-"], input=script, text=True, check=True)


def main(settings: dict) -> None:
    """Measure and steer until killed."""
    subprocess.run(["sh", "-euc", ROUTING.format(**settings)], check=True)
    nft(RULES.format(**settings))
    keys = ("busy_ms", "calm_ms", "enter", "leave", "retry", "share")
    congestion = Congestion(**{key: settings[key] for key in keys})
    pings = [Pings(settings["preferred"], target, settings["interval_s"]) for target in settings["targets"]]
    preferred, second = Meter(settings["preferred"]), Meter(settings["second"])
    taken_out = [STATE / f"{settings[key]}.avoid" for key in ("preferred", "second")]
    steering = False
    while True:
        time.sleep(settings["interval_s"])
        queueing_ms = min(to_target.queueing_ms() for to_target in pings)
        preferred_bps, second_bps = preferred.bps(), second.bps()
        dead = any(path.exists() for path in taken_out)
        wanted = congestion.observe(queueing_ms, preferred_bps, preferred_bps + second_bps) and not dead
        if wanted == steering:
            continue
        steering = wanted
        table = settings["second_table" if steering else "preferred_table"]
        nft(f"flush chain ip overflow choose\nadd rule ip overflow choose ct mark set {table}\n")
        if dead:  # what had overflowed goes where all goes now
            forget = ["conntrack", "--delete", "--mark", str(settings["second_table"])]
            subprocess.run(forget, capture_output=True, check=False)
        say(
            overflow=steering,
            queueing_ms=None if queueing_ms == float("inf") else round(queueing_ms, 1),
            preferred_bps=round(preferred_bps),
            second_bps=round(second_bps),
        )


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
