"""Lab hosts behind a Dask scheduler as a crew: each run is a task of its own, which asks for what it needs."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from testbed.campaign import agenda, bundle, lab_worker
from testbed.campaign import hosts as lab_hosts
from testbed.campaign.bench_locks import BenchHolder
from testbed.campaign.crew import Over, emptied
from testbed.campaign.hosts import LabHost
from testbed.campaign.player import COMMAND, Assignment
from testbed.campaign.wire import Wire, quiet
from testbed.errors import HostError

_ANSWER_S = 60.0


class DaskCrew:
    """The workers of a scheduler. Raises HostError where there is none."""

    def __init__(self, wire: Wire, command: Sequence[str] = COMMAND) -> None:
        self._wire, self._command = wire, tuple(command)
        self._over: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._runs: dict[Any, str] = {}
        self._session = f"testbed-{uuid.uuid4().hex}"
        self._needs: tuple[str, ...] = ()
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._begun = 0
        self._stack = ExitStack()

    def __enter__(self) -> DaskCrew:
        with ExitStack() as stack:
            stack.enter_context(quiet())
            from distributed import Client

            try:
                self._client = Client(
                    str(self._wire), security=self._wire.security(), timeout=10, set_as_default=False
                )
            except (OSError, TimeoutError) as error:
                expected = "start one there: testbed scheduler"
                raise HostError(f"no scheduler answers at {self._wire}; {expected}") from error
            stack.callback(self._client.close, timeout=5)
            self._client.subscribe_topic(lab_worker.TOPIC, self._hear)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._client.status == "running":
            self._client.cancel(list(self._runs))
        self._stack.close()

    def hosts(self) -> list[LabHost]:
        """Return the workers that are there. Raises HostError when the scheduler is gone."""
        try:
            known = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TimeoutError, RuntimeError, KeyError) as error:
            raise HostError(f"the scheduler at {self._wire} is gone") from error
        if self._client.status not in ("running", "connecting"):
            raise HostError(f"the scheduler at {self._wire} is gone")
        return [LabHost(str(w["name"]), w["resources"], w["nthreads"]) for w in known.values()]

    def fault(self, needs: Sequence[str]) -> str:
        """See Crew."""
        return lab_hosts.fault(needs, self.hosts())

    def places(self, needs: Sequence[str]) -> int:
        """See Crew."""
        self._needs = tuple(needs)
        return sum(host.places_for(needs) for host in self.hosts())

    def begin(self, assignment: Assignment, folder: Path) -> None:
        """Send it packed."""
        self._begun += 1
        future = self._client.submit(
            lab_worker.play,
            msgspec.json.encode(assignment),
            bundle.pack(agenda.seat(folder, assignment.name)),
            self._command,
            key=f"{self._session}-{assignment.name}-{self._begun}",
            resources=lab_hosts.asked(self._needs),
            pure=False,
        )
        self._runs[future] = assignment.name
        future.add_done_callback(self._over.put)

    def ended(self, timeout_s: float) -> Over | None:
        """See Crew."""
        try:
            future = self._over.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return self._told(self._runs.pop(future), future)

    def heard(self) -> list[str]:
        """See Crew."""
        return emptied(self._said)

    def _hear(self, event: tuple[float, Any]) -> None:
        _, said = event
        if said["key"].startswith(self._session):
            self._said.put(said["said"])

    def holders(self) -> list[BenchHolder]:
        """Return which benches are in use on the hosts, and by whom. Raises HostError when the scheduler is gone."""
        try:
            return [BenchHolder(**held) for held in self._client.sync(self._client.scheduler.bench_holders)]
        except (OSError, TimeoutError) as error:
            raise HostError(f"the scheduler at {self._wire} is gone") from error

    def _told(self, name: str, future: Any) -> Over:
        from distributed import KilledWorker

        try:
            if future.cancelled():
                raise HostError(f"the scheduler at {self._wire} is gone")
            error = future.exception(timeout=_ANSWER_S)
            if isinstance(error, KilledWorker):
                return Over(name, "", lost=f"its worker died {error.allowed_failures + 1} times", again=False)
            if error is not None:
                return Over(name, "", lost=str(error) or type(error).__name__)
            where, died, packed = future.result(timeout=_ANSWER_S)
        except (OSError, TimeoutError, CancelledError) as error:
            raise HostError(f"the scheduler at {self._wire} is gone") from error
        finally:
            future.release()
        return Over(name, where, packed, died)
