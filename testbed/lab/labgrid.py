"""A place of labgrid that a bench's hub is: in use in labgrid as long as the hub is, and by nobody else.

labgrid's lock outlives whoever took it. So a keeper, a process of its own (``python -m testbed.lab.labgrid``), gives it
back when this process has ended, however it did, and the bench's NICs are home. labgrid is spoken to by its own client,
a program: what it needs, and its plug-in for pytest, stays in an environment of its own.
"""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import msgspec

from testbed.errors import HostError
from testbed.lab import nics
from testbed.model.bench import Labgrid

_ANSWER_S = 60.0
_LOOK_S = 1.0
_TAKEN = "already acquired"
_CHANGES = 3  # of hands, between being refused and asking who has it
_TRIES, _AGAIN_S = 24, 5.0  # for a coordinator that does not answer at the end of a run
_NOTHING = "nothing"  # there is to give back


@dataclass(frozen=True)
class _Order:
    """What a keeper has to give back: the place, ``whose`` it is, and the NICs that have to be home before."""

    place: Labgrid
    whose: str
    nics: tuple[str, ...]


def user() -> str:
    """Return who has a place for this process, as labgrid shows it: nobody else is called so."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}.testbed-{os.getpid()}"


def exported(place: Labgrid) -> str:
    """Return what a shell command needs before it, to do something with a place that this process has."""
    return "".join(f"export {key}={shlex.quote(value)}; " for key, value in _variables(place, user()).items())


@contextmanager
def acquired(
    place: Labgrid | None, names: Sequence[str], *, wait: bool, tell: Callable[[str], None]
) -> Iterator[None]:
    """Have a place to oneself, and give it back when the NICs of these ``names`` are home.

    Where somebody else has it, wait and ``tell`` so first, or raise HostError, which says who, since when. Raises
    HostError where labgrid cannot be asked.
    """
    if place is None:
        yield
        return
    with _kept(_Order(place, user(), tuple(names))) as keeper:
        told = ""
        try:
            while refused := _refusal(place):
                if not wait:
                    raise HostError(f"{refused}; add --wait to wait for it")
                if told != refused:
                    tell(f"{refused}; waiting for it")
                    told = refused
                time.sleep(_LOOK_S)
        except HostError:
            keeper.write(_NOTHING)
            raise
        yield


@contextmanager
def _kept(order: _Order) -> Iterator[IO[str]]:
    line = [sys.executable, "-m", "testbed.lab.labgrid", msgspec.json.encode(order).decode()]
    keeper = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert keeper.stdin is not None  # a pipe
    try:
        yield keeper.stdin
    finally:
        _, said = keeper.communicate()
    if keeper.returncode:
        raise HostError(said.strip() or f"the keeper of {order.place} ended with status {keeper.returncode}")


def _refusal(place: Labgrid) -> str:
    """Try to have a place; return why not, where somebody has it."""
    holder = since = ""
    for _ in range(_CHANGES):
        done = _client(place, user(), "acquire")
        if done.returncode == 0:
            return ""
        said = done.stderr.strip().splitlines()[-1:] or [f"its client ended with status {done.returncode}"]
        if _TAKEN not in said[0]:
            raise HostError(f"{place} cannot be had: {said[0]}")
        holder, since = _holder(place)
        if holder:
            break
    return f"{place} is in use by {holder or 'somebody'}{since and f' since {since}'}"


def _holder(place: Labgrid) -> tuple[str, str]:
    """Return who has a place, as HOST/USER, and since when; two empty words: nobody."""
    done = _client(place, user(), "show")
    if done.returncode:
        raise HostError(f"{place} cannot be asked: {done.stderr.strip()}")
    lines = (line.strip().partition(": ") for line in done.stdout.splitlines())
    told = {key: value for key, colon, value in lines if colon}
    holder = told.get("acquired", "None")
    if holder == "None":
        return "", ""
    try:
        since = datetime.fromisoformat(told.get("changed", "")).astimezone()
    except ValueError:
        return holder, ""
    return holder, f"{since:%d %b %H:%M:%S}"


def _client(place: Labgrid, whose: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [place.client, "-p", place.name, *arguments]
    try:
        return subprocess.run(
            line, env={**os.environ, **_variables(place, whose)}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=_ANSWER_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        expected = "install requirements-labgrid.txt in an environment of its own, and name its program as client"
        raise HostError(f"{place}: no program {place.client}; {expected}") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{place}: its client did not answer within {_ANSWER_S:g} s") from error


def _variables(place: Labgrid, whose: str) -> dict[str, str]:
    return {"LG_COORDINATOR": place.coordinator, "LG_PLACE": place.name, "LG_USERNAME": whose}


def _give_back(order: _Order) -> str:
    """Give a place back that may have been taken; return what keeps it from that."""
    why = ""
    for _ in range(_TRIES):
        try:
            holder, _since = _holder(order.place)
            if holder.partition("/")[2] != order.whose:
                return ""
            _client(order.place, order.whose, "release-from", holder)
        except HostError as error:
            why = str(error)
        else:
            why = f"{order.place} was not given back"
            continue
        time.sleep(_AGAIN_S)
    return why


def main() -> int:
    """Wait for the end of who started this, and of the lender of its NICs; give the place back."""
    order = msgspec.json.decode(sys.argv[1], type=_Order)
    if sys.stdin.read() == _NOTHING:
        return 0
    while any(map(nics.is_lent, order.nics)):
        time.sleep(_LOOK_S)
    if why := _give_back(order):
        print(why, file=sys.stderr)
    return int(bool(why))


if __name__ == "__main__":
    sys.exit(main())
