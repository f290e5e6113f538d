"""What lab hosts have and what runs need, by the same words; Dask knows them as a worker's and a task's resources.

    testbed 0.1.0/1     the version, and that of the way to speak with a worker: both sides have the same
    host                the whole host for a run in real time, which others would disturb; of it a share in virtual time
    root, link=native, virtual-time, bench=shelf    what a worker finds of itself
    nic=shelf-3 ...     whatever the user gives to a worker, and asks for by the same word
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import testbed
from testbed.errors import TestbedError
from testbed.lab import bench as benches
from testbed.lab import machine, nics
from testbed.lab.bench import Chosen
from testbed.link.backends import BACKENDS
from testbed.model.bench import BenchFile
from testbed.yaml import load

PROTOCOL = 2
SAME = f"testbed {testbed.__version__}/{PROTOCOL}"
HOST, ROOT, VIRTUAL_TIME = "host", "root", "virtual-time"
_SHARE = 1 / 1024  # more than any host has processors


@dataclass(frozen=True)
class LabHost:
    """A worker's host: its name, what it has, how many runs it plays at once."""

    name: str
    has: Mapping[str, float]
    places: int

    @property
    def version(self) -> str:
        """The version of its testbed; empty: it is no worker of the testbed."""
        return next((word for word in self.has if word.startswith("testbed ")), "")

    def places_for(self, needs: Sequence[str]) -> int:
        """Return how many runs with these needs it can play at once."""
        if any(self.has.get(word, -1) < need for word, need in asked(needs).items()):
            return 0
        return 1 if asked(needs)[HOST] == 1 else self.places

    def __str__(self) -> str:
        own = sorted(word for word in self.has if word != HOST and not word.startswith("testbed "))
        return f"{self.name} has {', '.join(own) or 'nothing of it'}"


def asked(needs: Sequence[str]) -> dict[str, float]:
    """Return what a task asks of its worker: to have it is enough, but of the host itself."""
    return {SAME: 0.0, HOST: _SHARE if VIRTUAL_TIME in needs else 1.0, **dict.fromkeys(needs, 0.0)}


def given(words: Sequence[str]) -> dict[str, float]:
    """Return what a worker of this host has: what it finds, and the user's ``words``."""
    return dict.fromkeys((SAME, HOST, *_found(), *words), 1.0)


def fault(needs: Sequence[str], known: Sequence[LabHost]) -> str:
    """Return why none of these hosts can play a run with these needs; empty: one can."""
    if any(host.places_for(needs) for host in known):
        return ""
    if not known:
        return "no worker is there; start one on each lab host: testbed worker HOST:PORT"
    others = [host for host in known if host.version != SAME]
    if len(others) == len(known):
        told = "; ".join(f"{host.name} is {_shown(host.version)}" for host in others)
        return f"{told}, and this is {_shown(SAME)}: install the same version on both"
    same = [host for host in known if host.version == SAME]
    return f"no worker has {' and '.join(needs)}: {'; '.join(map(str, same))}"


def _shown(version: str) -> str:
    number, _, protocol = version.partition("/")
    return f"{number} (protocol {protocol})" if version else "no worker of the testbed"


def _found() -> Iterator[str]:
    if os.geteuid() == 0:
        yield ROOT
        yield from (f"link={name}" for name, backend in BACKENDS.items() if not backend.fault_of_host())
        yield from map("bench={}".format, _benches())
    if not machine.fault_of_host():
        yield VIRTUAL_TIME


def _benches() -> Iterator[str]:
    """Yield the hubs that this host can lend its NICs to."""
    here = nics.read()
    for path in benches.listed():
        try:
            for hub in load.read(path, BenchFile).benches:
                chosen = Chosen(path, hub)
                if not list(nics.problems(benches.read(chosen), here, lent_too=True)):
                    yield chosen.title
        except TestbedError:  # another host's
            continue
