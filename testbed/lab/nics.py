"""The NICs of this host: what a bench may take, and how one is put back as it was."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from testbed.errors import HostError, Problem
from testbed.model.bench import Bench

LOCKS = Path("/run/lock")
ALIAS = "testbed NIC "
"""What a lent NIC has for an alias, followed by its own name."""

_TIMEOUT_S = 60.0
_FOREVER = 2**32 - 1


@dataclass(frozen=True)
class Nic:
    """A NIC as it is now. ``settings`` are the lines of ``ip -batch`` that bring it back to that."""

    name: str
    up: bool
    carrier: bool
    default_route: bool
    bridge: str = ""
    alias: str = ""
    settings: tuple[str, ...] = ()

    @classmethod
    def of(cls, link: Mapping[str, Any], routes: Sequence[Mapping[str, Any]]) -> Nic:
        """Return the NIC that ``ip -json address`` and ``ip -json route`` describe."""
        name, flags = link["ifname"], link["flags"]
        return cls(
            name=name,
            up="UP" in flags,
            carrier="LOWER_UP" in flags,
            default_route=any(route["dst"] == "default" and route.get("dev") == name for route in routes),
            bridge=link.get("master", ""),
            alias=link.get("ifalias", ""),
            settings=tuple(_settings(link, [route for route in routes if route.get("dev") == name])),
        )


def read() -> dict[str, Nic]:
    """Return the NICs of this network namespace by name, without its loopback. Raises HostError."""
    routes = [*_asked("route", "show"), *_asked("-6", "route", "show")]
    links = _asked("-details", "address", "show")  # without details it keeps the alias to itself
    return {link["ifname"]: Nic.of(link, routes) for link in links if "LOOPBACK" not in link["flags"]}


def problems(bench: Bench, nics: Mapping[str, Nic], lent_too: bool = False) -> Iterator[Problem]:
    """Yield why this host cannot lend its NICs to a bench; ``lent_too``: those that another run has will come back."""
    for name, place in bench.nics():
        nic = nics.get(name)
        if nic is None and is_lent(name):
            if lent_too:
                continue
            yield Problem(place, f"NIC {name!r} is lent to another run", "wait until that run is over")
        elif nic is None and (
            stray := next((nic for nic in nics.values() if nic.alias == ALIAS + name), None)
        ):
            expected = f"name it back: ip link set dev {stray.name} down name {name}"
            yield Problem(
                place, f"NIC {name!r} is called {stray.name!r} since its lender was killed", expected
            )
        elif nic is None:
            yield Problem(
                place, f"this host has no NIC {name!r}", f"its NICs: {', '.join(sorted(nics)) or 'none'}"
            )
        elif nic.default_route:
            expected = "take another one: a run would cut this host off"
            yield Problem(place, f"NIC {name!r} carries this host's default route", expected)
        elif nic.bridge:
            yield Problem(place, f"NIC {name!r} is a port of {nic.bridge!r}", "take it out of there first")


def named_by_alias(name: str, inside: int) -> str | None:
    """Return what the lent NIC is called in the network namespace of the open file ``inside``, if it is there."""
    links = _asked("-details", "link", "show", inside=inside)
    return next((link["ifname"] for link in links if link.get("ifalias") == ALIAS + name), None)


def lock(name: str) -> TextIO | None:
    """Mark a NIC as lent as long as the returned file is open; None where it is lent already."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    return _locked(_lock_file(name).open("a"))


def is_lent(name: str) -> bool:
    """Whether another run has the NIC."""
    try:
        file = _locked(_lock_file(name).open())
    except FileNotFoundError:
        return False
    if file is not None:
        file.close()
    return file is None


def _lock_file(name: str) -> Path:
    return LOCKS / f"testbed-nic-{name}"


def _locked(file: TextIO) -> TextIO | None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def ip(*arguments: str, stdin: str = "", inside: int | None = None, fds: Iterable[int] = ()) -> str:
    """Run the command ``ip``, in the network namespace of the open file ``inside`` where one is given.

    ``arguments`` may name the open files ``fds`` as /proc/self/fd/N. Returns its output; raises HostError.
    """
    enter = [] if inside is None else ["nsenter", f"--net=/proc/self/fd/{inside}", "--"]
    kept = [*fds, *([] if inside is None else [inside])]
    try:
        done = subprocess.run(
            [*enter, "ip", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            pass_fds=kept,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise HostError(f"ip {' '.join(arguments)}: no answer within {_TIMEOUT_S:g} s") from late
    if done.returncode != 0:
        raise HostError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _asked(*question: str, inside: int | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ip("-json", *question, inside=inside) or "[]")
    return [entry for entry in found if entry]  # ip writes {} for what it filtered out


def _settings(link: Mapping[str, Any], routes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    name = link["ifname"]
    yield f"link set dev {name} mtu {link['mtu']}"
    yield f"link set dev {name} {'up' if 'UP' in link['flags'] else 'down'}"
    for address in link["addr_info"]:
        if address["scope"] == "link" or address.get("temporary"):
            continue  # the kernel makes these itself
        life = ""
        if address.get("valid_life_time", _FOREVER) != _FOREVER:
            life = f" valid_lft {address['valid_life_time']} preferred_lft {address['preferred_life_time']}"
        broadcast = " brd +" if "broadcast" in address else ""
        yield f"address replace {address['local']}/{address['prefixlen']}{broadcast} dev {name}{life}"
    for route in routes:
        if route.get("protocol") in ("kernel", "ra") or "nexthops" in route:
            continue
        words = {"via": "gateway", "metric": "metric", "src": "prefsrc", "proto": "protocol"}
        more = "".join(f" {word} {route[key]}" for word, key in words.items() if key in route)
        yield f"route replace {route['dst']}{more} dev {name}"
