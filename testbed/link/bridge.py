"""The engine by itself, between any two interfaces: the in-line box that labs buy."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from testbed import paths
from testbed.errors import InputError, RunError
from testbed.link.backend import Change, Counters, LinkSpec
from testbed.link.control import Control
from testbed.link.fidelity import Certificate
from testbed.link.native import NativeBackend
from testbed.model.link import LinkSchedule, QueueLimit
from testbed.units import parse_duration, parse_rate, parse_share, parse_size

FOLDERS = Path("/run/testbed-links")
_LEAD_NS = 200 * 10**6
T = TypeVar("T")
_WORD = re.compile(r"(delay|rate|loss|queue)\s+(\d[\d.]*\s*[^\d\s]\S*)\s*")


@dataclass(frozen=True)
class Values:
    """What a user writes of one direction: ``delay 25ms rate 100Mbit loss 0.1% queue 100ms``."""

    delay_ns: int | None = None
    rate_bps: int | None = None
    loss: float | None = None
    queue: QueueLimit | None = None

    def schedule(self) -> LinkSchedule:
        """Return a schedule with these values; what was not said is without limit."""
        return LinkSchedule.constant(
            delay_ns=self.delay_ns or 0,
            rate_bps=self.rate_bps or 0,
            loss=self.loss or 0.0,
            queue=self.queue or QueueLimit(),
        )

    def change(self, for_ns: int | None = None, place: str = "") -> Change:
        """Return the live change to these values; what was not said stays.

        Raises InputError at `place` for a queue: one that has packets in it keeps its limit.
        """
        if self.queue is not None:
            raise InputError(
                place, "found a queue", "change delay, rate or loss; a queue's limit is set at the start"
            )
        return Change(delay_ns=self.delay_ns, rate_bps=self.rate_bps, loss=self.loss, for_ns=for_ns)


def parse_values(text: str, place: str = "") -> Values:
    """Read the values of one direction. Raises InputError at `place` (the option) for anything else."""
    found: dict[str, str] = {}
    rest = text.strip()
    while (match := _WORD.match(rest)) and match[1] not in found:
        found[match[1]] = match[2]
        rest = rest[match.end() :]
    if rest or not found:
        raise InputError(
            place, f"found {rest or text!r}", "write such as 'delay 25ms rate 100Mbit loss 0.1%'"
        )
    return Values(
        delay_ns=_read(parse_duration, found.get("delay"), place),
        rate_bps=_read(parse_rate, found.get("rate"), place),
        loss=_read(parse_share, found.get("loss"), place),
        queue=_queue(found.get("queue"), place),
    )


def _read(parse: Callable[[str], T], text: str | None, place: str) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(place, f"found {text!r}", f"write {error}") from None


def _queue(text: str | None, place: str) -> QueueLimit | None:
    if text is None:
        return None
    try:
        return QueueLimit(bytes=parse_size(text))
    except ValueError:
        return QueueLimit(time_ns=_read(parse_duration, text, place) or 0)


def link_name(a: str, b: str) -> str:
    """Return the name by which a bridge between two interfaces is found again."""
    return f"{a}-{b}"


def running(folders: Path = FOLDERS) -> list[str]:
    """Return the names of the bridges on this host."""
    return sorted(path.parent.name for path in folders.glob("*/linkd.sock") if _alive(path.parent))


def connect(name: str | None, folders: Path = FOLDERS) -> Control:
    """Return a connection to a bridge; without a name, to the only one.

    Raises InputError when it is not clear which.
    """
    known = running(folders)
    if name is None and len(known) != 1:
        raise InputError("--link", f"{len(known)} links run", f"name one of: {', '.join(known) or 'none'}")
    chosen = name or known[0]
    if chosen not in known:
        raise InputError("--link", f"no link {chosen!r} runs", f"running: {', '.join(known) or 'none'}")
    return Control(folders / chosen)


def run(
    spec: LinkSpec,
    *,
    netns: str | None,
    duration_ns: int | None,
    show: Callable[[float, Counters], None],
    folders: Path = FOLDERS,
) -> Certificate:
    """Emulate one link until the time is over or Ctrl-C; calls `show` each second with the time and counters.

    Raises RunError when the interfaces cannot be had, or linkd dies. Its folder is there while it runs.
    """
    inside = ["ip", "netns", "exec", netns] if netns else []

    def spawn(argv: Sequence[str]) -> subprocess.Popen[bytes]:
        # a process group of its own: Ctrl-C is for this program, which ends linkd in order
        return subprocess.Popen([*inside, *argv], stdin=subprocess.DEVNULL, process_group=0)

    with _claimed(folders, spec.name + (f"@{netns}" if netns else "")) as folder:
        backend = NativeBackend(folder, spawn)
        backend.open([spec])
        try:
            backend.start(time.time_ns() + _LEAD_NS)
            _watch(backend, duration_ns, show)
        except KeyboardInterrupt:
            pass
        finally:
            certificate = backend.close()
    return certificate


@contextmanager
def _claimed(folders: Path, name: str) -> Iterator[Path]:
    """Make a folder that lasts as long as the context, and sweep those of bridges that were killed.

    A bridge holds its folder's lock, which the kernel drops with it. Interfaces of one name may be in several
    namespaces: the second one's folder has a number behind its name.
    """
    folders.mkdir(parents=True, exist_ok=True)
    with paths.locked(folders, fcntl.LOCK_EX):
        for left_behind in folders.iterdir():
            with suppress(BlockingIOError, NotADirectoryError), paths.locked(left_behind):
                shutil.rmtree(left_behind)
        names = (name if number == 1 else f"{name}.{number}" for number in count(1))
        folder = next(folders / free for free in names if not (folders / free).exists())
        folder.mkdir()
        stack = ExitStack()
        stack.enter_context(paths.locked(folder))
    with stack:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def _alive(folder: Path) -> bool:
    try:
        Control(folder).close()
    except RunError:
        return False
    return True


def _watch(backend: NativeBackend, duration_ns: int | None, show: Callable[[float, Counters], None]) -> None:
    began = time.monotonic()
    end = None if duration_ns is None else began + duration_ns / 1e9
    while end is None or time.monotonic() < end:
        left = 1.0 if end is None else min(1.0, end - time.monotonic())
        if backend.ended(max(left, 0.0)):
            return
        show(time.monotonic() - began, backend.read())
