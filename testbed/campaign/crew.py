"""Who plays a campaign's runs: the seam between what is to be played and where; and this host as the first of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.campaign import agenda, player
from testbed.campaign.player import COMMAND, Assignment, PlayerLost, Stopped

LOCAL = "local"


@dataclass(frozen=True)
class Over:
    """A run that came back: from ``where``, its result ``packed`` (None: it lies in its seat), and why it ``died``.

    ``lost`` says why there is no result; ``again``: another try may bring one.
    """

    name: str
    where: str
    packed: bytes | None = None
    died: str = ""
    lost: str = ""
    again: bool = True


class Crew(Protocol):
    """Plays runs, several at once; a context manager, after which it plays nothing more."""

    def __enter__(self) -> Crew: ...
    def __exit__(self, *_: object) -> None: ...
    def fault(self, needs: Sequence[str]) -> str:
        """Return why nobody of it can play what has these needs; empty: somebody can."""

    def places(self, needs: Sequence[str]) -> int:
        """Return how many such runs it can play at once now. Raises HostError where it cannot be asked any more."""

    def begin(self, assignment: Assignment, folder: Path) -> None:
        """Begin to play the job of a campaign's ``folder``."""

    def ended(self, timeout_s: float) -> Over | None:
        """Return a run that has come back; None: none did in that time."""

    def heard(self) -> list[str]:
        """Return what has been said since the last call: what a run waits for, and who has it."""


class LocalCrew:
    """This host, with ``count`` runs at once."""

    def __init__(self, count: int, command: Sequence[str] = COMMAND) -> None:
        self.count, self._command = count, tuple(command)
        self._over: queue.SimpleQueue[Over] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = True
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> LocalCrew:
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()

    def fault(self, needs: Sequence[str]) -> str:
        """Nothing: what this host cannot do was found before."""
        return ""

    def places(self, needs: Sequence[str]) -> int:
        """As many as it was made for."""
        return self.count

    def begin(self, assignment: Assignment, folder: Path) -> None:
        """Play it in its seat."""
        thread = threading.Thread(target=self._play, args=(assignment, agenda.seat(folder, assignment.name)))
        thread.start()
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]

    def ended(self, timeout_s: float) -> Over | None:
        """See Crew."""
        try:
            return self._over.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def heard(self) -> list[str]:
        """See Crew."""
        return emptied(self._said)

    def _play(self, assignment: Assignment, seat: Path) -> None:
        def tell(said: str) -> None:
            self._said.put(f"run {assignment.name}: {said}")

        try:
            died = player.played(assignment, seat, lambda: self._open, self._command, tell)
        except PlayerLost as lost:
            self._over.put(Over(assignment.name, LOCAL, lost=str(lost)))
        except Stopped:
            return
        else:
            self._over.put(Over(assignment.name, LOCAL, died=died))


def emptied(said: queue.SimpleQueue[str]) -> list[str]:
    """Take all that is in a queue."""
    found = []
    with suppress(queue.Empty):
        while True:
            found.append(said.get_nowait())
    return found
