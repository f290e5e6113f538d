"""Start a run in its sandbox, follow what it tells, and end it politely when asked."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from testbed import paths
from testbed.capture import taps
from testbed.capture.points import problems
from testbed.errors import HostError, InputError, RunError
from testbed.lab import bench, cores, labgrid, lender, machine, sandbox
from testbed.lab.bench import Chosen
from testbed.link.backends import BACKENDS
from testbed.model import times
from testbed.model.bench import VIRTUAL
from testbed.model.capture import CaptureWish
from testbed.result import provenance
from testbed.result.store import Result, ResultWriter
from testbed.run import job, owner, progress
from testbed.run.guard import carry_on, words
from testbed.run.placement import END, Placement, Stay
from testbed.run.plan import Plan
from testbed.run.progress import Ended, Event, Note
from testbed.tenant import custodian, held

_PROGRAM = "testbed.run.inside"
_GRACE_S = 40.0  # how long an interrupted run may take to write what it has


@dataclass(frozen=True)
class Stays:
    """How a lab stays: the ``program`` that plays it and answers its socket, and who hears the PID of its sandbox's
    PID 1 when it is there."""

    program: str
    stay: Stay
    born: Callable[[int], None]


class Inside(Protocol):
    """A run in its sandbox or its machine."""

    def lines(self) -> Iterable[bytes]:
        """Yield what it tells, line by line, until it is over."""

    def ask(self, line: bytes) -> None:
        """Write to its standard input. Raises BrokenPipeError."""

    def kill(self) -> None:
        """End it at once."""


def check(made: Plan) -> None:
    """Raise HostError where this host cannot play the plan, or not in its time."""
    fault = machine.fault_of_host() if made.time == times.VIRTUAL else BACKENDS[made.link].fault_of_host()
    if fault:
        raise HostError(fault)


def check_capture(made: Plan, wish: CaptureWish) -> None:
    """Raise InputError where a wish does not fit the plan, HostError where this host cannot capture."""
    bench_name = made.bench.name if made.bench else VIRTUAL
    if wrong := list(problems(wish, made.topology, bench_name)):
        raise InputError.of(wrong)
    if fault := taps.fault_of_host():
        raise HostError(fault)


def new_folder(results: Path, name: str, now: datetime) -> Path:
    """Make and return the folder of a new run, ``<UTC time>-<scenario>``; a second run at once gets ``-2``."""
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}"
    for number in range(1, 100):
        folder = results / (stem if number == 1 else f"{stem}-{number}")
        try:
            owner.make(folder)
        except FileExistsError:
            continue
        except OSError as error:
            raise HostError(
                f"{folder} cannot be made ({error.strerror}); choose another --results"
            ) from error
        owner.make(folder / "logs")
        return folder
    raise HostError(f"{results / stem} and 98 more exist already; choose another --results")


def run(
    made: Plan,
    folder: Path,
    show: Callable[[Event], None],
    hold: int | None = None,
    standing: Stays | None = None,
    capture: CaptureWish | None = None,
) -> int:
    """Play a plan in a sandbox, its results in ``folder``, showing its events; return its exit status.

    ``hold`` is the lock of the bench's hub (testbed.lab.hold), where the hub is not virtual; ``standing`` says how the
    lab stays when the scenario is over; ``capture`` which packets to keep.

    A first Ctrl-C, or SIGTERM, ends the run politely: it writes what it has. A second one ends it at once.
    Raises HostError where a sandbox cannot be made, RunError where the run died without a word. What
    ``show`` raises is raised when the run is over: its evidence does not depend on who looks on.
    """
    try:
        job.pack(made, folder)
    except OSError as error:
        raise HostError(
            f"{folder} cannot be written ({error.strerror}); make room, or choose another --results"
        ) from error
    if made.time == times.VIRTUAL:
        return play_virtually(folder, made.scenario.seed, show, capture)
    return play(folder, made.chosen, show, hold, standing, capture)


def play(
    folder: Path,
    chosen: Chosen | None,
    show: Callable[[Event], None],
    hold: int | None = None,
    standing: Stays | None = None,
    capture: CaptureWish | None = None,
) -> int:
    """Play the job that lies in ``folder``, with the hub of a bench or the virtual one. See ``run``."""
    log_path, account = folder / "logs" / "run.log", folder / job.FOLDER / job.TENANT
    with (
        custodian.keeping(account if account.exists() else None, log_path.with_name(held.LOG)) as keeper,
        lender.lending(_nics(chosen), log_path.with_name("lender.log"), hold, _switch(chosen)) as fd,
    ):
        with log_path.open("wb") as log:
            stay = standing.stay if standing else None
            fds = [number for number in (fd, keeper, stay.control if stay else None) if number is not None]
            inside = sandbox.spawn(_command(standing.program if standing else _PROGRAM), log, fds)
        try:
            if standing is not None:
                standing.born(sandbox.init_of(inside))
            with cores.reserved() as core:
                bench_file, hub = (str(chosen.path), chosen.hub) if chosen else (None, "")
                placement = Placement(
                    str(folder), True, core, bench_file, hub, fd, stay=stay, capture=capture, custodian=keeper
                )
                status = _follow(_Sandbox(inside, placement), show)
        finally:
            inside.kill()  # unshare's child dies with it, and with that child all of the run
            inside.wait()
            owner.give(folder)
    return _told(status, log_path)


def play_virtually(
    folder: Path, seed: int, show: Callable[[Event], None], capture: CaptureWish | None = None
) -> int:
    """Play the job that lies in ``folder`` in virtual time; ``seed`` is that of all randomness. See ``run``."""
    log_path = folder / "logs" / "run.log"
    # Looked up here: how many files git reads would be a part of what the machine does, and of its time.
    found = provenance.versions(paths.ROOT)
    placed = Placement(str(machine.FOLDER), time=times.VIRTUAL, versions=found, capture=capture)
    placement = msgspec.json.encode(placed)
    command = [str(machine.PYTHON), "-m", _PROGRAM, str(machine.GIVEN / "placement")]
    try:
        with (
            log_path.open("wb") as log,
            machine.running(command, folder, log, seed, {"placement": placement}) as inside,
        ):
            status = _follow(inside, lambda event: _show_from_outside(event, folder, show))
    finally:
        owner.give(folder)
    return _told(status, log_path)


def _command(program: str) -> tuple[str, ...]:
    return (sys.executable, "-m", program)


def _show_from_outside(event: Event, folder: Path, show: Callable[[Event], None]) -> None:
    """Show an event of a machine as it is told here: the folder by its name, and when the run's pictures are in it."""
    if isinstance(event, Ended):
        event = replace(event, folder=paths.shown(folder))
        with carry_on(lambda error: show(Note(f"no figure, no report: {words(error)}", error=True))):
            writer = ResultWriter(folder, Result.load(folder).record)
            from testbed.run import pictures  # takes longer to load than all else

            pictures.write(writer, show)
            writer.list_files()
    show(event)


def _told(status: int | None, log_path: Path) -> int:
    """Return a run's exit status. Raises RunError where the run died without telling one."""
    if status is None:
        raise RunError(
            f"the run died; the end of {paths.shown(log_path)} says:\n{_tail(log_path) or 'nothing'}"
        )
    return status


def _nics(chosen: Chosen | None) -> list[str]:
    """Return the NICs of this host that a hub takes."""
    return [name for name, _ in bench.read(chosen).nics()] if chosen else []


def _switch(chosen: Chosen | None) -> Mapping[str, str]:
    """Return the commands that switch a hub's power."""
    read = bench.read(chosen) if chosen else None
    if read is None or read.power is None:
        return {}
    given = labgrid.exported(read.labgrid) if read.labgrid else ""
    return {"off": given + read.power.off, "on": given + read.power.on}


class _Sandbox:
    """A run in its sandbox, which is told first where it is played."""

    def __init__(self, process: subprocess.Popen[bytes], placement: Placement) -> None:
        if process.stdin is None or process.stdout is None:
            raise RunError("the sandbox has no pipes")
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        _ask(self, msgspec.json.encode(placement) + b"\n")

    def lines(self) -> Iterable[bytes]:
        return self._stdout

    def ask(self, line: bytes) -> None:
        self._stdin.write(line)
        self._stdin.flush()

    def kill(self) -> None:
        self._process.kill()


@contextmanager
def _term_as_ctrl_c() -> Iterator[None]:
    """Take SIGTERM, which a service manager or a CI runner sends, for a Ctrl-C; only a main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@_term_as_ctrl_c()
def _follow(inside: Inside, show: Callable[[Event], None]) -> int | None:
    audience = _Audience(show)
    try:
        audience.hear(inside.lines())
    except KeyboardInterrupt:
        _ask(inside, f"{END}\n".encode())
        signal.setitimer(signal.ITIMER_REAL, _GRACE_S)
        previous = signal.signal(signal.SIGALRM, lambda *_: inside.kill())
        try:
            audience.hear(inside.lines())
        except KeyboardInterrupt:
            return 3
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
    if audience.failed is not None:
        raise audience.failed
    return audience.status


def _ask(inside: Inside, line: bytes) -> None:
    with suppress(BrokenPipeError):  # it died at once; its log says why
        inside.ask(line)


class _Audience:
    """Shows a run's events to whoever looks on, until one cannot be shown; ``status`` is the run's, once it ended."""

    def __init__(self, show: Callable[[Event], None]) -> None:
        self._show = show
        self.failed: Exception | None = None
        self.status: int | None = None

    def hear(self, lines: Iterable[bytes]) -> None:
        """Follow a run to its end."""
        for line in lines:
            event = progress.parse(line.decode())
            if self.failed is None:
                with carry_on(self._fail):
                    self._show(event)
            if isinstance(event, Ended):
                self.status = event.exit_status

    def _fail(self, error: Exception) -> None:
        self.failed = error


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
