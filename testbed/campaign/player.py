"""One job played by a process of its own, which leaves nothing behind when it is killed, nor when its starter is.

``python -m testbed.campaign.player ASSIGNMENT`` plays it; ``played`` starts that and waits.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from testbed.errors import InputError, RunError, TestbedError
from testbed.lab import bench as benches
from testbed.lab import hold
from testbed.lab.bench import Chosen
from testbed.model.bench import VIRTUAL
from testbed.model.times import REAL
from testbed.run import launch

COMMAND = (sys.executable, "-m", "testbed.campaign.player")
_DIED, _CANNOT = 71, 70  # exit status: the run died; this host cannot play it
_LOOK_S = 0.2


class Stopped(Exception):
    """Nobody wants the run any more."""


class PlayerLost(TestbedError):
    """The run could not be played here, and may be elsewhere; it says nothing about the hub."""


@dataclass(frozen=True)
class Assignment:
    """What there is to play: the run's name and the ``seed`` of its randomness, its ``time``, the ``bench`` of this
    host by its name and the SHA-256 of its file, and which ``hub`` of it; the ``campaign`` that it is of."""

    name: str
    seed: int = 0
    time: str = REAL
    bench: str = VIRTUAL
    hub: str = ""
    bench_hash: str = ""
    campaign: str = ""

    @property
    def what(self) -> str:
        """What it is, for those who wait for its bench."""
        return f"run {self.name} of {self.campaign or 'a campaign'}"

    @property
    def place(self) -> str:
        """The bench's hub, as locks name it; empty: the virtual one, of which there are enough."""
        return "" if self.bench == VIRTUAL else f"{self.bench}/{self.hub}-{self.bench_hash[:16]}"


def played(
    assignment: Assignment,
    folder: Path,
    wanted: Callable[[], bool],
    command: Sequence[str] = COMMAND,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Play the job that lies in ``folder``; return why the run died, or nothing where it came to an end of its own.

    What its player says meanwhile, such as whom it waits for, is told line by line.
    Raises Stopped when it is not ``wanted`` any more, PlayerLost where it has to be played again.
    """
    (folder / "logs").mkdir(exist_ok=True)
    log = folder / "logs" / "player.log"
    started = ["setpriv", "--pdeathsig", "KILL", "--", *command, msgspec.json.encode(assignment).decode(), str(folder)]
    with log.open("wb") as said:
        process = subprocess.Popen(
            started, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        told = 0
        try:
            while process.poll() is None:
                if not wanted():
                    raise Stopped
                lines = log.read_text(errors="replace").splitlines(keepends=True)
                for line in lines[told:]:
                    if line.endswith("\n"):
                        tell(line.strip())
                        told += 1
                try:
                    process.wait(_LOOK_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            status = process.wait()
    words = log.read_text(errors="replace").strip()[-2000:]
    if 0 == status:
        log.unlink()
        return ""
    if _DIED == status:
        return words
    ending = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    raise PlayerLost(words if _CANNOT == status else f"its player {ending}: {words or 'without a word'}")


def bench_hash(chosen: Chosen) -> str:
    """Return the SHA-256 of a bench's file: the same bench on two hosts."""
    return hashlib.sha256(chosen.path.read_bytes()).hexdigest()


def _play(assignment: Assignment, folder: Path) -> None:
    if REAL != assignment.time:
        launch.play_virtually(folder, assignment.seed, lambda _: None)
        return
    chosen = benches.find(assignment.bench, assignment.hub)
    if chosen is not None and bench_hash(chosen) != assignment.bench_hash:
        raise InputError(str(chosen.path), "not the bench that was planned for", "copy the same file to each host")
    told = partial(print, flush=True)
    with hold.held(chosen, assignment.what, time.time_ns(), wait=True, tell=told) as lock:
        launch.play(folder, chosen, lambda _: None, lock)


def main() -> int:
    """Play what the command line says; return 0 where the run came to an end of its own, whatever its verdict."""
    try:
        _play(msgspec.json.decode(sys.argv[1], type=Assignment), Path(sys.argv[2]))
    except RunError as error:
        print(error, file=sys.stderr)
        return _DIED
    except TestbedError as error:
        print(error, file=sys.stderr)
        return _CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
